"""The columns of the list: which there are, which were chosen, where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        title: its heading.
        sort: the sort it stands for, or its name where it stands for none.
        width: cells it has at least.
        grow: its share of spare room.
        from_width: table widths below this leave it out, unless it was chosen.
        right: whether figures stand at its right side.
        about: what it shows, in a few words.
        never_below: table widths below this leave it out even where it was chosen.
    """

    title: str
    sort: str
    width: int
    grow: int = 0
    from_width: int = 0
    right: bool = False
    about: str = ""
    never_below: int = 0


CURVE_CELLS: Final = 12
COLUMNS: Final = (
    Column("NAME", "name", 13, grow=3, about="always shown"),
    Column("MODEL", "model", 8, grow=1, from_width=98, about="family and flavour"),
    Column("STATE", "state", 11, about="running, done, failed, …"),
    Column("AGE", "created", 4, right=True, about="since the submit"),
    Column("HW", "hw", 5, from_width=98, about="hardware"),
    Column("PROGRESS / RESULT", "progress", 13, grow=3, about="a bar, then what came of it"),
    Column("STEP", "step", 9, from_width=98, right=True, about="of how many"),
    Column("LOSS", "loss", 6, from_width=74, right=True, about="smoothed"),
    Column("BEST", "best", 6, from_width=110, right=True, about="lowest smoothed loss"),
    Column("ETA", "eta", 6, from_width=66, right=True, about="time left"),
    Column("COST", "cost", 7, right=True, about="so far, or in all"),
)
"""What is shown where nothing was chosen."""
FURTHER: Final = (
    Column("TAGS", "tags", 12, grow=2, about="yours"),
    Column("CURVE", "curve", CURVE_CELLS, about="the smoothed loss", never_below=130),
    Column("RANK", "rank", 4, right=True, about="of the LoRA, by its config"),
    Column("LR", "lr", 7, right=True, about="learning rate of the config"),
    Column("STEP/S", "pace", 6, right=True, about="steps per second"),
)
"""What can be chosen besides."""
ALWAYS: Final = "name"
_LEAVING: Final = (
    "curve",
    "pace",
    "lr",
    "rank",
    "best",
    "step",
    "model",
    "hw",
    "tags",
    "loss",
    "eta",
    "progress",
)
"""Which columns give way where room is short, the first one first."""
GUTTER: Final = 5  # cursor, warning, mark and a space on each side of them
GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Placed:
    """A column with its position and width in cells."""

    column: Column
    start: int
    width: int


def chosen_columns(names: Sequence[str]) -> list[Column]:
    """Returns the columns of a choice in its order; those of no choice where it names none.

    Args:
        names: `Column.sort` of each. Unknown ones, of another version, are left out.
    """
    known = {column.sort: column for column in (*COLUMNS, *FURTHER)}
    chosen = [known[name] for name in dict.fromkeys(names) if name in known]
    if not chosen:
        return list(COLUMNS)
    return chosen if known[ALWAYS] in chosen else [known[ALWAYS], *chosen]


def place_columns(width: int, names: Sequence[str] = ()) -> tuple[Placed, ...]:
    """Returns the columns that fit into `width` cells, widened to fill it.

    Args:
        width: cells of the table.
        names: the columns that were chosen, in their order; none for the usual ones.
    """
    shown = [
        column
        for column in chosen_columns(names)
        if (names or column.from_width <= width) and column.never_below <= width
    ]
    room = width - GUTTER - 1 - GAP * (len(shown) - 1)
    for leaving in _LEAVING:
        if sum(column.width for column in shown) <= room:
            break
        shown = [column for column in shown if column.sort != leaving]
        room = width - GUTTER - 1 - GAP * (len(shown) - 1)
    spare = max(0, room - sum(column.width for column in shown))
    shares = sum(column.grow for column in shown) or 1
    placed, start, given = [], GUTTER, 0
    growing = [column for column in shown if column.grow]
    for column in shown:
        extra = spare * column.grow // shares
        given += extra
        if growing and column is growing[-1]:
            extra += spare - given
        placed.append(Placed(column, start, column.width + extra))
        start += column.width + extra + GAP
    return tuple(placed)
