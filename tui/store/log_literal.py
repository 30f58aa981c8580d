"""Finds a fixed text in pieces of a log, by the rarest of its bytes.

`bytes.find` and `bytes.count` compare at nearly every byte; looking for one single byte is many
times as fast (memchr). So the text's rarest byte is looked for first, and the text only around it.
Where that byte turns out to be frequent, the rest is left to `bytes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAMPLE: Final = 1 << 14
"""Bytes of the log that tell which byte is rare."""
_FEW: Final = 100
"""With more of the rare byte than this in a piece, looking for the whole text is as fast."""
_FEWER: Final = 8
"""The same after a piece that had more: a piece is taken for one like the last."""


class Literal:
    """A text that is looked for in many pieces of one log; empty, it is nowhere.

    Args:
        text: the text.
        fold: whether the case of ASCII letters is ignored.
    """

    def __init__(self, text: bytes, *, fold: bool = False) -> None:
        self.text = text.lower() if fold else text
        self._fold = fold
        self._rare: tuple[bytes, int] | None = None
        self._few = _FEW

    def find_all(self, data: bytes, begin: int = 0) -> Iterator[int]:
        """Yield where the text is, from left to right, without overlaps."""
        text = self.text
        if not text:
            return
        data = data.lower() if self._fold else data
        rare, lead = self._rarest(data)
        at = data.find(rare, begin + lead)
        for _ in range(self._few):
            if at < 0:
                self._few = _FEW
                return
            if data.startswith(text, at - lead):
                yield at - lead
                begin = at - lead + len(text)
                at = data.find(rare, begin + lead)
            else:
                at = data.find(rare, at + 1)
        if at < 0:
            return
        self._few = _FEWER
        at = data.find(text, at - lead)
        while at >= 0:
            yield at
            at = data.find(text, at + len(text))

    def count(self, data: bytes) -> int:
        """Return how often the text is there, without overlaps."""
        text = self.text
        if not text:
            return 0
        data = data.lower() if self._fold else data
        rare, lead = self._rarest(data)
        hits = 0
        at = data.find(rare, lead)
        for _ in range(self._few):
            if at < 0:
                self._few = _FEW
                return hits
            if data.startswith(text, at - lead):
                hits += 1
                at = data.find(rare, at + len(text))
            else:
                at = data.find(rare, at + 1)
        if at < 0:
            return hits
        self._few = _FEWER
        return hits + data.count(text, at - lead)

    def _rarest(self, data: bytes) -> tuple[bytes, int]:
        """Return the rarest byte of the text, judged by the first piece, and where it stands."""
        if self._rare is not None:
            return self._rare
        sample = data[:_SAMPLE]
        byte = min(dict.fromkeys(self.text), key=sample.count)
        rare = bytes((byte,)), self.text.index(byte)
        if len(sample) == _SAMPLE:
            self._rare = rare
        return rare
