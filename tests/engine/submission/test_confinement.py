"""What of this machine is open to callers over TCP."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from tui.api.scopes import Scope
from tui.engine.http_api.caller import Caller
from tui.engine.http_api.public import _without_folders
from tui.engine.submission.confinement import Confinement


@pytest.fixture
def places(tmp_path: Path) -> Confinement:
    """Everything lies below the folder of configs."""
    return Confinement((tmp_path,), tmp_path / "outputs", tmp_path / "state")


def test_results_and_state_below_a_folder_of_configs_are_no_configs(
    places: Confinement, tmp_path: Path
) -> None:
    assert places.is_config(tmp_path / "cat" / "config.json")
    assert not places.is_config(tmp_path / "outputs" / "config.json")
    assert not places.is_config(tmp_path / "state" / "state.db")
    assert not places.may_read(tmp_path / "state" / "state.db")
    assert places.may_read(tmp_path / "outputs" / "a.png")
    (tmp_path / "linked").symlink_to(tmp_path / "state")
    assert not places.may_read(tmp_path / "linked" / "state.db")


def test_failures_name_no_folder_to_a_key_that_reads(places: Confinement) -> None:
    shown_to: dict[Scope, str] = {
        "read": "outputs/a is gone", "submit": f"{places.outputs}/a is gone"
    }  # fmt: skip
    for scope, shown in shown_to.items():
        caller = Caller(scope, places)
        failure = web.Response(status=404, text=f"{places.outputs}/a is gone")
        answer = _without_folders(caller, failure)
        assert isinstance(answer, web.Response)
        assert answer.text == shown
