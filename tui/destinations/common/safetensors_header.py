"""The header of a `.safetensors` file, taken apart without believing it."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NoReturn

_MOST: Final = 16 * 1024 * 1024
"""Bytes of a header: 140,000 tensors.

The format itself allows 100 MB, a long time of reading for somebody who means harm. A tensor takes
some 120 bytes (a shard of nvidia/GLM-5-NVFP4 has 852 of them in 100,000 bytes), so adapters have
tens to hundreds of kilobytes; trainers that write all captions down come to a few megabytes.
"""
_ENTRY: Final = re.compile(r"\{[^{}]{0,4096}\}")
"""A tensor's description: flat, and short even with all the dimensions that are allowed."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class SafetensorsError(Exception):
    """The file is not a whole and honest safetensors file.

    Attributes:
        message: what is wrong with it.
        truncated: its end is missing, as after a broken transfer.
    """

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.truncated = truncated


def open_header(file: BinaryIO, size: int) -> tuple[Header, int]:
    """The header of a file of so many bytes, and how many bytes of data follow it.

    Raises:
        SafetensorsError: it cannot be one.
    """
    first = file.read(8)
    if len(first) < 8:
        raise SafetensorsError("It is too short to be a safetensors file.", truncated=True)
    (length,) = struct.unpack("<Q", first)
    if length > _MOST:
        raise SafetensorsError(f"Its header claims {length:,} bytes, which no such file has.")
    if length > size - 8:
        raise SafetensorsError("It ends inside its header.", truncated=True)
    if length < 2:
        raise SafetensorsError("It has no header.")
    raw = file.read(length)
    if not raw.startswith(b"{"):
        raise SafetensorsError("Its header is no JSON object.")
    try:
        return Header(raw.decode("utf-8")), size - 8 - length
    except ValueError as error:
        raise SafetensorsError(f"Its header is no JSON: {str(error)[:80]}.") from error


class Header:
    """Takes a header apart piece by piece.

    The `json` module reads all of a text in one call that lets no other thread of the program run,
    and makes an object of whatever somebody put there: 16 MiB of `[[],[],…]` are half a gigabyte.
    Here no single step takes long, and nothing is kept that no header has.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def members(self) -> Iterator[str]:
        """The names in the object that begins here; the caller takes each value in between.

        Raises:
            SafetensorsError: it is none, or has a name twice.
        """
        self._take("{")
        seen: set[str] = set()
        if self._next() == "}":
            self._at += 1
            return
        while True:
            name = self.string()
            if name in seen:
                raise SafetensorsError("Its header has the same name twice.")
            seen.add(name)
            self._take(":")
            yield name
            if self._next() != ",":
                break
            self._at += 1
        self._take("}")

    def string(self) -> str:
        """A text.

        Raises:
            SafetensorsError: something else comes next.
        """
        if self._next() != '"':
            raise self._wrong()
        value, self._at = _JSON.raw_decode(self._text, self._at)
        return str(value)

    def entry(self) -> Any:
        """A tensor's description; None for anything else."""
        self._next()
        found = _ENTRY.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return _JSON.decode(found[0])

    def is_text(self) -> bool:
        """Whether a text comes next."""
        return self._next() == '"'

    def is_null(self) -> bool:
        """Whether `null` comes next; it is taken."""
        self._next()
        null = self._text.startswith("null", self._at)
        self._at += 4 * null
        return null

    def is_object(self) -> bool:
        """Whether an object comes next."""
        return self._next() == "{"

    def end(self) -> None:
        """Nothing but space may follow.

        Raises:
            SafetensorsError: something does.
        """
        if self._next():
            raise self._wrong()

    def _next(self) -> str:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> None:
        if self._next() != sign:
            raise self._wrong()
        self._at += 1

    def _wrong(self) -> SafetensorsError:
        return SafetensorsError(f"Its header is no JSON at character {self._at:,}.")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise SafetensorsError("Its header has the same name twice.")
    return made


def _no_constant(text: str) -> NoReturn:
    raise SafetensorsError(f"Its header holds {text}.")


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)
