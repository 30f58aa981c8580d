"""The ZIP writer against two independent readers."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.simpletuner import zip_writer
from tui.simpletuner.zip_writer import END_OVERHEAD, ENTRY_OVERHEAD, ZipWriter

names = st.text(
    st.characters(exclude_characters="/\0\\", exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(st.dictionaries(names, st.tuples(st.binary(max_size=2000), st.booleans(), st.booleans())))
def test_the_standard_library_reads_what_was_written(
    entries: dict[str, tuple[bytes, bool, bool]],
) -> None:
    out = io.BytesIO()
    writer = ZipWriter(out)
    for name, (data, deflate, in_pieces) in entries.items():
        if in_pieces:
            pieces = (data[i : i + 700] for i in range(0, len(data), 700))
            writer.add_pieces(name, pieces, size=len(data), deflate=deflate)
        else:
            writer.add(name, data, deflate=deflate)
    assert writer.finish() == len(out.getvalue())
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == list(entries)
        assert archive.testzip() is None
        for name, (data, _, _) in entries.items():
            assert archive.read(name) == data


def test_the_overhead_is_what_it_says() -> None:
    out = io.BytesIO()
    writer = ZipWriter(out)
    writer.add("photo.jpg", b"x" * 500, deflate=False)
    assert writer.finish() == END_OVERHEAD + ENTRY_OVERHEAD + 2 * len("photo.jpg") + 500


def test_more_entries_than_16_bits_count(tmp_path: Path) -> None:
    with (tmp_path / "x.zip").open("wb") as out:
        writer = ZipWriter(out)
        for number in range(66_000):
            writer.add(str(number), b"", deflate=False)
        writer.finish()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert len(archive.namelist()) == 66_000


def test_sizes_beyond_32_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code paths with the limit lowered, since 4 GiB are too much for a test."""
    monkeypatch.setattr(zip_writer, "_MAX_32", 1000)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    path = tmp_path / "x.zip"
    with path.open("wb") as out:
        writer = ZipWriter(out)
        writer.add_pieces("large", iter([b"a" * 3000]), size=3000, deflate=False)
        writer.add("behind", b"b", deflate=False)
        writer.finish()
    data = path.read_bytes()
    assert data.count(b"PK\x06\x06") == 1
    assert data.count(b"PK\x06\x07") == 1
    assert data.index(b"a" * 3000) > 30 + len("large")  # the wide sizes stand before the data


def test_unzip_agrees(tmp_path: Path) -> None:
    if not (unzip := shutil.which("unzip")):
        pytest.skip("unzip is not installed")
    with (tmp_path / "x.zip").open("wb") as out:
        writer = ZipWriter(out)
        writer.add("a/käse.txt", b"text " * 100, deflate=True)
        writer.add_pieces("b.bin", iter([b"1" * 70_000, b"2"]), size=70_001, deflate=True)
        writer.finish()
    done = subprocess.run([unzip, "-tq", tmp_path / "x.zip"], check=False)
    assert done.returncode == 0
