"""Reading what a `.safetensors` file says about itself, without believing it.

Format: eight bytes with the length of a JSON header (little endian), the header, then the data of
all tensors without gaps. https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeGuard

from tui.destinations.common.safetensors_header import Header, SafetensorsError, open_header

__all__ = ["SafetensorsError", "SafetensorsInfo", "read_info"]

Kind = Literal["lora", "lycoris", "full", "other"]

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


@dataclass(frozen=True, slots=True)
class SafetensorsInfo:
    """What a file holds.

    Attributes:
        kind: adapter (`lora`, or `lycoris` for its other forms), `full` model, or something else.
        rank: of an adapter, the one that most of its layers have; None when it tells none.
        dtypes: number of tensors of each type.
        metadata: the texts that the writer put in.
    """

    kind: Kind
    tensors: int
    parameters: int
    data_bytes: int
    rank: int | None = None
    dtypes: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def read_info(path: Path) -> SafetensorsInfo:
    """Read and check a file's header; the data itself is not read.

    Raises:
        SafetensorsError: it is damaged, cut off or hostile.
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
    """The writer's texts, of which no more than some are kept."""
    found: dict[str, str] = {}
    if header.is_null():
        return found
    if not header.is_object():
        raise SafetensorsError("Its metadata are not texts.")
    for name in header.members():
        if not header.is_text():
            raise SafetensorsError("Its metadata are not texts.")
        value = header.string()
        if len(found) < _MOST_METADATA:
            found[name] = value
    return found


def _tensor(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int, int]:
    """Type, shape, number of elements, and where it begins and ends."""
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
    """The product of a shape, no further than any file could hold, as the library does it."""
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
    place = 0
    for begin, end, name in spans:
        if begin != place:
            what = "overlaps another" if begin < place else "leaves a gap before it"
            raise SafetensorsError(f"Tensor {name[:80]!r} {what}.")
        place = end
    if place > data_bytes:
        missing = place - data_bytes
        raise SafetensorsError(f"The last {missing:,} bytes are missing.", truncated=True)
    if place < data_bytes:
        raise SafetensorsError(f"There are {data_bytes - place:,} bytes too many at its end.")


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
