"""What is kept of a file, and of which file nothing is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tui.simpletuner.datasets.scan_folder import SourceFile
from tui.simpletuner.staging.digests import DigestCache

SECOND = 1_000_000_000


@pytest.mark.parametrize("written", ["modified", "changed"])
def test_a_file_of_this_moment_is_read_again(tmp_path: Path, written: str) -> None:
    """Rewritten at the same size within the clock's step, it would have the same times."""
    long_ago = time.time_ns() - SECOND
    place = tmp_path / "cache.json"
    known = DigestCache.load(place)
    now = time.time_ns()
    times = (now, long_ago) if written == "modified" else (long_ago, now)
    fresh, old = SourceFile("a.txt", "/a.txt", 3, *times), SourceFile(
        "b.txt", "/b.txt", 3, long_ago, long_ago
    )  # fmt: skip
    for file in (fresh, old):
        known.keep_text(file, "cat")
    known.save(place)
    for cache in (known, DigestCache.load(place)):
        assert (cache.text(fresh), cache.text(old)) == (None, "cat")
    known.keep_facts(fresh, ("5" * 64, 3, "as-is"))
    assert known.facts(fresh) is None
