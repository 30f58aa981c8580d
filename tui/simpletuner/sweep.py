"""Sweeps: axes of values become combinations, each with a name and what it changes.

`learning_rate=1e-4,5e-5` and `lora_rank=16,32` make four combinations, the last axis first to
change. A text with a comma is written in double quotes, as in a line of CSV.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tui.simpletuner.compare import RunSettings, as_read, compare_settings
from tui.simpletuner.config.overrides import parse_override
from tui.simpletuner.config.values import plain_key

MOST_MEMBERS: Final = 32
"""Runs of one sweep: each is checked, and shown in one table."""
DEFAULT_AT_ONCE: Final = 2
MOST_AT_ONCE: Final = 10
FAILURES_IN_A_ROW: Final = 2
"""So many runs that fail one after the other stop a sweep."""

_SHORT: Final = {
    "learning_rate": "lr", "lora_rank": "r", "train_batch_size": "b", "max_train_steps": "s",
    "num_train_epochs": "e", "resolution": "res", "gradient_accumulation_steps": "acc",
    "optimizer": "", "base_model_precision": "", "mixed_precision": "",
}  # fmt: skip
"""What a run's name calls an option; the value alone where that says enough."""
_MOST_LABEL: Final = 60
_MOST_READ: Final = 200
"""Characters of a value that its share of a name is made of: a prompt may have a million."""


class AxisError(ValueError):
    """An axis cannot be used; the text is for the screen."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An option and the values that it takes in turn.

    Attributes:
        name: the option, by plain name.
        texts: the values as written.
        values: the same as the option's type makes them.
    """

    name: str
    texts: tuple[str, ...]
    values: tuple[Any, ...]


class Combination(NamedTuple):
    """One value of each axis.

    Attributes:
        changes: values by option.
        label: a short word for a run's name, such as `lr1e-4-r16`; empty without axes.
    """

    changes: Mapping[str, Any]
    label: str


def read_axis(text: str) -> Axis:
    """Parse an axis as it is typed: `NAME=VALUE,VALUE`.

    Raises:
        AxisError: it cannot be used.
    """
    name, equals, values = text.partition("=")
    if not equals:
        raise AxisError("write it as NAME=VALUE,VALUE")
    try:
        rows = list(csv.reader([values], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise AxisError(f"{name}: {error}") from None
    return make_axis(name, rows[0] if rows else [])


def make_axis(name: str, texts: Iterable[str]) -> Axis:
    """Make an axis of an option's name, dashed or not, and its values as texts.

    Raises:
        AxisError: the option does not exist or cannot be changed for a run, a value is not one of
            its type, or two values are the same to the trainer.
    """
    name = plain_key(name.strip())
    texts = tuple(text.strip() for text in texts)
    if not texts or not all(texts):
        raise AxisError(f"{name}: a value is empty")
    if len(texts) > MOST_MEMBERS:
        raise AxisError(f"{name}: {len(texts)} values; a sweep has at most {MOST_MEMBERS} runs")
    values = []
    for text in texts:
        try:
            values.append(parse_override(name, text))
        except ValueError as error:
            raise AxisError(f"{name}={text}: {error}") from None
    seen: dict[str, str] = {}
    for text, value in zip(texts, values, strict=True):
        read = as_read(name, value) or ""
        if read in seen:
            same = "twice" if seen[read] == text else f"and {seen[read]}, which are the same"
            raise AxisError(f"{name} has {text} {same}")
        seen[read] = text
    return Axis(name, texts, tuple(values))


def combinations(axes: Sequence[Axis]) -> list[Combination]:
    """Return every combination of the axes' values; one without changes where there is no axis.

    Raises:
        AxisError: there are too many, or an option has two axes.
    """
    names = [axis.name for axis in axes]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise AxisError(f"{twice} has two axes; write all its values into one")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    require_few(count)
    found = []
    for chosen in itertools.product(*(range(len(axis.values)) for axis in axes)):
        parts = list(zip(axes, chosen, strict=True))
        found.append(
            Combination(
                {axis.name: axis.values[at] for axis, at in parts},
                "-".join(filter(None, (_part(axis.name, axis.texts[at]) for axis, at in parts))),
            )
        )
    return found


def require_few(count: int) -> None:
    """Refuse more runs than a sweep may have.

    Raises:
        AxisError: there are more.
    """
    if count > MOST_MEMBERS:
        raise AxisError(f"{count} runs; a sweep has at most {MOST_MEMBERS}")


def member_names(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each run, from its config's name and its label; no two are equal."""
    names: list[str] = []
    for base, label in wanted:
        name = f"{base}-{label[:_MOST_LABEL].rstrip('-.')}" if label else base
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names.append(next(one for one in itertools.chain([name], numbered) if one not in names))
    return names


def identical(runs: Sequence[RunSettings]) -> tuple[int, int] | None:
    """Return the places of the first two runs that the trainer could not tell apart."""
    settings = [one for one in compare_settings(runs) if one.differs]
    seen: dict[tuple[str, ...], int] = {}
    for at in range(len(runs)):
        values = tuple(one.values[at] for one in settings)
        if values in seen:
            return seen[values], at
        seen[values] = at
    return None


def differing(runs: Sequence[RunSettings], first: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return what differs of each run, as the trainer reads it, by name; empty for a single run.

    Args:
        runs: the runs.
        first: names that come before the others, in this order: those of the axes.

    A resolution that is swept changes the datasets as well; those lines follow from it and are
    left out.
    """
    settings = [one for one in compare_settings(runs) if one.differs]
    names = {one.name for one in settings}
    shown = [one for one in settings if not _follows(one.name, names)]
    places = {plain_key(name.strip()): at for at, name in enumerate(first)}
    shown.sort(key=lambda one: places.get(one.name, len(places)))
    return [{one.name: one.values[at] for one in shown} for at in range(len(runs))]


def stops(outcomes: Iterable[bool]) -> bool:
    """Whether a sweep stops: its last runs failed.

    Args:
        outcomes: of the runs that ended by themselves, in the order of their ends: whether each
            was completed.
    """
    last = list(outcomes)[-FAILURES_IN_A_ROW:]
    return len(last) == FAILURES_IN_A_ROW and not any(last)


def _follows(name: str, names: set[str]) -> bool:
    """Whether a line says again what another one says."""
    option = name.rpartition(".")[2]
    if name == "resolution_type":
        return "resolution" in names
    if not name.startswith("datasets."):
        return False
    return option in names or (option == "resolution_type" and "resolution" in names)


def _part(name: str, text: str) -> str:
    """One option's share of a label."""
    short = _SHORT.get(name, name.replace("_", "-"))
    return f"{short}{_slug(text)}" if name in _SHORT else f"{short}-{_slug(text)}"


def _slug(text: str) -> str:
    """A value as a part of a name of a run or of a repository on the Hub."""
    return re.sub(r"[^A-Za-z0-9.-]+|--+", "-", text[:_MOST_READ]).strip("-.")[:24] or "x"
