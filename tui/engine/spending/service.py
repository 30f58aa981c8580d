"""Applies the cost limit to new jobs, and reports the spending.

Jobs of a server on this machine (the sandbox) cost no real money. They are summed separately: they
never use up the limit of real jobs, and have the same limit for themselves.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.base.formatting import dollars
from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.config.watch import unreadable_limit
from tui.engine.spending.rules import (
    WINDOW_WORDS,
    WINDOWS,
    Limit,
    SpendingVerdict,
    judge,
    limit_of,
)
from tui.engine.spending.summary import (
    LONGEST_WINDOW,
    MAX_DAYS,
    begin_of,
    borders_of,
    standing,
    summary,
)
from tui.replicate.create import SHORTEST_LIFE
from tui.simpletuner.checks.checks import Check
from tui.store.billed import Billed
from tui.store.lost_contact import Contacts
from tui.store.reader import StoreReader
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api import spending
    from tui.api.check_report import CostLimitDetails

LOG = logging.getLogger(__name__)

FACT: Final = "spending"


class SpendingService:
    """Computes every answer from the store, so that none can be out of date.

    Attributes:
        clock: the clock, corrected by the API's time.
    """

    def __init__(
        self,
        reader: StoreReader,
        live: LiveSettings,
        clock: Clock,
        contacts: Callable[[], Contacts] | None = None,
    ) -> None:
        """Take the services it works with.

        Args:
            reader: reads the jobs.
            live: the settings in force.
            clock: the clock.
            contacts: which jobs are not heard of; None takes what the engine has noted.
        """
        self._reader = reader
        self._contacts = contacts or (lambda: Contacts(reader.contacts().marks))
        self._live = live
        self.clock = clock

    def limit(self) -> Limit:
        """The limit in force."""
        return limit_of(self._live.now.spending)

    # -- before a job -------------------------------------------------------------------------

    def verdict(self, api_base: str, estimate_micros: int) -> SpendingVerdict:
        """Judge a job of the estimated cost against the limit.

        Args:
            api_base: the API that runs the job.
            estimate_micros: its estimated cost in micro-dollars.

        Raises:
            RefusedError: the spending cannot be computed and the limit blocks; or the limit in the
                settings file is not valid.
        """
        if self._live.now.wrong("spending"):  # the invalid value may have been meant as a limit
            raise unreadable_limit(self._live.now)
        limit, now = self.limit(), self.clock()
        try:
            jobs = self._billed(now, sandbox=is_loopback(api_base))
        except (StoreError, sqlite3.Error, ValueError) as error:
            LOG.exception("what was spent cannot be worked out")
            if limit.enabled and limit.action == "block":
                raise RefusedError(
                    "What was spent so far cannot be worked out, so the cost limit refuses new "
                    "jobs.",
                    f"{getattr(error, 'message', error)} With the limit off or set to warn, "
                    "jobs can be submitted all the same.",
                    status=429,
                    code="cost_limit_exceeded",
                    details={"reason": "unknown_spending"},
                ) from None
            jobs = []
        return judge(limit, jobs, max(0, estimate_micros), now)

    def allow(self, api_base: str, estimate_micros: int) -> str:
        """Allow or refuse a new job.

        Returns:
            A warning for the user; "" if there is none.

        Raises:
            RefusedError: the limit refuses the job (code `cost_limit_exceeded`).
        """
        verdict = self.verdict(api_base, estimate_micros)
        if verdict.blocks:
            raise RefusedError(
                f"The cost limit refuses this job: {dollars(verdict.over_micros)} over "
                f"({sum_text(verdict)}).",
                "Raise the limit, set it to warn, or wait: it counts the last "
                f"{WINDOW_WORDS[verdict.limit.period]}.",
                status=429,
                code="cost_limit_exceeded",
                details=dict(verdict_data(verdict)),
            )
        return warning_text(verdict) if verdict.warns else ""

    def check(self, api_base: str, estimate_micros: int) -> Check:
        """The finding about the cost limit in a job's checks."""
        try:
            verdict = self.verdict(api_base, estimate_micros)
        except RefusedError as error:
            return Check("cost", "error", error.message.rstrip("."), error.advice)
        message = f"{dollars(estimate_micros)} estimated · {sum_text(verdict)}"
        if verdict.blocks:
            over = f"{dollars(verdict.over_micros)} over the limit"
            advice = "Raise the limit, set it to warn, or choose something cheaper."
            return Check("cost", "error", f"{message} · {over}", advice)
        if verdict.warns:
            return Check("cost", "warn", message, warning_text(verdict))
        return Check("cost", "ok", message)

    def refusal(self, api_base: str, estimate_micros: int) -> CostLimitDetails | None:
        """The figures of a job that the limit refuses; None for one that it lets pass."""
        try:
            verdict = self.verdict(api_base, estimate_micros)
        except RefusedError as error:
            return cast("CostLimitDetails", error.details or {})
        return verdict_data(verdict) if verdict.blocks else None

    # -- to show ------------------------------------------------------------------------------

    def fact(self, *, sandbox: bool) -> spending.SpendingStanding:
        """The standing that the top bar shows: the shape `SpendingStanding` of the HTTP API.

        Raises:
            StoreError: the store cannot be read.
        """
        now = self.clock()
        return self._standing(self._billed(now, sandbox=sandbox), now)

    def status(self, api_base: str) -> spending.CostLimit:
        """The shape `CostLimit` of the HTTP API: SimpleTuner's fields, in dollars, and our own.

        Raises:
            StoreError: the store cannot be read.
        """
        fact = self.fact(sandbox=is_loopback(api_base))
        enabled = bool(fact["enabled"])
        exceeded = enabled and fact["spent_micros"] >= fact["limit_micros"]
        message = {"off": "No limit is set", "ok": fact["words"]}.get(
            fact["state"], f"{'Over' if exceeded else 'Near'} the limit: {fact['words']}"
        )
        return {
            "enabled": enabled,
            "limit_amount": fact["limit_micros"] / 1e6,
            "period": fact["period"],
            "action": fact["action"],
            "current_spend": fact["spent_micros"] / 1e6,
            "percent_used": fact["percent"] or 0.0,
            "is_exceeded": exceeded,
            "is_warning": fact["state"] in ("warn", "over") and not exceeded,
            "message": message,
            **fact,
        }

    def summary(
        self, api_base: str, days: int = 30, zone: tzinfo | None = None
    ) -> spending.SpendingSummary:
        """The shape `SpendingSummary` of the HTTP API: standing, costs by day, counts of jobs.

        Args:
            api_base: the API; those on this machine are summed separately.
            days: days of the chart, today included.
            zone: time zone of the midnights; None takes this machine's.

        Raises:
            RefusedError: `days` is out of range.
            StoreError: the store cannot be read.
        """
        if not 1 <= days <= MAX_DAYS:
            raise RefusedError(
                f"{days} days cannot be shown.", f"Choose 1 to {MAX_DAYS}.",
                details={"fields": {"days": f"must be 1 to {MAX_DAYS}"}},
            )  # fmt: skip
        now = self.clock()
        first, since = begin_of(days, now, zone)
        sandbox = is_loopback(api_base)
        jobs = self._reader.counted(
            since, borders_of(days, now, zone), sandbox=sandbox, contacts=self._contacts()
        )
        return summary(
            self._standing(jobs, now), jobs, self._reader.lost(first, sandbox=sandbox), days,
            now=now, zone=zone,
        )  # fmt: skip

    def read_summary(self, database: Path, api_base: str, days: int) -> spending.SpendingSummary:
        """The same with a reader of its own, for a thread beside the event loop.

        Args:
            database: the store's file.
            api_base: whose money.
            days: days of the chart, today included.

        Raises:
            RefusedError: an impossible number of days.
            StoreError: the store cannot be read.
        """
        reader = StoreReader(database)
        try:
            return SpendingService(reader, self._live, self.clock).summary(api_base, days)
        finally:
            reader.close()

    def _standing(self, jobs: list[Billed], now: datetime) -> spending.SpendingStanding:
        settings = self._live.now.spending
        return standing(limit_of(settings), jobs, now, stop_running=settings.stop_running)

    def _billed(self, now: datetime, *, sandbox: bool) -> list[Billed]:
        """The jobs of the rolling windows; the store sums ended jobs up into a few rows."""
        borders = [now - window for window in WINDOWS.values()]
        return self._reader.billed(
            now - LONGEST_WINDOW, sandbox=sandbox, borders=borders, contacts=self._contacts()
        )


def ceiling_seconds(ceiling_micros: int, rate_micros: int) -> int:
    """Seconds after which a job must end so that it costs at most the ceiling.

    Replicate counts `Cancel-After` from the prediction's creation, queue included, so the job may
    cost less than the ceiling but never more.

    Args:
        ceiling_micros: the ceiling in micro-dollars.
        rate_micros: the hardware's price in micro-dollars per second.

    Raises:
        RefusedError: the hardware has no known rate, or the ceiling is too small for the least
            time that Replicate accepts.
    """
    if rate_micros <= 0:
        raise RefusedError(
            "The hardware's price is not known, so a cost ceiling cannot be kept.",
            "Set its rate, or give a time instead.",
            details={"fields": {"cost_ceiling_micros": "the hardware has no rate"}},
        )
    seconds = ceiling_micros // rate_micros
    if seconds < SHORTEST_LIFE:
        least_micros = SHORTEST_LIFE * rate_micros
        raise RefusedError(
            f"A ceiling of {dollars(ceiling_micros)} buys {seconds} s on this hardware; "
            f"a job must be given at least {SHORTEST_LIFE} s.",
            f"Set it to {dollars(max(least_micros, 10_000))} or more.",
            details={"fields": {"cost_ceiling_micros": f"must be at least {least_micros}"}},
        )
    return seconds


def sum_text(verdict: SpendingVerdict) -> str:
    """The sum for the user: `$31.20 + $3.70 of $50 / 7 d`, with running jobs in between."""
    parts = [verdict.spent_micros]
    if verdict.running_micros:
        parts.append(verdict.running_micros)
    parts.append(verdict.estimate_micros)
    text = " + ".join(dollars(part) for part in parts)
    window = WINDOW_WORDS[verdict.limit.period]
    if not verdict.limit.enabled:
        return f"{text} in {window}, no limit"
    return f"{text} of {dollars(verdict.limit.amount_micros)} / {window}"


def warning_text(verdict: SpendingVerdict) -> str:
    """The warning about the limit, for the user."""
    if verdict.over_micros:
        return f"{dollars(verdict.over_micros)} over the cost limit: {sum_text(verdict)}."
    share = verdict.percent or 0.0
    return f"{share:.0f} % of the cost limit with this job: {sum_text(verdict)}."


def verdict_data(verdict: SpendingVerdict) -> CostLimitDetails:
    """A verdict as details of an API error."""
    return {
        "spent_micros": verdict.spent_micros,
        "running_micros": verdict.running_micros,
        "estimate_micros": verdict.estimate_micros,
        "projected_micros": verdict.projected_micros,
        "limit_micros": verdict.limit.amount_micros,
        "over_micros": verdict.over_micros,
        "period": verdict.limit.period,
        "action": verdict.limit.action,
    }
