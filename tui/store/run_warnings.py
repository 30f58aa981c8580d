"""A run's warnings and its loss in words: for the list, the preview, the command line, notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from tui.base import formatting

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning

_ON_THE_PAGE_ONLY: Final = "slower"
"""A kind that nobody has to be called for."""


class WithLoss(Protocol):
    """A job's loss, as far as known."""

    @property
    def loss(self) -> float | None:
        """Of the last step; None where it is not finite."""

    @property
    def loss_smoothed(self) -> float | None:
        """Its mean; None for jobs that ended before it was kept."""

    @property
    def not_finite(self) -> Sequence[str]:
        """Series with values that are not finite."""


def loss_is_gone(job: WithLoss) -> bool:
    """Return whether a job's newest loss is no number: its weights are of no use then."""
    return job.loss is None and "loss" in job.not_finite


def shown_loss(job: WithLoss) -> str:
    """Return a job's loss: the smoothed one, `nan` while the newest is not a number."""
    if loss_is_gone(job):
        return "nan"
    return formatting.loss_text(job.loss if job.loss_smoothed is None else job.loss_smoothed)


def shown_warning(warnings: Sequence[JobWarning]) -> JobWarning | None:
    """Return the most urgent warning that was not put away; None where there is none."""
    return next(shown_warnings(warnings), None)


def shown_warnings(warnings: Sequence[JobWarning]) -> Iterator[JobWarning]:
    """Yield what somebody is called for and was not put away, the most urgent first."""
    for warning in warnings:
        if not warning["dismissed"] and warning["kind"] != _ON_THE_PAGE_ONLY:
            yield warning


def is_stalled(warnings: Sequence[JobWarning]) -> bool:
    """Return whether a run stands still: nobody knows then when it ends."""
    return any(warning["kind"] == "stalled" for warning in warnings)


def short_warning(warning: JobWarning, now: datetime) -> str:
    """Return a warning in as few words as a column has room for."""
    kind, ratio = warning["kind"], warning["ratio"]
    if kind == "not_finite":
        return "loss is nan"
    if kind == "stalled":
        return f"no step {formatting.age(_seconds(warning, now))}"
    return f"{ratio:g}× its best" if kind == "diverging" else f"{ratio:g}× slower"


def warning_words(warning: JobWarning, rate_micros: int, now: datetime) -> str:
    """Return a warning as a sentence without its full stop.

    Args:
        warning: the warning.
        rate_micros: micro-dollars a second of the run.
        now: the time.
    """
    kind, ratio, step = warning["kind"], warning["ratio"], warning["step"]
    since = "" if step is None else f" since step {step:,}"
    seconds = _seconds(warning, now)
    spent = formatting.money(round(seconds * rate_micros))
    if kind == "not_finite":
        return f"loss is not a number{since}"
    if kind == "stalled":
        return f"no step for {formatting.duration(seconds)} · {spent}"
    if kind == "diverging":
        return f"loss is {ratio:g} × its best{since}"
    return f"steps take {ratio:g} × as long as usual{since}"


def _seconds(warning: JobWarning, now: datetime) -> float:
    return (now - datetime.fromisoformat(warning["since"])).total_seconds()
