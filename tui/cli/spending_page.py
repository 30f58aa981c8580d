"""What `spending` and `limit` print of the answers about money."""

from __future__ import annotations

from tui.base import formatting

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from tui.api.spending import SpendingStanding, SpendingSummary


def spending_lines(data: SpendingSummary) -> list[str]:
    """The lines of `spending`: windows, limit, days with something in them, lost jobs."""
    windows = (
        ("24 h", data["daily_micros"]),
        ("7 d", data["weekly_micros"]),
        ("30 d", data["monthly_micros"]),
    )
    bound = "at least" if data["unheard_jobs"] else ""
    lines = [f"{window:>5}  {formatting.cost_words(micros, bound)}" for window, micros in windows]
    lines.append(f"limit  {limit_line(data)}")
    for day in data["by_day"]:
        if day["cost_micros"] or day["jobs"]:
            states = ", ".join(f"{count} {state}" for state, count in sorted(day["jobs"].items()))
            money = formatting.money(day["cost_micros"])
            lines.append(f"{day['date']}  {money:>9}  {states}".rstrip())
    if data["unheard_jobs"]:
        unheard = formatting.plural(data["unheard_jobs"], "job")
        lines.append(f"unheard  {unheard} not heard of, counted until the last answer")
    if data["lost_jobs"]:
        lost = formatting.plural(data["lost_jobs"], "job")
        most = formatting.cost_words(data["lost_micros"], "at most")
        lines.append(f"lost   {lost} unknown to Replicate, counted with {most}")
    if data["average_seconds"] is not None:
        lines.append(f"average run  {formatting.duration(data['average_seconds'])}")
    return lines


def limit_line(state: SpendingStanding) -> str:
    """The limit and what of it is used up, in one line."""
    if not state["enabled"]:
        return f"no limit; {state['words']}"
    stop = ", stops running jobs" if state["stop_running"] else ""
    line = f"{state['words']} ({state['action']}{stop})"
    if state["running_micros"]:
        line += f"; {formatting.money(state['running_micros'])} more expected from running jobs"
    if state["over_micros"]:
        line += f"; {formatting.money(state['over_micros'])} over"
    return line
