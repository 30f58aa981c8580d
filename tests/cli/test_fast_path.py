"""`settings get`: what it loads, and that the short way answers as the ordinary one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.cli.fast_path import run_fast_path
from tui.cli.main import run
from tui.settings.values import catalog
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

HEAVY = {"aiohttp", "pydantic", "httpx", "huggingface_hub", "textual", "boto3", "PIL", "tomlkit"}
ORDINARY = {"argparse", "asyncio", "http", "json", "pathlib", "sqlite3", "ssl", "typing"}
"""Modules of the standard library that the ordinary commands need."""
_MAIN = """
import sys
sys.argv = ["simpletuner-tui", *sys.argv[1:]]
from tui import __main__ as program
program.leave = lambda status: status
status = program.main()
sys.stdout.flush()
sys.stderr.write("\\n" + " ".join(sys.modules))
sys.exit(status)
"""
SAMPLE = """
[ui]
theme = "simpletuner-light"
[network]
timeout = 12
no_proxy = ["a.example", "b.example"]
proxy = "http://me:geheim@localhost:9"
[listener]
allowed_ips = ["34.82.0.0/16"]
[cloud]
outputs_dir = "/räume"
[rates_micros]
l40s = 3
"""


def modules_of(home: Path, *arguments: str) -> set[str]:
    """Top packages, and modules of ours by full name, that a command has loaded."""
    environ = os.environ | {"SIMPLETUNER_TUI_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = done.stderr.rpartition("\n")[2].split()
    return {name if name.startswith("tui.") else name.partition(".")[0] for name in names}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    monkeypatch.delenv("SIMPLETUNER_TUI_API_BASE", raising=False)
    return tmp_path


def test_one_setting_is_read_with_few_imports(home: Path) -> None:
    loaded = modules_of(home, "settings", "get", "ui.theme")
    assert not loaded & (HEAVY | ORDINARY | {"tomllib", "tempfile"})
    assert {name for name in loaded if name.startswith("tui.")} == {
        "tui.__main__", "tui.cli", "tui.cli.fast_path",
        "tui.settings", "tui.settings.metadata", "tui.settings.errors",
        "tui.settings.reading", "tui.settings.values",
    }  # fmt: skip
    (home / "settings.toml").write_text("[ui]\nascii = true\n")
    loaded = modules_of(home, "settings", "get", "ui.theme")
    assert not loaded & (HEAVY | (ORDINARY - {"typing"}))


def test_what_scripts_ask_in_a_loop_is_answered_with_few_imports(home: Path) -> None:
    """Each module here takes longer to load than the answer to find."""
    writer = StoreWriter(home_at(home))
    record = job(1, JobStatus.COMPLETED)
    kept = FileRecord("a/lora.safetensors", 9, "0" * 64, "delivered", record.created_at)
    writer.insert(record, Change(files=[kept]))
    writer.set_fact("spending", {})  # by an engine that has ended since: no job needed it
    writer._db.execute("UPDATE facts SET at = at - 3600000000")
    writer.close()
    heavy = HEAVY | {"argparse", "asyncio", "http", "ssl", "typing", "dataclasses", "inspect"}
    for line, more in (
        ("--version", {"sqlite3", "json", "datetime"}),
        ("jobs", {"json", "pathlib"}),
        ("jobs --json", {"json", "pathlib", "sqlite3", "datetime"}),
        (f"job {record.job_id}", {"pathlib"}),
        (f"job {record.job_id} --json", {"json", "pathlib", "sqlite3", "datetime"}),
        (f"logs {record.job_id}", {"json", "pathlib"}),
        ("spending", {"json", "pathlib", "tomllib"}),
        ("spending --json", {"json", "pathlib", "tomllib"}),
        (f"artifacts {record.job_id}", {"pathlib", "sqlite3"}),
        (f"artifacts {record.job_id} --json", {"json", "pathlib", "sqlite3", "datetime"}),
        ("artifacts --json", {"pathlib", "sqlite3", "datetime"}),
    ):
        found = modules_of(home, *line.split())
        assert not found & (heavy | more), line
        assert "tui.store.reader" not in found, line


@pytest.mark.parametrize("arguments", [("get",), ("get", "network", "--json")])
def test_all_settings_are_read_without_engine_and_libraries(
    home: Path, arguments: tuple[str, ...]
) -> None:
    (home / "settings.toml").write_text(SAMPLE)
    loaded = modules_of(home, "settings", *arguments)
    assert not loaded & (HEAVY | {"asyncio", "sqlite3"})
    assert not any(name.startswith(("tui.engine", "tui.client", "tui.store")) for name in loaded)


def test_changing_a_setting_loads_no_library_and_no_engine() -> None:
    script = (
        "import sys, tui.cli.main, tui.cli.settings_command, tui.client.engine_process\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    names = done.stdout.split()
    assert not HEAVY & {name.partition(".")[0] for name in names}
    assert not any(name.startswith(("tui.engine", "tui.store")) for name in names)


@pytest.mark.parametrize("text", ["", SAMPLE])
@pytest.mark.parametrize("base", ["", "http://127.0.0.1:9/v1/"])
def test_the_short_way_answers_as_the_ordinary_one(
    home: Path, text: str, base: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (home / "settings.toml").write_text(text, encoding="utf-8")
    if base:
        monkeypatch.setenv("SIMPLETUNER_TUI_API_BASE", base)
    for name in [*catalog(), "rates_micros"]:
        for more in ([], ["--json"]):
            arguments = ["settings", "get", name, *more]
            if (
                run_fast_path(arguments) is None
            ):  # the JSON of a list has a line for each of its items
                assert more
                assert run(arguments) == 0
                assert capsys.readouterr().out.startswith("[")
                continue
            short = capsys.readouterr()
            assert run(arguments) == 0
            assert capsys.readouterr() == short, name
            assert "geheim" not in short.out


@pytest.mark.parametrize(
    "arguments",
    ["get", "get ui", "get ui.nothing", "get ui.theme more", "get -h", "set ui.theme", "edit"],
)
def test_other_command_lines_take_the_ordinary_way(home: Path, arguments: str) -> None:
    assert run_fast_path(["settings", *arguments.split()]) is None
    assert run_fast_path(["settings", "get", "ui.theme"]) == 0


@pytest.mark.parametrize(
    "text", [b"[ui\n", b"[ui]\ntheme = 3\n", b"[uy]\ntheme = 'x'\n", b"# \xff\n"]
)
def test_a_file_with_something_wrong_takes_the_ordinary_way(home: Path, text: bytes) -> None:
    (home / "settings.toml").write_bytes(text)
    assert run_fast_path(["settings", "get", "ui.theme"]) is None
