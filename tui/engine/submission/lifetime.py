"""How long a job may live, and what it may cost at most: both become Replicate's `Cancel-After`."""

from __future__ import annotations

from tui.engine.spending.rules import dollars
from tui.engine.spending.service import ceiling_seconds
from tui.engine.submission.prepare import Prepared
from tui.simpletuner.checks.checks import Check


def longest_life(prepared: Prepared) -> int | None:
    """Seconds after which Replicate shall end the job: the shorter of the time and the ceiling."""
    draft = prepared.draft
    given = [] if draft.cancel_after is None else [draft.cancel_after]
    if draft.cost_ceiling_micros is not None:
        given.append(ceiling_seconds(draft.cost_ceiling_micros, prepared.rate_micros))
    return min(given, default=None)


def ceiling_check(prepared: Prepared) -> list[Check]:
    """The line about a job's own cost ceiling, if it has one."""
    ceiling, guess = prepared.draft.cost_ceiling_micros, prepared.estimate
    if ceiling is None:
        return []
    minutes = ceiling_seconds(ceiling, prepared.rate_micros) / 60
    words = f"never more than {dollars(ceiling)}: Replicate ends it after {minutes:.0f} min"
    if guess.micros > ceiling:
        advice = f"About {dollars(guess.micros)} are estimated; raise the ceiling or train less."
        return [Check("ceiling", "warn", f"{words}, probably before it is done", advice)]
    return [Check("ceiling", "ok", words)]
