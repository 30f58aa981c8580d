"""A grid of dots that reads back as rows of text: braille (2×4 dots a cell) or ASCII (1×2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from tui.app.chart.data import Span

_LEFT: Final = (0x01, 0x02, 0x04, 0x40)
_RIGHT: Final = (0x08, 0x10, 0x20, 0x80)
_BRAILLE: Final = tuple(chr(0x2800 + mask) for mask in range(256))
_ASCII: Final = ((" ", "'", ".", ":"), (" ", '"', ",", ";"), (" ", "`", "-", "="))


class Canvas:
    """Dots in layers; where layers meet in a cell, the first one gives the colour.

    Args:
        width: cells in a row.
        height: rows.
        layers: how many curves can be told apart.
        ascii_only: use no character beyond ASCII.
    """

    def __init__(self, width: int, height: int, layers: int, ascii_only: bool = False) -> None:
        self.width = width
        self.height = height
        self.ascii_only = ascii_only
        self.per_row = 2 if ascii_only else 4
        self.columns = width if ascii_only else width * 2
        """Dots in a row."""
        self.rows = height * self.per_row
        """Dots in a column."""
        self.faint_from = layers
        """The first of the layers that show only where no stronger one has a dot in the cell."""
        self._layers = [bytearray(width * height) for _ in range(layers)]

    def fill(self, layer: int, column: int, top: int, bottom: int) -> None:
        """Set the dots of one column from row `top` to row `bottom`, both included."""
        per_row, width = self.per_row, self.width
        if self.ascii_only:
            bits: tuple[int, ...] = (1, 2)
            cell = column
        else:
            bits = _RIGHT if column & 1 else _LEFT
            cell = column >> 1
        cells = self._layers[layer]
        top, bottom = max(top, 0), min(bottom, self.rows - 1)
        full = sum(bits)
        for row in range(top // per_row, bottom // per_row + 1):
            start = top - row * per_row
            end = bottom - row * per_row
            if start <= 0 and end >= per_row - 1:
                mask = full
            else:
                mask = sum(bits[max(start, 0) : min(end, per_row - 1) + 1])
            cells[row * width + cell] |= mask

    def curve(
        self,
        layer: int,
        spans: Sequence[Span | None],
        low: float,
        high: float,
        *,
        dotted: bool = False,
    ) -> None:
        """Draw a curve, one span for each column of dots, scaled so that `low` is the bottom.

        Columns without a value are bridged by a straight line from the last one that has some.
        """
        scale = (self.rows - 1) / (high - low)
        base = self.rows - 1
        before: tuple[int, float] | None = None
        for column, span in enumerate(spans):
            if span is None:
                continue
            enter = base - (span.first - low) * scale
            if before is not None:
                self._bridge(layer, before, (column, enter), dotted)
            if not dotted or not column & 1:
                top = base - (span.high - low) * scale
                bottom = base - (span.low - low) * scale
                self.fill(layer, column, round(top), round(bottom))
            before = (column, base - (span.last - low) * scale)

    def _bridge(
        self, layer: int, start: tuple[int, float], end: tuple[int, float], dotted: bool
    ) -> None:
        (x0, y0), (x1, y1) = start, end
        rise = (y1 - y0) / (x1 - x0)
        for column in range(x0, x1 + 1):
            if dotted and column & 1:
                continue
            left = y0 + rise * (max(column - 0.5, x0) - x0)
            right = y0 + rise * (min(column + 0.5, x1) - x0)
            top, bottom = (left, right) if left < right else (right, left)
            self.fill(layer, column, math.floor(top + 0.5), math.floor(bottom + 0.5))

    def row(self, number: int) -> Iterator[tuple[str, int]]:
        """Runs of text of one row with the layer that colours them, -1 for empty cells."""
        start = number * self.width
        parts = [layer[start : start + self.width] for layer in self._layers]
        run: list[str] = []
        owner = -1
        for masks in zip(*parts, strict=True):
            layer = next((at for at, mask in enumerate(masks) if mask), -1)
            if layer != owner and run:
                yield "".join(run), owner
                run = []
            owner = layer
            run.append(self._character(masks, layer))
        if run:
            yield "".join(run), owner

    def _character(self, masks: Sequence[int], layer: int) -> str:
        if layer < 0:
            return " "
        if self.ascii_only:
            return _ASCII[layer % len(_ASCII)][masks[layer]]
        if layer >= self.faint_from:
            return _BRAILLE[masks[layer]]
        together = 0
        for mask in masks[: self.faint_from]:
            together |= mask
        return _BRAILLE[together]
