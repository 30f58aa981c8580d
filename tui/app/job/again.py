"""The dialogs that run a job again: what is different today, then the price, then the start."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, cast

from tui.app.job import facts
from tui.app.new_job.submission import ask_consent
from tui.app.widgets.picker import Picker
from tui.base.json_types import JsonObject
from tui.client.agreement import with_consent
from tui.client.client import ControlClient, ControlError
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import RerunPlan
    from tui.api.submission import Draft
    from tui.app.context import AppContext

_MOST_NAMED: Final = 3


def ask_again(context: AppContext, job: JobRecord) -> None:
    """Runs a job again as it ran, after a question, or goes on from a checkpoint."""
    point = facts.point_to_go_on(job, context.reader, context.outputs)
    if point is None:
        run_again(context, job)
        return
    choices = [
        ("resume", f"go on from step {point.step:,}",
         f"of {point.total:,}; its checkpoint arrived" if point.total else "it arrived")
    ]  # fmt: skip
    if job.diagnosis.get("again") != "no":
        choices.append(("anew", "from the beginning", "exactly these settings"))

    def chosen(choice: str | None) -> None:
        if choice == "anew":
            run_again(context, job)
        elif choice == "resume":
            context.new_job(with_tags(context, job, facts.draft_from(job, point)))

    context.push_screen(Picker("Run again", choices), chosen)


def edit_again(context: AppContext, job: JobRecord) -> None:
    """Opens the form with a job's settings, its tags, and the changes of its diagnosis."""
    draft = with_tags(context, job, facts.draft_again(job, changed=True))
    context.new_job(draft, facts.refused_fields(job))


def with_tags(context: AppContext, job: JobRecord, draft: JsonObject) -> JsonObject:
    """Returns a draft that takes the job's tags along."""
    return {**draft, "tags": list(context.reader.annotation(job.job_id).tags)}


def run_again(context: AppContext, job: JobRecord) -> None:
    """Asks which run is meant where today differs, then for the price, then starts it."""
    control = context.control
    if control is None:
        context.tell(context.engine.refusal)
    else:
        context.tell(f"Comparing {job.name} with today…")
        context.run_worker(_plan(context, control, job), group="rerun", exclusive=True)


async def _plan(context: AppContext, control: ControlClient, job: JobRecord) -> None:
    try:
        plan = await control.rerun_plan(job.job_id)
    except ControlError as error:
        context.tell(error.message, error.advice, "error")
        return
    choices = ways(plan)
    if not choices:
        words = f"{plan['not_ran']} {plan['not_today']}"
        context.tell(words.strip(), plan["data"]["advice"], "error")
        return
    if plan["ran"] is not None and not plan["differences"]:
        _begin(context, control, plan, "ran")
        return

    def chosen(way: str | None) -> None:
        if way is not None:
            _begin(context, control, plan, way)

    context.push_screen(Picker(f"Run {job.name} again", choices), chosen)


def ways(plan: RerunPlan) -> list[tuple[str, str, str]]:
    """Returns the ways to run a job again as choices, each with what it means."""
    names = [item["words"] for item in plan["differences"]]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    changed = "; ".join(names[:_MOST_NAMED]) + more
    choices = []
    if plan["ran"] is not None:
        choices.append(("ran", "as it ran", plan["data"]["words"]))
    if plan["today"] is not None:
        choices.append(("today", "as it is today", changed))
    return choices


def _begin(context: AppContext, control: ControlClient, plan: RerunPlan, way: str) -> None:
    draft = cast("JsonObject", plan["today"] if way == "today" else plan["ran"])
    context.run_worker(_check(context, control, draft), group="rerun", exclusive=True)


async def _check(context: AppContext, control: ControlClient, draft: JsonObject) -> None:
    try:
        report = await control.check(cast("Draft", draft))
    except ControlError as error:
        context.tell(error.message, error.advice, "error")
        return
    if not report["ok"]:
        context.tell(
            "It cannot be started like that.", "The form shows what is in the way.", "warning"
        )
        context.new_job(draft)
        return
    body = with_consent({**draft, "idempotency_key": str(uuid.uuid4())}, report)

    async def start() -> None:
        try:
            answer = await control.submit(body)
        except ControlError as error:
            context.tell(error.message, error.advice, "error")
        else:
            context.open_job(answer["job_id"], replace=True)

    # Asked even where uploads need no consent: the key that led here shows no price.
    def agreed() -> None:
        context.run_worker(start(), group="submit")

    ask_consent(context, report, agreed)
