"""A file that is written anew at its size while it is packed is noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simpletuner.datasets.reports import report_of
from tests.simpletuner.projects import write_dataset, write_image
from tui.simpletuner.datasets import pack as pack_module
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.errors import PackError


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_file_rewritten_at_the_same_size_while_it_is_read_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.setattr(pack_module, "_PIECE", 1 << 20)
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    big = folder / "z.bmp"
    write_image(big, (1500, 1500))
    report = report_of(tmp_path, folder)
    content = bytearray(big.read_bytes())

    def rewrite(done: int, total: int) -> None:
        content[-1] ^= 1
        if total - len(content) < done < total:  # while this file is read
            time = big.stat().st_mtime_ns + seconds * 1_000_000_000
            with big.open("r+b") as file:
                file.write(content)
            os.utime(big, ns=(time, time))

    with pytest.raises(PackError, match=r"z\.bmp changed"):
        pack(report, tmp_path / "out.zip", progress=rewrite)
    assert not list(tmp_path.glob("out.zip*"))
