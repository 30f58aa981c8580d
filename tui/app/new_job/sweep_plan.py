"""A sweep from the form: configs with the form's settings and axes, planned and agreed to."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from tui.app.jobs.screen import JobsScreen
from tui.app.keys.actions import NEW, by_id
from tui.app.keys.choices import in_app
from tui.app.new_job.sweep_axes import at_once, job_draft, requested
from tui.app.terminal.text_lines import wrap
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.entry_list import Entry, entry
from tui.app.widgets.picker import Page, PageActions, page_width
from tui.base import formatting
from tui.base.formatting import plural
from tui.client.client import ControlError
from tui.simpletuner.sweep import AxisError
from tui.store.sweep_standing import changes_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.api.submission import Draft
    from tui.api.sweeps import PlannedMember, SweepDraft, SweepPlan, SweepRequest
    from tui.app.context import AppContext
    from tui.client.client import ControlClient

_OF_ONE_JOB: Final = frozenset({"config", "name", "rerun_of", "idempotency_key", "agreed"})
"""Fields of the form's draft that cannot be those of several runs."""
_FIGURES: Final = 23
"""Cells of a run's line beside its name and what differs."""
_MARKS: Final = {True: ("✓ ", "good"), False: ("✗ ", "bad")}
_TONES: Final = {"error": ("✗ ", "bad"), "warn": ("! ", "warn")}


async def plan_sweep(
    context: AppContext,
    started: Callable[[], None],
    draft: Mapping[str, Any],
    configs: Sequence[str],
) -> None:
    """Check each config with each combination of the form's axes, and show the plan.

    Args:
        context: the app.
        started: called once the sweep has started; closes the form.
        draft: the form's settings.
        configs: paths of the configs.
    """
    control = context.control
    if control is None:
        context.tell(context.engine.refusal)
        return
    try:
        request = request_of(draft, configs)
    except AxisError as error:  # in a draft that another version kept
        context.tell(f"The sweep cannot be made: {error}.", "", "error")
        return
    context.tell("Checking the runs of the sweep…")
    try:
        plan = await control.sweeps.plan(request)
    except ControlError as error:
        context.tell(error.message, error.advice, "error")
        return
    problem = plan["problem"]
    submit = replace(by_id(context.keymap.resolve(NEW), "new.submit"), label="start all")
    offers = PageActions(
        lambda: (submit,), lambda _action: "" if problem is None else problem["message"]
    )

    def answered(action_id: str | None) -> None:
        if action_id == submit.id:
            _ask(context, started, request, plan)

    title = f"A sweep of {plural(len(plan['members']), 'run')}"
    lines = plan_entries(plan, page_width(context.size.width))
    context.push_screen(Page(title, lines, offers), answered)


def request_of(draft: Mapping[str, Any], configs: Sequence[str]) -> SweepDraft:
    """Return the sweep of some configs with the form's settings and axes.

    Raises:
        AxisError: an axis cannot be used.
    """
    own = list(configs) == [draft.get("config")]  # one that runs again is as it ran
    left_out = _OF_ONE_JOB - ({"rerun_of"} if own else set())
    shared = {name: value for name, value in job_draft(draft).items() if name not in left_out}
    request: SweepDraft = {
        "drafts": [cast("Draft", {**shared, "config": path}) for path in configs],
        "axes": requested(draft),
        "at_once": at_once(draft),
    }
    if own and draft.get("name"):
        request["name"] = draft["name"]
    return request


def plan_entries(plan: SweepPlan, width: int) -> list[Entry]:
    """Return a plan as lines: each run, the sum, what leaves this machine, and what is wrong.

    What differs stands below the runs where it does not fit behind them.
    """
    members = plan["members"]
    names = max((len(one["name"]) for one in members), default=0)
    widest = max((len(changes_words(one["changes"])) for one in members), default=0)
    below = names + _FIGURES + widest > width
    heads = "" if below else "WHAT DIFFERS"
    lines = [entry(f"  {'RUN':<{names}}  {'TIME':>8} {'PRICE':>8}  {heads}".rstrip(), "dim")]
    lines += [line for one in members for line in _member_entries(one, names, below=below)]
    low, high = (formatting.money(plan[key]) for key in ("low_micros", "high_micros"))
    lines += [
        Entry(),
        entry(_total(plan, f" ({low}–{high})"), "strong"),
        entry(f"  {plan['cost']['message']}", "dim"),
    ]
    for words in _leaving(plan):
        lines += [
            entry(f"  {'  ' if number else ''}{part}")
            for number, part in enumerate(wrap(words, max(20, width - 4)))
        ]
    problem = plan["problem"]
    if problem is not None:
        lines += [Entry(), entry("✗ ", "bad", (in_app(problem["message"]), "base"))]
        lines.append(entry(f"  {in_app(problem['advice'])}", "dim"))
    return lines + _findings(members)


def _leaving(plan: SweepPlan) -> list[str]:
    """What is handed over, and the token that travels with it."""
    return [
        f"{row['words']}; {row['token']}" if row["token"] else row["words"]
        for row in plan["leaves"]
    ]


def _total(plan: SweepPlan, span: str = "") -> str:
    """The price of all runs; a sandbox takes nothing, and says what Replicate would."""
    runs, money = plural(len(plan["members"]), "run"), formatting.money(plan["micros"])
    where, free = ("on Replicate ", ", free here") if plan["free"] else ("", "")
    at_once = f"at most {plan['at_once']} at once"
    return f"{runs}, {where}about {money} together{span}{free}, {at_once}"


def _member_entries(member: PlannedMember, names: int, *, below: bool) -> list[Entry]:
    mark, tone = _MARKS[member["ok"]]
    time = formatting.duration(member["seconds"]) if member["seconds"] else ""
    price = formatting.money(member["micros"]) if member["seconds"] else ""
    words = changes_words(member["changes"])
    line = entry(
        mark, tone, (f"{member['name']:<{names}}  ", "base"), (f"{time:>8} {price:>8}  ", "base"),
        ("" if below else words, "dim"), copy=member["name"],
    )  # fmt: skip
    return [line, entry(f"    {words}", "dim")] if below and words else [line]


def _findings(members: Sequence[PlannedMember]) -> list[Entry]:
    """What is wrong or may be, each finding once with the runs that it is about."""
    found: dict[tuple[str, str], list[str]] = {}
    for member in members:
        for check in member["checks"]:
            if check["level"] in _TONES:
                names = found.setdefault((check["level"], check["message"]), [])
                names.append(member["name"])
    lines = []
    for (level, message), names in sorted(found.items()):
        about = "all" if len(names) == len(members) > 1 else ", ".join(names)
        mark, tone = _TONES[level]
        lines.append(entry(mark, tone, (f"{about}: {in_app(message)}", "base")))
    return [Entry(), *lines] if lines else []


def _ask(
    context: AppContext, started: Callable[[], None], request: SweepDraft, plan: SweepPlan
) -> None:  # fmt: skip
    agreed = cast("SweepRequest", {
        **request, "name": plan["name"], "at_once": plan["at_once"], "consent": True,
        "agreed": plan["digest"], "idempotency_key": str(uuid.uuid4()),
    })  # fmt: skip

    async def start(control: ControlClient) -> str:
        sweep = await control.sweeps.start(agreed)
        jobs = context.screen_stack[0]
        started()
        if isinstance(jobs, JobsScreen) and sweep["members"]:
            jobs.go_to(sweep["members"][0]["job_id"])
        return f"{sweep['name']}: {plural(len(sweep['members']), 'run')}, {sweep['running']} begun."

    def answered(yes: bool | None) -> None:
        if yes:
            context.call_engine(start)

    details = [
        f"{_total(plan)}.",
        f"{plan['cost']['message']}.",
        *(f"{words[:1].upper()}{words[1:]}." for words in _leaving(plan)),
        "It stops by itself after two failures in a row.",
    ]
    count = plural(len(plan["members"]), "run")
    price = "" if plan["free"] else f" ({formatting.money(plan['micros'])})"
    yes = f"Yes, start all{price}"
    context.push_screen(Confirm(f"Start {count}?", details, yes=yes), answered)
