"""`submit` of several runs, `sweep` and `queue`."""

from __future__ import annotations

import argparse
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from tui.base import formatting
from tui.base.errors import says_nothing_sent
from tui.base.job_status import JobStatus
from tui.base.similar import did_you_mean
from tui.cli import context, exit_codes
from tui.cli.consent import ASK_WITH_YES, agrees
from tui.cli.failures import failed, not_agreed, wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.cli.signals import goes_on
from tui.client.errors import ControlError
from tui.store.sweep_standing import changes_words, count_words, read_standings

if TYPE_CHECKING:
    from tui.api.submission import Draft
    from tui.api.sweeps import LeavingOnce, PlannedMember, Sweep, SweepMember, SweepPlan
    from tui.api.sweeps import SweepRequest as Request
    from tui.client.client import ControlClient

_MARKS: Final = {True: "✓", False: "✗"}
_SAID: Final = {"warn": "!", "error": "✗"}


def start_sweep(
    options: argparse.Namespace, control: ControlClient, drafts: Sequence[Draft]
) -> int:
    """Plan, price, ask and start a sweep; the options are those of `submit`."""
    request: Request = {
        "drafts": list(drafts),
        "axes": [{"name": name, "values": list(texts)} for name, texts in options.sweep],
    }
    if options.name:
        request["name"] = options.name
    if options.at_once:
        request["at_once"] = options.at_once
    plan = control.sweeps.plan(request).result()
    if options.dry_run or not plan["ok"]:
        return _say_plan(options, plan)
    if not options.json:
        for line in plan_lines(plan):
            tell(line)
    count = len(plan["members"])
    if not options.yes and not agrees(f"Start these {count} runs?"):
        raise not_agreed("Nothing was sent.", "Agree to the upload and the price with --yes.")
    request |= {
        "consent": True,
        "agreed": plan["digest"],
        "idempotency_key": options.idempotency_key or secrets.token_hex(16),
    }
    sweep = control.sweeps.start(request).result()
    if options.wait:
        name = sweep["name"]
        advice = f"Look at it with: simpletuner-tui sweep show {name}"
        with goes_on("The sweep goes on.", advice, {"name": name}):
            return _wait(options, control, name)
    if options.json:
        say_json(sweep)
    else:
        say(sweep["name"])
        tell(f"Follow it with: simpletuner-tui sweep show {sweep['name']}")
    return exit_codes.FINE


def plan_lines(plan: SweepPlan) -> list[str]:
    """Return a plan as text: its table, what is wrong, the sum, and what leaves this machine."""
    members = plan["members"]
    rows = [["", "NAME", "WHAT DIFFERS", "TIME", "PRICE"], *map(_plan_row, members)]
    lines = table(rows, right=frozenset({3, 4}))
    lines += _findings(members)
    count = formatting.plural(len(members), "run")
    price, low, high = (
        formatting.money(micros)
        for micros in (plan["micros"], plan["low_micros"], plan["high_micros"])
    )
    lines.append(
        f"{count}, about {price} together ({low}–{high}), at most {plan['at_once']} at once"
    )
    lines.append(f"  {plan['cost']['message']}")
    lines += [f"  {_leaving_words(row)}" for row in plan["leaves"]]
    return lines


def sweep(options: argparse.Namespace) -> int:
    """List sweeps, show one, cancel it whole, or go on with it."""
    action, name = options.action, options.name
    if action == "list":
        if name:
            raise wrong_usage(f"`sweep list` takes no name: {name}.", f"sweep show {name}")
        return _read(_list(options), _standings())
    if not name:
        raise wrong_usage(f"`sweep {action}` needs the name of a sweep.", "sweep list shows all.")
    if action == "show":
        found = _standing(name)
        return _read(_show(options, found), [found])
    if action == "cancel":
        return _cancel(options, _standing(name))
    answer = context.engine().sweeps.resume(_standing(name)["name"]).result()
    if options.json:
        say_json(answer)
    else:
        say(f"{name} goes on: {count_words(answer)}")
    return exit_codes.FINE


def queue(options: argparse.Namespace) -> int:
    """List the jobs of sweeps that wait for their turn, in their order."""
    waiting = [
        {"sweep": one["name"], "job_id": member["job_id"], "name": member["name"],
         "turn": turn, "changes": member["changes"], "paused": one["state"] == "paused",
         "why": one["reason"] or f"at most {one['at_once']} of its sweep at once"}
        for one in reversed(_standings())
        for turn, member in enumerate((m for m in one["members"] if m["waits"]), start=1)
    ]  # fmt: skip
    if options.json:
        say_json(waiting)
        return exit_codes.FINE
    if not waiting:
        tell("No job of a sweep waits for its turn.")
        return exit_codes.FINE
    rows = [["ID", "NAME", "SWEEP", "TURN", "WAITS BECAUSE"]]
    rows += [[str(one["job_id"]), str(one["name"]), str(one["sweep"]), str(one["turn"]),
              str(one["why"])] for one in waiting]  # fmt: skip
    for line in table(rows, right=frozenset({3})):
        say(line)
    return exit_codes.FINE


def _read(status: int, sweeps: Sequence[Sweep]) -> int:
    """End a command that read the store alone: have the engine go on with what is active."""
    context.wake_engine(needed=any(one["running"] or one["waiting"] for one in sweeps))
    return status


# -- parts -----------------------------------------------------------------------------------------


def _say_plan(options: argparse.Namespace, plan: SweepPlan) -> int:
    problem = plan["problem"]
    status = exit_codes.FINE
    if problem is not None:
        status = exit_codes.BY_CODE.get(problem["code"], exit_codes.FAILED)
    if options.json:
        answer: Mapping[str, object] = cast("Mapping[str, object]", plan)
        if problem is not None:
            answer = failed(
                answer, problem["code"], problem["message"], problem["advice"],
                dict(plan["cost_limit"] or {}),
            )  # fmt: skip
        say_json(answer)
    else:
        for line in plan_lines(plan):
            (say if options.dry_run else tell)(line)
    if problem is not None:
        tell(f"simpletuner-tui: {problem['message']}")
        tell(f"  {says_nothing_sent(problem['message'], problem['advice'])}")
    return status


def _plan_row(member: PlannedMember) -> list[str]:
    known = bool(member["seconds"])
    return [
        _MARKS[member["ok"]], member["name"], changes_words(member["changes"]),
        formatting.duration(member["seconds"]) if known else "",
        formatting.money(member["micros"]) if known else "",
    ]  # fmt: skip


def _findings(members: Sequence[PlannedMember]) -> list[str]:
    """What is wrong or may be, each finding once with the runs that it is about."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for member in members:
        for check in member["checks"]:
            if check["level"] in _SAID and check["id"] != "cost":
                key = (check["level"], check["message"], check["advice"])
                found.setdefault(key, []).append(member["name"])
    lines = []
    for (level, message, advice), names in sorted(found.items()):
        about = "all runs" if len(names) == len(members) > 1 else ", ".join(names)
        lines.append(f"{_SAID[level]} {about}: {message}")
        if advice:
            lines.append(f"    {advice}")
    return lines


def _leaving_words(row: LeavingOnce) -> str:
    once = " (--data staged sends them once)" if row["times"] > 1 else ""
    token = f"; {row['token']}" if row["token"] else ""
    return f"{row['words']}{once}{token}"


def _standings() -> list[Sweep]:
    return read_standings(context.reader(), datetime.now(UTC))


def _standing(name: str) -> Sweep:
    """Return a sweep as it stands.

    Raises:
        ControlError: there is none of this name.
    """
    store = context.reader()
    found = read_standings(store, datetime.now(UTC), name)
    if not found:
        names = [one.name for one in store.sweeps()]
        near = did_you_mean(name, names) or "`simpletuner-tui sweep list` shows all."
        raise ControlError(f"There is no sweep {name}.", near, status=404, code="not_found")
    return found[0]


def _list(options: argparse.Namespace) -> int:
    found = _standings()
    if options.json:
        say_json(found)
        return exit_codes.FINE
    if not found:
        tell("No sweeps yet. Start one: simpletuner-tui submit CONFIG --sweep lora_rank=16,32")
        return exit_codes.FINE
    rows = [["NAME", "STATE", "RUNS", "BEST", "COST", "CREATED"]]
    for one in found:
        created = formatting.stamp(datetime.fromisoformat(one["created_at"]))
        cost = formatting.money(one["cost_micros"])
        rows.append([one["name"], one["state"], count_words(one), _best_words(one), cost, created])
    for line in table(rows, right=frozenset({4})):
        say(line)
    return exit_codes.FINE


def _show(options: argparse.Namespace, sweep: Sweep) -> int:
    if options.json:
        say_json(sweep)
        return exit_codes.FINE
    cost, estimate = (formatting.money(sweep[key]) for key in ("cost_micros", "estimate_micros"))
    say(f"{sweep['name']}: {sweep['state']} · {count_words(sweep)} · {cost} of about {estimate}")
    if sweep["reason"]:
        say(f"  {sweep['reason']}. {sweep['advice']}")
    rows = [["", "NAME", "WHAT DIFFERS", "STATE", "LOSS", "BEST", "COST"]]
    rows += [_member_row(one, best=one["job_id"] == sweep["best"]) for one in sweep["members"]]
    for line in table(rows, right=frozenset({4, 5, 6})):
        say(line)
    names = [one["job_id"] for one in sweep["members"] if not one["waits"]]
    if len(names) > 1:
        tell(f"Compare them: simpletuner-tui compare {' '.join(names[:8])}")
    if sweep["best"]:
        best = f"publish {sweep['best']} --checkpoint best --to DESTINATION"
        tell(f"Publish the best: simpletuner-tui {best}")
    return exit_codes.FINE


def _member_row(member: SweepMember, *, best: bool) -> list[str]:
    state = (
        "waits"
        if member["waits"]
        else formatting.ended(JobStatus(member["status"]), member["stage"])
    )
    if member["status"] == JobStatus.FAILED:
        state += f": {member['stage']}"
    cost = formatting.money(member["cost_micros"]) if not member["waits"] else ""
    loss, lowest = (
        "" if value is None else formatting.number(value)
        for value in (member["loss"], member["best_loss"])
    )
    mark = "*" if best else ""
    return [mark, member["name"], changes_words(member["changes"]), state, loss, lowest, cost]


def _best_words(sweep: Sweep) -> str:
    best = next((one for one in sweep["members"] if one["job_id"] == sweep["best"]), None)
    if best is None or best["best_loss"] is None:
        return ""
    return f"{best['name']} ({formatting.number(best['best_loss'])})"


def _cancel(options: argparse.Namespace, sweep: Sweep) -> int:
    active = sweep["running"] + sweep["waiting"]
    if active and not options.yes:
        tell(f"{sweep['name']}: {count_words(sweep)}. What has been used is still charged.")
        if not agrees(f"Cancel all {formatting.plural(active, 'job')} of it?"):
            raise not_agreed(f"{sweep['name']} goes on.", ASK_WITH_YES)
    answer = context.engine().sweeps.cancel(sweep["name"]).result()
    problems = answer["failed"]
    if options.json:
        found: Mapping[str, object] = cast("Mapping[str, object]", answer)
        if problems:
            message = f"Not all of {sweep['name']} could be cancelled: {'; '.join(problems)}"
            found = failed(found, "provider_error", message, "Cancel it again.")
        say_json(found)
    else:
        say(
            f"{sweep['name']}: {len(answer['ended'])} never started, "
            f"{len(answer['stopping'])} being stopped"
        )
        for line in problems:
            tell(line)
    return exit_codes.NETWORK if problems else exit_codes.FINE


def _wait(options: argparse.Namespace, control: ControlClient, name: str) -> int:
    """Wait until all of a sweep has ended, or it has stopped."""
    shown = ""

    def over() -> bool:
        nonlocal shown
        now = _standing(name)
        words = f"{now['state']}: {count_words(now)}"
        if words != shown and not options.json:
            tell(words)
        shown = words
        return now["state"] != "running" and not now["running"]

    while not over():
        with contextlib.suppress(ControlError):
            for _event in control.events_until(over):
                pass
            continue
        control = context.engine()  # the engine went away: started again, it goes on
    end = _standing(name)
    whole = end["state"] == "done" and end["done"] == len(end["members"])
    if options.json and not whole:
        message = end["reason"] or f"{name}: {count_words(end)}"
        say_json(failed(cast("Mapping[str, object]", end), "job_failed", message, end["advice"]))
    else:
        _show(options, end)
    return exit_codes.FINE if whole else exit_codes.FAILED
