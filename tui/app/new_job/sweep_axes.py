"""The options that a draft sweeps, and their values, as the form keeps them.

They are in the draft under `sweep`, as typed, beside `at_once`; neither is a field of a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tui.base.formatting import plural
from tui.simpletuner.sweep import (
    DEFAULT_AT_ONCE,
    MOST_AT_ONCE,
    Axis,
    AxisError,
    combinations,
    read_axis,
)

if TYPE_CHECKING:
    from tui.api.sweeps import SweepAxis

KEY: Final = "sweep"
AT_ONCE: Final = "at_once"
OF_A_SWEEP: Final = frozenset({KEY, AT_ONCE})
"""Fields of the form's draft that no job has."""


def job_draft(draft: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft of a single job: without what is about a sweep."""
    return {name: value for name, value in draft.items() if name not in OF_A_SWEEP}


def swept(draft: Mapping[str, Any]) -> dict[str, str]:
    """Return the values as typed, by option, in the order in which they were chosen."""
    return dict(draft.get(KEY) or {})


def axes_of(draft: Mapping[str, Any]) -> list[Axis]:
    """Return the axes.

    Raises:
        AxisError: one of them cannot be used, such as in a draft of another version's.
    """
    return [read_axis(f"{name}={text}") for name, text in swept(draft).items()]


def requested(draft: Mapping[str, Any]) -> list[SweepAxis]:
    """Return the axes as the engine takes them.

    Raises:
        AxisError: see `axes_of`.
    """
    return [{"name": axis.name, "values": list(axis.texts)} for axis in axes_of(draft)]


def set_axis(draft: dict[str, Any], name: str, text: str) -> str:
    """Put an option's values into the draft; an empty text takes them out.

    Returns:
        What is wrong; empty when it was taken.
    """
    wanted = {**swept(draft), name: text}
    if not text:
        del wanted[name]
    try:
        combinations([read_axis(f"{one}={values}") for one, values in wanted.items()])
    except AxisError as error:
        return f"{error}."
    draft[KEY] = wanted
    return ""


def at_once(draft: Mapping[str, Any]) -> int:
    """Return how many runs may be under way at a time."""
    return int(draft.get(AT_ONCE) or DEFAULT_AT_ONCE)


def change_at_once(draft: dict[str, Any], by: int) -> None:
    """Change how many that are."""
    draft[AT_ONCE] = min(MOST_AT_ONCE, max(1, at_once(draft) + by))


def count_words(draft: Mapping[str, Any]) -> str:
    """Return how many runs there would be: `4 runs`; why not where they cannot be."""
    try:
        return plural(len(combinations(axes_of(draft))), "run")
    except AxisError as error:
        return str(error)


def sweep_words(draft: Mapping[str, Any]) -> str:
    """Return what is swept: `learning_rate 1e-4,5e-5 × lora_rank 16,32`."""
    return " × ".join(f"{name} {text}" for name, text in swept(draft).items())
