"""The header of a weights file is read once for each state of the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.destinations.common.safetensors_files import real
from tui.destinations.common import safetensors_info
from tui.destinations.common.safetensors_info import SafetensorsInfo, read_info
from tui.engine.transfers.artifacts import weights_of


def test_a_header_is_read_once_for_each_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> SafetensorsInfo:
        read.append(path)
        return read_info(path)

    monkeypatch.setattr(safetensors_info, "read_info", counted)
    path = real(tmp_path / "a.safetensors", {"x.lora_A.w": ("F32", [4, 2], bytes(32))})
    first = weights_of(str(path))
    first["kind"] = "changed by whoever got it"
    assert [weights_of(str(path))["rank"] for _ in range(3)] == [4, 4, 4]
    assert weights_of(str(path))["kind"] == "lora"
    assert len(read) == 1
    state = path.stat()
    other = real(tmp_path / "b.safetensors", {"x.lora_A.w": ("F32", [2, 4], bytes(32))})
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))  # same name, size and time
    other.replace(path)
    assert weights_of(str(path))["rank"] == 2
    path.unlink()
    assert "cannot be read" in weights_of(str(path))["problem"]
    real(path, {"x.lora_A.w": ("F32", [8, 1], bytes(32))})
    os.utime(path, ns=(0, 0))
    assert weights_of(str(path))["rank"] == 8
