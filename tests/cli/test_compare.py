"""The command `compare`, in this process: it reads the store and starts nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.cli.main import run
from tui.settings import Home
from tui.store.writer import Change, StoreWriter


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    place = home_at(tmp_path)
    place.create()
    writer = StoreWriter(place)
    for number in range(10):
        writer.insert(job(number, JobStatus.COMPLETED))
        writer.apply(f"job{number:05d}", Change(values={"config": {"lora_rank": 16 + number}}))
    writer.close()
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(place.root))
    return place


def test_a_table_and_json_say_what_differs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "job00000", "job00001", "job00002"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Different models")
    assert lines[1].split()[:5] == ["1", "of", "3", "settings", "differs"]
    assert [line.split() for line in lines if line.startswith("lora_rank")] == [
        ["lora_rank", "16", "17", "18"]
    ]
    assert run(["compare", "job00000", "job00001", "--json", "--all"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["job_id"] for one in found["jobs"]] == ["job00000", "job00001"]
    assert len(found["settings"]) == found["compared"]
    assert not (home.root / "engine.sock").exists()


@pytest.mark.parametrize(
    "ids",
    [
        ["job00000"],
        ["job00000", "job00000"],
        ["job00000", "job"],
        ["job00000", "nothing"],
        [f"job{number:05d}" for number in range(9)],
    ],
)
def test_what_cannot_be_compared_is_a_wrong_command_line(
    home: Home, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *ids]) == 2
    assert capsys.readouterr().err.startswith("simpletuner-tui: ")
