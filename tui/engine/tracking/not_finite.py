"""Values of a job's metric series that are infinite or not a number: where, and the notice.

Releases before 4.10.1 go on with such a run, which costs money and trains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from tui.simpletuner.log.model import MetricPoint

if TYPE_CHECKING:
    from tui.api.jobs import NotFinite

Marks: TypeAlias = "Sequence[NotFinite]"
"""Rows by name."""


def with_points(marks: Marks, points: Iterable[MetricPoint]) -> list[NotFinite]:
    """Return the marks of a job's series with those of new points.

    Args:
        marks: the marks so far.
        points: new values of any series.
    """
    found: dict[str, NotFinite] = {mark["name"]: {**mark} for mark in marks}
    for point in points:
        if isfinite(point.value):
            continue
        mark = found.setdefault(
            point.name,
            {"name": point.name, "first_step": point.step, "last_step": point.step},
        )
        mark["first_step"] = min(mark["first_step"], point.step)
        mark["last_step"] = max(mark["last_step"], point.step)
    return [found[name] for name in sorted(found)]


def new_names(before: Marks, after: Marks) -> list[str]:
    """Return the series that had no mark before; of losses (`loss`, `train_loss`) the first."""
    known = {_kind(mark) for mark in before}
    new = {_kind(mark): mark["name"] for mark in reversed(after) if _kind(mark) not in known}
    return sorted(new.values())


def _kind(mark: NotFinite) -> str:
    """The mean loss follows from the loss, so both are one kind."""
    return "loss" if mark["name"].endswith("loss") else mark["name"]


def notice_words(name: str, after: Marks, series: Sequence[str]) -> tuple[str, str]:
    """Return message and advice of the notice about a running job.

    Args:
        name: the job's name.
        after: the marks.
        series: the series that are new among them.
    """
    steps = {mark["name"]: mark["first_step"] for mark in after}
    words = ", ".join(f"{one} since step {steps[one]:,}" for one in series)
    return (
        f"{name}: not a finite number: {words}. The run goes on and costs money.",
        "It hardly recovers from that: look at its curve, and cancel it (c) if it stays so.",
    )
