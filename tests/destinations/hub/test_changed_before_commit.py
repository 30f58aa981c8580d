"""A file that changes between its upload and the commit is not committed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.destinations.conftest import make_files
from tests.destinations.hub.opened import Open, tree
from tui.destinations.common.errors import SourceChangedError
from tui.sandbox.hub import RunningHub


@pytest.mark.parametrize("changed", [0, 1])
def test_a_file_changed_between_send_and_finish_is_not_committed(
    hub: RunningHub, open_hub: Open, tmp_path: Path, changed: int
) -> None:
    files = make_files(tmp_path, one=100, two=100)
    destination = open_hub(hub, xet=False)
    destination.prepare()
    items = destination.plan(files)
    for item in items:
        destination.send(item)
    path = files[changed].path
    time = path.stat().st_mtime_ns + 1_000_000_000
    path.write_bytes(os.urandom(100))
    os.utime(path, ns=(time, time))
    with pytest.raises(SourceChangedError):
        destination.finish(items)
    assert not tree(hub)
