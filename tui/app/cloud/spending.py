"""The spending card: what was spent, what runs now, the projection, and the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.state import DAYS
from tui.app.cloud.text import Words, bar, columns, problem, row, wrapped
from tui.base import formatting
from tui.base.pages import BILLING_PAGE

if TYPE_CHECKING:
    from tui.client.client import ControlClient

_PERIODS: Final = (
    ("daily", "day", "the last 24 hours"),
    ("weekly", "week", "the last 7 days"),
    ("monthly", "month", "the last 30 days"),
)
_ACTIONS: Final = (
    ("warn", "warn", "a job over the limit can still be submitted"),
    ("block", "block", "a job over the limit is refused"),
)
_CHART_LINES: Final = 4


class SpendingCard(Card):
    """Shows sums and chart; changes the limit."""

    NAME: ClassVar = "spending"
    TITLE: ClassVar = "Spending"
    READS: ClassVar = ("spending",)
    CHECKS: ClassVar = ("spending",)

    @property
    def known(self) -> Mapping[str, Any]:
        """The engine's summary, else the standing in the store."""
        return self.data.get("spending") or self.data.get("standing")

    def state(self) -> tuple[str, str]:
        """Returns how much of the limit is used."""
        known = self.known
        if not known:
            return "", "dim"
        return {
            "off": ("no limit", "warn"), "ok": ("within the limit", "good"),
            "warn": ("near the limit", "warn"), "over": ("over the limit", "bad"),
        }.get(str(known.get("state")), ("", "dim"))  # fmt: skip

    def lines(self, width: int) -> list[Words]:
        """Returns sums, bar, projection, chart and counts."""
        known = self.known
        if not known:
            error = self.data.failed.get("spending")
            if error:
                return problem(error.message, error.advice, width)
            return [(("◌ being read…", "dim"),)]
        bound = "at least" if known.get("unheard_jobs") else ""
        first: list[tuple[str, str]] = []
        for period, words in (("daily", "24 h"), ("weekly", "7 d"), ("monthly", "30 d")):
            money = formatting.cost_words(_micros(known, f"{period}_micros"), bound)
            first += [(money, "strong"), (f" / {words}    ", "dim")]
        lines: list[Words] = [tuple(first), *self._limit(known, width), *self._running(known)]
        lines += [*self._chart(known, width), *self._counts(known)]
        return [*lines, *wrapped(BILLING_PAGE, "base", width, label="billed at")]

    def _limit(self, known: Mapping[str, Any], width: int) -> list[Words]:
        if not known.get("enabled"):
            text = "No limit is set: e sets one. $50 a month is a good beginning."
            return wrapped(text, "warn", width)
        percent = float(known.get("percent") or 0.0)
        ahead = float(known.get("projected_percent") or percent)
        tone = {"over": "bad", "warn": "warn"}.get(str(known.get("state")), "good")
        limit = formatting.dollars(_micros(known, "limit_micros"))
        does = "refuses more" if known.get("action") == "block" else "only warns"
        text = f" {percent:.0f} % of {limit} / {known.get('window')}, {does}"
        lines: list[Words] = [
            (*bar(percent / 100, max(10, width - len(text)), tone), (text, "base"))
        ]
        if ahead > percent:
            words = f"{formatting.money(_micros(known, 'projected_micros'))} = {ahead:.0f} %"
            lines.append(row("projection", words, "bad" if ahead > 100 else "base",
                             (" when what runs has ended", "dim")))  # fmt: skip
        if known.get("stop_running"):
            lines.append(row("at 100 %", "running jobs are stopped", "warn"))
        return lines

    def _running(self, known: Mapping[str, Any]) -> list[Words]:
        active = int(known.get("active_jobs") or 0)
        if not active:
            return []
        hour = formatting.rate(_micros(known, "burn_micros"))
        lines = [row("now", formatting.plural(active, "job"), "accent", (f"  {hour}", "base"))]
        if unheard := int(known.get("unheard_jobs") or 0):
            words = f"{formatting.plural(unheard, 'job')}, counted until the last answer"
            lines.append(row("not heard of", words, "warn"))
        return lines

    def _chart(self, known: Mapping[str, Any], width: int) -> list[Words]:
        days = [one for one in known.get("by_day") or () if isinstance(one, dict)]
        if not days:
            return []
        values = [_micros(one, "cost_micros") for one in days]
        first, last = str(days[0].get("date", "")), str(days[-1].get("date", ""))
        most = f"most {formatting.money(max(values))} a day"
        total = formatting.money(_micros(known, "total_micros"))
        lines: list[Words] = [
            row(formatting.plural(len(days), "day"), total, "strong",
                (f"  {most}  + -: other days", "dim"))
        ]  # fmt: skip
        if any(values):
            return lines + columns(
                values, width, _CHART_LINES, "accent",
                label=formatting.money, ends=(first[5:], last[5:]),
            )  # fmt: skip
        return [*lines, ((f"{first[5:]} – {last[5:]}", "dim"),)]

    def _counts(self, known: Mapping[str, Any]) -> list[Words]:
        counts = known.get("jobs_by_status")
        if not isinstance(counts, dict) or not counts:
            return []
        words = " · ".join(f"{count} {state}" for state, count in counts.items() if count)
        lines = [row("jobs", words or "none", "base")]
        if known.get("average_seconds"):
            lines.append(row("on average", formatting.duration(known["average_seconds"])))
        if known.get("unpriced_jobs"):
            jobs = formatting.plural(int(known["unpriced_jobs"]), "job")
            lines.append(row("no price", f"{jobs} on hardware without a rate", "warn"))
        if known.get("lost_jobs"):
            jobs = formatting.plural(int(known["lost_jobs"]), "job")
            most = formatting.money(_micros(known, "lost_micros"))
            words = f"{jobs} unknown to Replicate, counted with at most {most}"
            lines.append(row("lost", words, "warn"))
        return lines

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the five values of the limit, and the days of the chart."""
        known = self.known
        on = "on" if known.get("enabled") else "off"
        amount = formatting.dollars(_micros(known, "limit_micros") or 50_000_000)
        stops = "on" if known.get("stop_running") else "off"
        period, action = str(known.get("period", "monthly")), str(known.get("action", "warn"))
        return [
            Item("enabled", "Limit", "switch", on, current=on),
            Item("amount", "Amount", "text", amount, "dollars", current=amount.removeprefix("$")),
            Item("period", "Period", "choice", _word(_PERIODS, period), "a rolling window",
                 _PERIODS, period),
            Item("action", "Over it", "choice", _word(_ACTIONS, action), "", _ACTIONS, action),
            Item("stop_running", "Stop at limit", "switch", stops,
                 "cancels running jobs", current=stops),
            Item("days", "Chart", "choice", formatting.plural(self.data.days, "day"), "",
                 tuple((str(days), formatting.plural(days, "day"), "") for days in DAYS),
                 str(self.data.days)),
        ]  # fmt: skip

    def question(self, key: str, value: str) -> Question | None:
        """Asks before a limit that stops running jobs is set."""
        if key != "stop_running" or value != "on":
            return None
        details = ("When the limit is reached, every running job is cancelled.",
                   "What a cancelled job has computed since its last checkpoint is lost.",
                   "It is not asked again then.")  # fmt: skip
        return Question("Stop running jobs at the limit?", details, "Stop them")

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes a value of the limit."""
        if key == "days":
            self.data.days = int(value)
            self.data.load(("spending",))
            return ChangeResult()
        typed: Any = value == "on" if key in ("enabled", "stop_running") else value
        answer = await control.cloud.set_limit(**{key: typed})
        self.data.known["spending"] = {**self.data.get("spending"), **answer}
        return ChangeResult(f"{answer.get('message') or 'Changed'}.")

    def next_days(self, by: int = 1) -> None:
        """Shows a longer chart, or a shorter one, in turn."""
        at = DAYS.index(self.data.days) if self.data.days in DAYS else 0
        self.data.days = DAYS[(at + by) % len(DAYS)]
        self.data.load(("spending",))


def _micros(known: Mapping[str, Any], name: str) -> int:
    value = known.get(name)
    return value if isinstance(value, int) else 0


def _word(choices: tuple[tuple[str, str, str], ...], name: str) -> str:
    return next((words for one, words, _ in choices if one == name), name)
