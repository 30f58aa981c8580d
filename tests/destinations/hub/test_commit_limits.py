"""How many files, and of how many bytes, go in one commit: up to the limit, and as many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.destinations.conftest import make_files, publish
from tests.destinations.hub.opened import REPO, Open, tree
from tui.destinations.hub import destination as hub_destination
from tui.sandbox.hub import RunningHub


@pytest.mark.parametrize(
    ("most_files", "most_bytes", "commits"),
    [(6, 1000, 1), (5, 1000, 2), (3, 1000, 2), (99, 60, 1), (99, 59, 2), (99, 30, 2), (99, 29, 3)],
)
def test_a_commit_is_filled_up_to_its_limits(
    hub: RunningHub, open_hub: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    most_files: int, most_bytes: int, commits: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(hub_destination, "_COMMIT_FILES", most_files)
    monkeypatch.setattr(hub_destination, "_COMMIT_BYTES", most_bytes)
    publish(open_hub(hub, xet=False), make_files(tmp_path, **dict.fromkeys("abcdef", 10)))
    assert len(tree(hub)) == 6
    repo = hub.hub.repos.get("model", REPO)
    assert repo is not None
    assert len(repo.commits) == 1 + commits  # the first one made the repository
