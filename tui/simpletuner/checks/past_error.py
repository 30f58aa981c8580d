"""How good past estimates were, in words: the same in the form and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.api.check_report import CostEstimate

_NEARLY_ALL = 99


def past_error_words(estimate: CostEstimate) -> str:
    """Return by how much past estimates were wrong, and to which side.

    Empty without a run to compare, and in a sandbox: it runs at a speed of its own, while the
    estimate of a first run is of Replicate's.
    """
    error = estimate["error"]
    if error is None or estimate["free"]:
        return ""
    bias, off = error["bias_percent"], error["percent"]
    if error["runs"] == 1:  # no rule, but what happened
        if not bias:
            return "the one earlier run cost as much as was estimated"
        side = "more" if bias > 0 else "less"
        return f"the one earlier run cost {_share(bias)} {side} than was estimated"
    words = f"{error['runs']} past estimates were off by about {_share(off)}"
    if off and 2 * abs(bias) > off:
        words += f", mostly too {'low' if bias > 0 else 'high'}"
    return words


def _share(percent: int) -> str:
    """A share of the estimate; what cost next to nothing did cost something."""
    return f"over {_NEARLY_ALL} %" if percent <= -100 else f"{abs(percent)} %"
