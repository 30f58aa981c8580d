"""Small safetensors files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from safetensors import deserialize


def write(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def tensor(
    begin: int, end: int, dtype: Any = "U8", shape: list[int] | None = None
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or [end - begin], "data_offsets": [begin, end]}


def real(path: Path, tensors: dict[str, tuple[str, list[int], bytes]], **metadata: str) -> Path:
    """A file that the real library takes."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = tensor(len(data), len(data) + len(raw), dtype, shape)
        data += raw
    write(path, header, data)
    assert len(deserialize(path.read_bytes())) == len(tensors)
    return path
