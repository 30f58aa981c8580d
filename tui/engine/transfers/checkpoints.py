"""Checkpoints of one job beside each other, and which of them is the best. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

_FEWEST: Final = 20
_MOST: Final = 200
"""Steps that a smoothed loss is the mean of, at least and at most."""


def compare(
    files: Iterable[dict[str, Any]],
    steps: Sequence[int],
    losses: Sequence[float],
    last_step: int | None,
) -> list[dict[str, Any]]:
    """The job's checkpoints by step, the final result last.

    The loss of a single step says little: it depends on which images and which noise that step had.
    So each checkpoint has the mean loss of the steps before it, as many for each of them, and the
    best is the one where that is lowest, the later one of equals. Only what has weights counts.

    Args:
        files: rows of `artifacts_of`.
        steps: steps of the loss, ascending.
        losses: the loss at each; values that are no numbers are left out.
        last_step: the step that the final result was made at.

    Returns:
        `[{step, at, files, size, weights, loss, smoothed, window, best}]`; `step` is None for the
        final result, `at` is its step all the same.
    """
    groups: dict[int | None, list[dict[str, Any]]] = {}
    for file in files:
        groups.setdefault(file["checkpoint"], []).append(file)
    order: list[int | None] = [*sorted(step for step in groups if step is not None)]
    if None in groups:
        order.append(None)
    at = {step: last_step if step is None else step for step in order}
    window = _window([step for step in at.values() if step is not None])
    rows: list[dict[str, Any]] = []
    for step in order:
        place = at[step]
        smoothed = None if place is None else _mean_before(steps, losses, place, window)
        group = groups[step]
        rows.append({
            "step": step, "at": place, "files": len(group),
            "size": sum(file["size"] for file in group),
            "weights": any(file["name"].endswith(".safetensors") for file in group),
            "loss": group[0]["loss"], "smoothed": smoothed, "window": window, "best": False,
        })  # fmt: skip
    known = [row for row in rows if row["weights"] and row["smoothed"] is not None]
    if known:
        min(reversed(known), key=lambda row: row["smoothed"])["best"] = True
    return rows


def _window(places: Sequence[int]) -> int:
    """Steps to average over: what lies between two checkpoints, within reason."""
    ordered = sorted(set(places))
    gaps = [after - before for before, after in pairwise(ordered)]
    return max(_FEWEST, min(_MOST, min(gaps, default=_FEWEST)))


def _mean_before(
    steps: Sequence[int], losses: Sequence[float], place: int, window: int
) -> float | None:
    """The mean of the last losses up to a step; None when nothing was measured there."""
    end = bisect_right(steps, place)
    begin = bisect_right(steps, place - window)
    values = [value for value in losses[begin:end] if math.isfinite(value)]
    return sum(values) / len(values) if values else None
