"""Headers of safetensors files: honest, damaged and hostile; the real library is the judge."""

from __future__ import annotations

import json
import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from tests.destinations.common.safetensors_files import real, tensor, write
from tui.destinations.common.safetensors_info import SafetensorsError, read_info


def test_an_adapter(tmp_path: Path) -> None:
    tensors = {}
    for block in range(3):
        tensors[f"transformer.{block}.to_q.lora_A.weight"] = ("BF16", [16, 8], bytes(256))
        tensors[f"transformer.{block}.to_q.lora_B.weight"] = ("BF16", [8, 16], bytes(256))
    info = read_info(real(tmp_path / "a.safetensors", tensors, step="100"))
    assert (info.kind, info.rank, info.tensors) == ("lora", 16, 6)
    assert info.parameters == 6 * 128
    assert info.data_bytes == 6 * 256
    assert info.dtypes == {"BF16": 6}
    assert info.metadata == {"step": "100"}


def test_other_kinds(tmp_path: Path) -> None:
    full = real(
        tmp_path / "f",
        {"x.weight": ("F32", [2], bytes(8)), "x.bias": ("F32", [1], bytes(4))},
    )
    assert read_info(full).kind == "full"
    lokr = real(tmp_path / "l", {"lycoris_x.lokr_w1": ("F16", [2, 2], bytes(8))})
    assert read_info(lokr).kind == "lycoris"
    assert read_info(real(tmp_path / "o", {"states": ("F16", [2], bytes(4))})).kind == "other"
    assert read_info(write(tmp_path / "e", {})).tensors == 0


def test_a_truncated_file_is_distinguished_from_a_damaged_one(tmp_path: Path) -> None:
    whole = real(tmp_path / "w", {"x.weight": ("F32", [100], bytes(400))}).read_bytes()
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SafetensorsError) as caught:
            read_info(path)
        assert caught.value.truncated, length


@pytest.mark.parametrize(
    ("header", "data", "length"),
    [
        (b"{}", b"", 2**63),
        (b"{}", b"", 2**64 - 1),
        (b"{}", b"", 100_000_001),
        (b"", b"", 0),
        (b"[]", b"", None),
        (b"\xff\xfe", b"", None),
        (b"{" * 100_000, b"", None),
        (b'{"a":' + b"[" * 200_000, b"", None),
        (b'{"a":' + b"1" * 5000 + b"}", b"", None),
        (b'{"a": NaN}', b"", None),
        (b'{"__metadata__": {"a": 1}}', b"", None),
        (b'{"__metadata__": []}', b"", None),
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12), None),
        ({"a": tensor(0, 8), "b": tensor(9, 12)}, bytes(12), None),
        ({"a": tensor(1, 8)}, bytes(8), None),
        ({"a": tensor(0, 8)}, bytes(9), None),
        ({"a": tensor(0, 8, shape=[2**62, 2**62])}, bytes(8), None),
        ({"a": tensor(0, 8, shape=[-8])}, bytes(8), None),
        ({"a": tensor(0, 8, shape=[True])}, bytes(8), None),
        ({"a": tensor(0, 8, dtype="F128")}, bytes(8), None),
        ({"a": tensor(0, 8, dtype=["U8"])}, bytes(8), None),
        ({"a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 0]}}, bytes(8), None),
        ({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0]}}, bytes(8), None),
        ({"a": {"dtype": "U8", "shape": [8]}}, bytes(8), None),
        ({"a": None}, b"", None),
        (b'{"a":%b,"a":%b}' % ((b'{"dtype":"U8","shape":[1],"data_offsets":[0,1]}',) * 2), b"1",
         None),
    ],
)  # fmt: skip
def test_hostile_headers(tmp_path: Path, header: Any, data: bytes, length: int | None) -> None:
    path = write(tmp_path / "bad.safetensors", header, data, length=length)
    with pytest.raises(SafetensorsError) as caught:
        read_info(path)
    assert len(caught.value.message) < 250


def test_a_huge_sparse_file_costs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "sparse", {"x.weight": tensor(0, 5 * 2**30)})
    os.truncate(path, path.stat().st_size + 5 * 2**30)
    assert read_info(path).data_bytes == 5 * 2**30
    path.unlink()  # whoever reads all that the tests left should not read 5 GiB of nothing


_NUMBER = st.integers(-1, 12)
_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["U8", "F16", "F32", "F4", "X"]),
        "shape": st.lists(_NUMBER, max_size=3),
        "data_offsets": st.lists(_NUMBER, min_size=1, max_size=3),
    }
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.dictionaries(st.sampled_from(["a", "b", "c", ""]), _ENTRY, max_size=3),
    size=st.integers(0, 24),
)
def test_we_never_accept_what_the_library_refuses(
    tmp_path: Path, header: dict[str, Any], size: int
) -> None:
    path = write(tmp_path / "x", header, bytes(size))
    try:
        theirs = deserialize(path.read_bytes())
    except SafetensorError:
        theirs = None
    try:
        ours = read_info(path)
    except SafetensorsError:
        ours = None
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours.tensors == len(theirs)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_a_clear_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        read_info(path)
    except SafetensorsError as error:
        assert error.message  # noqa: PT017 - both outcomes are fine


def test_a_large_valid_header_is_read(tmp_path: Path) -> None:
    """As a full model with adapters has: tens of thousands of tensors, and long metadata."""
    header = {"__metadata__": {"captions": json.dumps([f'"{n}" {{' for n in range(20_000)])}}
    header |= {f"blocks.{n}.attn.to_q.weight": tensor(n, n + 1) for n in range(30_000)}
    path = write(tmp_path / "big", json.dumps(header).encode() + b"   ", bytes(30_000))
    info = read_info(path)
    assert info.tensors == info.parameters == len(deserialize(path.read_bytes())) == 30_000
    assert info.metadata == header["__metadata__"]


_NO_SPACE = b'{"a":{"dtype":"U8","shape":[%b],"data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    "build",  # when the test runs: every process that collects it would hold sixty megabytes
    [
        lambda: _NO_SPACE % b",".join([b"9223372036854775807"] * 100_000),
        lambda: _NO_SPACE % b",".join([b"2"] * 65),
        lambda: _NO_SPACE % b",".join([b"1"] * 65),
        lambda: _NO_SPACE % (b"4611686018427387904," * 2 + b"0"),
        lambda: b'{"a":[%b]}' % b",".join([b"[]"] * 5_000_000),
        lambda: b'{"a":{"dtype":[%b]}}' % b",".join([b'"ab"'] * 3_000_000),
        lambda: b'{"__metadata__":{"a":[%b]}}' % b",".join([b"[]"] * 5_000_000),
        lambda: b'{"__metadata__":{"a":"b"%b}}' % b"".join(b',"%d":1' % n for n in range(100)),
        lambda: b"{}" + b" " * 16 * 1024 * 1024,
    ],
    ids=["product", "dimensions", "ones", "overflow", "lists", "texts", "meta", "numbers", "long"],
)  # fmt: skip
def test_a_hostile_header_does_not_block_other_threads(
    tmp_path: Path, build: Callable[[], bytes]
) -> None:
    """Another thread goes on meanwhile, and no memory is filled with what no header has."""
    header = build()
    path = write(tmp_path / "bad.safetensors", header, bytes(8))
    longest, stop = 0.0, threading.Event()

    def look() -> None:
        nonlocal longest
        last = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    watch = threading.Thread(target=look)
    tracemalloc.start()
    watch.start()
    try:
        with pytest.raises(SafetensorsError):
            read_info(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        stop.set()
        watch.join()
        tracemalloc.stop()
    assert peak < 3 * len(header) + 2**20
    assert longest < 3.0  # a busy machine takes some of it; what was wrong took tens of seconds
