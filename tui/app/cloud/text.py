"""Lines of a card: labels, wrapped sentences, bars and marks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.cells import cell_len

from tui.app.keys.choices import in_app
from tui.app.terminal.text_lines import fit, plain
from tui.base.formatting import finding

Words = tuple[tuple[str, str], ...]
"""Texts with the names of their tones."""
LABEL: Final = 13
MARKS: Final = {"ok": ("✓", "good"), "warn": ("!", "warn"), "error": ("✗", "bad")}


def row(label: str, text: str, tone: str = "base", *more: tuple[str, str]) -> Words:
    """Returns a labelled line."""
    return ((fit(label, LABEL), "dim"), (text, tone), *more)


def wrapped(text: str, tone: str, width: int, *, indent: int = 0, label: str = "") -> list[Words]:
    """Wraps a sentence; a label stands before its first line."""
    indent = LABEL if label else indent
    parts = textwrap.wrap(plain(in_app(text)), max(12, width - indent)) or []
    return [
        ((fit(label if not number else "", indent), "dim"), (part, tone))
        for number, part in enumerate(parts)
    ]


def problem(message: object, advice: object, width: int, *, indent: int = 2) -> list[Words]:
    """Returns lines with a problem and the advice to it."""
    lines = wrapped(str(message or ""), "bad", width, indent=indent)
    return lines + wrapped(str(advice or ""), "base", width, indent=indent)


def step_lines(step: Mapping[str, object], width: int) -> list[Words]:
    """Returns a step of a check with its mark, and the advice where it is not fine."""
    level = str(step.get("level"))
    mark, tone = MARKS.get(level, ("·", "dim"))
    words = finding(str(step.get("message", "")), str(step.get("release") or ""))
    parts = textwrap.wrap(plain(in_app(words)), max(12, width - 2)) or [""]
    lines: list[Words] = [((f"{mark} ", tone), (parts[0], "base"))]
    lines += [(("  ", "base"), (part, "base")) for part in parts[1:]]
    if level != "ok":
        lines += wrapped(str(step.get("advice") or ""), "dim", width, indent=2)
    return lines


def bar(share: float, cells: int, tone: str) -> Words:
    """Returns a bar that is full at 1."""
    filled = max(0, min(cells, round(share * cells)))
    return (("━" * filled, tone), ("─" * (cells - filled), "line"))


def columns(
    values: Sequence[int],
    width: int,
    height: int,
    tone: str,
    *,
    label: Callable[[int], str] = str,
    ends: tuple[str, str] = ("", ""),
) -> list[Words]:
    """Returns a bar chart with both axes; where room is short, neighbours share a bar.

    Args:
        values: one for each bar, none below 0.
        width: cells of a line.
        height: lines of the bars; the axis and its ends take two more.
        tone: of the bars.
        label: the words of a value.
        ends: the words under the first and the last bar.
    """
    for per in range(1, len(values) + 1):
        sums = [sum(values[at : at + per]) for at in range(0, len(values), per)]
        margin = cell_len(label(max(sums))) + 2
        room = width - margin
        if len(sums) <= room:
            break
    else:
        return []
    wide = max(1, min(4, room // len(sums)))
    most = max(sums) or 1
    levels = [0 if not one else max(1, round(one * height * 2 / most)) for one in sums]
    lines: list[Words] = []
    for line in range(height, 0, -1):
        text = ""
        for level in levels:
            glyph = "█" if level >= 2 * line else "▄" if level == 2 * line - 1 else " "
            text += glyph * max(1, wide - 1) + (" " if wide > 1 else "")
        words = label(max(sums)) if line == height else ""
        edge = "┤" if words else "│"
        lines.append(((f"{words:>{margin - 2}} ", "dim"), (edge, "line"), (text, tone)))
    span = wide * len(sums)
    zero = label(0) if any(sums) else ""
    lines.append(((f"{zero:>{margin - 2}} ", "dim"), (f"└{'─' * span}", "line")))
    first, last = ends
    if cell_len(first) + cell_len(last) < span:
        under = f"{first}{last:>{span - cell_len(first)}}"
    else:
        under = f"{first} – {last}"[:room]
    lines.append(((" " * margin + under, "dim"),))
    return lines


def cut(words: Words, width: int) -> Words:
    """Cuts a line to at most `width` cells."""
    out: list[tuple[str, str]] = []
    for text, tone in words:
        room = width - sum(cell_len(part) for part, _ in out)
        if room <= 0:
            break
        clean = plain(text)
        out.append((clean if cell_len(clean) <= room else fit(clean, room), tone))
    return tuple(out)
