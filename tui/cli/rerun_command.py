"""`rerun`: an earlier job's run again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from tui.base.errors import ApiError
from tui.cli import context
from tui.cli.output import tell
from tui.cli.submit_commands import require_axes, start
from tui.cli.sweep_commands import start_sweep

if TYPE_CHECKING:
    from tui.api.jobs import RerunPlan
    from tui.api.submission import Draft


def rerun(options: argparse.Namespace) -> int:
    """Show what is different today, then check, price, ask and start the run, or a sweep of it.

    Raises:
        ApiError: the wanted way cannot be had.
    """
    require_axes(options)
    job = context.reader().find(options.id)
    control = context.engine()
    plan = control.rerun_plan(job.job_id).result()
    for line in difference_lines(job.name, plan, today=options.today):
        tell(line)
    chosen = plan["today"] if options.today else plan["ran"]
    if chosen is None:
        raise ApiError(
            plan["not_today"] if options.today else plan["not_ran"],
            f"{plan['data']['advice']} {_other_way(plan, today=options.today)}".strip(),
            status=409,
            code="not_repeatable",
        )
    draft = dict(chosen)
    if options.name:
        draft["name"] = options.name
    draft["overrides"] = {**(cast("dict[str, object]", draft.get("overrides") or {})),
                          **dict(options.set)}  # fmt: skip
    if options.unset:
        draft["unset"] = [*cast("list[str]", draft.get("unset") or ()), *options.unset]
    for name in ("accept_delivery", "accept_data"):
        if getattr(options, name):
            draft[name] = True
    if options.sweep:
        options.name = draft.pop("name", None)  # the sweep's; each run gets one of its own
        return start_sweep(options, control, [cast("Draft", draft)])
    return start(options, control, cast("Draft", draft))


def difference_lines(name: str, plan: RerunPlan, *, today: bool) -> list[str]:
    """Return what is different today, and which way is taken."""
    lines = []
    if plan["differences"]:
        lines.append(f"Different today from what {name} ran with:")
        lines += [f"  {item['words']}" for item in plan["differences"]]
        lines.append("Run as it is today:" if today else "Run as it ran (--today for today's):")
    if not today and plan["data"]["words"] and plan["data"]["state"] != "gone":
        lines.append(f"Data: {plan['data']['words']}.")
    return lines


def _other_way(plan: RerunPlan, *, today: bool) -> str:
    if today:
        return "" if plan["ran"] is None else "Without --today it is run as it ran."
    return "" if plan["today"] is None else "--today runs it as it is today."
