"""Reads the header of a `.safetensors` file, and checks it as untrusted input.

Own code and not the `safetensors` library: the file may come from a stranger, so its header is
parsed in small steps with limits (see `Header`), and no tensor is loaded.

Format: eight bytes with the length of a JSON header (little endian), the header, then the data of
all tensors without gaps. https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections import Counter

__all__ = ["SafetensorsError", "SafetensorsInfo", "read_info"]

TYPE_CHECKING = False  # `typing` takes longer to load than a header to read
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, BinaryIO, Final, Literal, NamedTuple, NoReturn, TypeGuard

    from tui.base.json_types import JsonObject

    Kind = Literal["lora", "lycoris", "full", "other"]
else:
    from tui.base.light_tuple import NamedTuple

_MOST_METADATA = 1_000
_MOST_DIMENSIONS = 64
_MOST_ELEMENTS = 2**64
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
    "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
_DOWN = (".lora_A.", ".lora_down.", ".lora_a.", "_lora.down.")
_LYCORIS = (".lokr_w", ".hada_w", ".oft_", ".oft_blocks", ".glora_", ".dora_scale")


class SafetensorsInfo(NamedTuple):
    """The content of a file.

    Attributes:
        kind: adapter (`lora`, or `lycoris` for its variants), `full` model, or `other`.
        tensors: number of tensors.
        parameters: number of elements of all tensors.
        data_bytes: bytes of all tensors.
        rank: the most common rank of an adapter's layers; None when there is none.
        dtypes: number of tensors by type.
        metadata: texts that the writer of the file added.
    """

    kind: Kind
    tensors: int
    parameters: int
    data_bytes: int
    rank: int | None
    dtypes: dict[str, int]
    metadata: dict[str, str]


def read_info(path: Path) -> SafetensorsInfo:
    """Read and check a file's header; the data itself is not read.

    Raises:
        SafetensorsError: the file is damaged, truncated or malicious.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header, data_bytes = open_header(file, size)
    try:
        return _describe(header, data_bytes)
    except SafetensorsError:
        raise
    except (ValueError, RecursionError) as error:
        raise SafetensorsError(f"Its header is no JSON: {str(error)[:80]}.") from error


def _describe(header: Header, data_bytes: int) -> SafetensorsInfo:
    metadata: dict[str, str] = {}
    spans: list[tuple[int, int, str]] = []
    dtypes: Counter[str] = Counter()
    shapes: dict[str, tuple[int, ...]] = {}
    parameters = 0
    for name in header.members():
        if name == "__metadata__":
            metadata = _metadata(header)
            continue
        dtype, shape, elements, begin, end = _tensor(name, header.entry())
        spans.append((begin, end, name))
        dtypes[dtype] += 1
        shapes[name] = shape
        parameters += elements
    header.end()
    _check_spans(sorted(spans), data_bytes)
    return SafetensorsInfo(
        kind=_kind(shapes),
        tensors=len(shapes),
        parameters=parameters,
        data_bytes=data_bytes,
        rank=_rank(shapes),
        dtypes=dict(dtypes),
        metadata=metadata,
    )


def _metadata(header: Header) -> dict[str, str]:
    """Return the metadata, of which at most `_MOST_METADATA` texts are kept."""
    texts: dict[str, str] = {}
    if header.is_null():
        return texts
    if not header.is_object():
        raise SafetensorsError("Its metadata are not texts.")
    for name in header.members():
        if not header.is_text():
            raise SafetensorsError("Its metadata are not texts.")
        value = header.string()
        if len(texts) < _MOST_METADATA:
            texts[name] = value
    return texts


def _tensor(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int, int]:
    """Return a tensor's type, shape, number of elements, start and end."""
    if not isinstance(entry, dict):
        raise SafetensorsError(f"Tensor {name[:80]!r} is not described.")
    dtype, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise SafetensorsError(f"Tensor {name[:80]!r} has an unknown type.")
    if not (_numbers(shape) and _numbers(span) and len(span) == 2):
        raise SafetensorsError(f"Tensor {name[:80]!r} has no proper shape or place.")
    begin, end = span
    elements = _elements(name, shape)
    bits = _BITS[dtype] * elements
    if begin > end or bits % 8 or bits // 8 != end - begin:
        raise SafetensorsError(f"Tensor {name[:80]!r} has another size than its shape says.")
    return dtype, tuple(shape), elements, begin, end


def _elements(name: str, shape: list[int]) -> int:
    """Return the product of a shape; refuses more than 2^64 elements, as the library does."""
    if len(shape) > _MOST_DIMENSIONS:
        raise SafetensorsError(f"Tensor {name[:80]!r} has {len(shape):,} dimensions.")
    elements = 1
    for length in shape:
        elements *= length
        if elements >= _MOST_ELEMENTS:
            raise SafetensorsError(f"Tensor {name[:80]!r} is larger than any file.")
    return elements


def _numbers(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**63 for item in value
    )


def _check_spans(spans: list[tuple[int, int, str]], data_bytes: int) -> None:
    position = 0
    for begin, end, name in spans:
        if begin != position:
            what = "overlaps another" if begin < position else "leaves a gap before it"
            raise SafetensorsError(f"Tensor {name[:80]!r} {what}.")
        position = end
    if position > data_bytes:
        missing = position - data_bytes
        words = "byte is" if missing == 1 else f"{missing:,} bytes are"
        raise SafetensorsError(f"The last {words} missing.", truncated=True)
    if position < data_bytes:
        over = data_bytes - position
        words = "is one byte" if over == 1 else f"are {over:,} bytes"
        raise SafetensorsError(f"There {words} too many at its end.")


def _kind(shapes: dict[str, tuple[int, ...]]) -> Kind:
    names = list(shapes)
    if not names:
        return "other"
    if any(part in name for name in names for part in _DOWN):
        return "lora"
    if any(part in name for name in names for part in _LYCORIS):
        return "lycoris"
    weights = sum(name.endswith((".weight", ".bias", ".scale", ".gamma")) for name in names)
    return "full" if weights * 2 > len(names) else "other"


def _rank(shapes: dict[str, tuple[int, ...]]) -> int | None:
    ranks = Counter(
        shape[0]
        for name, shape in shapes.items()
        if len(shape) >= 2 and any(part in name for part in _DOWN)
    )
    return ranks.most_common(1)[0][0] if ranks else None


_MOST: Final = 16 * 1024 * 1024
"""Largest header in bytes, enough for 140,000 tensors.

The format allows 100 MB, which a malicious file could use to waste time. A tensor takes about 120
bytes (a shard of nvidia/GLM-5-NVFP4 has 852 tensors in 100,000 bytes), so adapters have tens to
hundreds of kilobytes; trainers that record all captions reach a few megabytes.
"""
_ENTRY: Final = re.compile(r"\{[^{}]{0,4096}\}")
"""A tensor's description: a flat object, short even with the largest number of dimensions."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class SafetensorsError(Exception):
    """The file is not a valid safetensors file.

    Attributes:
        message: the problem.
        truncated: whether its end is missing, as after an interrupted transfer.
    """

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.truncated = truncated


def open_header(file: BinaryIO, size: int) -> tuple[Header, int]:
    """Read the header of a file of `size` bytes; returns it and the number of data bytes.

    Raises:
        SafetensorsError: the header is malformed.
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
    """An incremental parser of the header.

    The `json` module parses a text in one call that holds the GIL, and creates objects for whatever
    the text contains: 16 MiB of `[[],[],…]` become half a gigabyte. Here no single step takes long,
    and only structures that a valid header has are kept.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def members(self) -> Iterator[str]:
        """Yield the names of the object that starts here; the caller reads each value in between.

        Raises:
            SafetensorsError: it is not an object, or has a name twice.
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
        """Read a string.

        Raises:
            SafetensorsError: the next value is not a string.
        """
        if self._next() != '"':
            raise self._wrong()
        value, self._at = _JSON.raw_decode(self._text, self._at)
        return str(value)

    def entry(self) -> Any:
        """Read a tensor's description; None for any other value."""
        self._next()
        match = _ENTRY.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return _JSON.decode(match[0])

    def is_text(self) -> bool:
        """Whether the next value is a string."""
        return self._next() == '"'

    def is_null(self) -> bool:
        """Whether the next value is `null`, which is skipped then."""
        self._next()
        null = self._text.startswith("null", self._at)
        self._at += 4 * null
        return null

    def is_object(self) -> bool:
        """Whether the next value is an object."""
        return self._next() == "{"

    def end(self) -> None:
        """Check that only white space follows.

        Raises:
            SafetensorsError: something else follows.
        """
        if self._next():
            raise self._wrong()

    def _next(self) -> str:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> None:
        if self._next() != sign:
            raise self._wrong()
        self._at += 1

    def _wrong(self) -> SafetensorsError:
        return SafetensorsError(f"Its header is no JSON at character {self._at:,}.")


def _pairs(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise SafetensorsError("Its header has the same name twice.")
    return made


def _no_constant(text: str) -> NoReturn:
    raise SafetensorsError(f"Its header holds {text}.")


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)
