"""`serve`, `api-key` and `storage-key` as processes, as a script uses them."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.shell import tui, tui_json
from tests.support import eventually_sync, free_port
from tests.wished import OPTION
from tui.sandbox.demo import write_demo_project


@dataclass
class Serving:
    """A `serve` that runs, and what it has said."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "serve", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, umask=0,
    )  # fmt: skip
    running = Serving(process)
    reader = threading.Thread(target=running.read)
    reader.start()
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        reader.join(10)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


@contextmanager
def sandbox(tmp_path: Path) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "sandbox", "--json", "--speed", "40", "--until-eof",
         "--work-dir", str(tmp_path / "sandbox"), *OPTION],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def test_serve_runs_a_job_and_prints_its_events(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_demo_project(tmp_path / "project")
    with sandbox(tmp_path) as world:
        monkeypatch.setenv("SIMPLETUNER_TUI_API_BASE", world["api_base"])
        monkeypatch.setenv("REPLICATE_API_TOKEN", world["token"])
        port = free_port()
        with serving("--json", "--listen", f"127.0.0.1:{port}") as served:
            eventually_sync(lambda: served.lines, within=30)
            ready = served.events()[0]
            assert ready["event"] == "ready"
            assert ready["listen"] == f"127.0.0.1:{port}"
            assert ready["api_base"] == world["api_base"]
            made = tui_json(
                "submit", str(config), "--steps", "12", "--delivery", "local", "--yes", "--wait"
            )
            job_id = made["job_id"]
            key = tui_json("api-key", "create", "--name", "script")["key"]
            answer = httpx.get(
                f"http://127.0.0.1:{port}/api/cloud/jobs/{job_id}", headers={"X-API-Key": key}
            )
            assert answer.json()["job"]["status"] == "completed"
            eventually_sync(lambda: any("running → completed" in line for line in served.lines))
            served.process.send_signal(signal.SIGINT)
            assert served.process.wait(30) == 0
    events = served.events()
    assert events[-1]["event"] == "stopped"
    of_job = [event for event in events if event.get("job_id") == job_id]
    sources = {event["source"] for event in of_job if "source" in event}
    assert {"local", "webhook", "storage"} <= sources
    assert next(event["event"] for event in of_job) == "created"
    assert not (home / "engine.sock").exists()
    modes = {str(path): oct(stat.S_IMODE(path.lstat().st_mode)) for path in home.rglob("*")}
    assert {path: mode for path, mode in modes.items() if int(mode, 8) & 0o077} == {}
    assert world["token"] not in "\n".join(served.lines)


@contextmanager
def service_manager(path: Path) -> Iterator[list[str]]:
    """What stands in for systemd: the states that it was told, in their order."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        line.settimeout(0.1)
        ended = threading.Event()

        def listen() -> None:
            while True:
                try:
                    told.append(line.recv(4096).decode())
                except TimeoutError:
                    if ended.is_set():
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield told
        finally:
            ended.set()
            thread.join()


def test_serve_prints_one_readable_line_for_each_event(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with service_manager(tmp_path / "notify") as told:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        served = _served(port)
        eventually_sync(lambda: "STOPPING=1" in told)
    assert "webhooks at https://t.example/api/webhooks/replicate" in served.lines[0]
    assert "webhook rejected" in served.lines[1]
    assert served.lines[-1] == "Stopped."
    assert told[0] == "READY=1"
    assert told.count("WATCHDOG=1") == len(told) - 2 > 0
    assert told[-1] == "STOPPING=1"


def _served(port: int) -> Serving:
    with serving("--listen", f"127.0.0.1:{port}", "--public-url", "https://t.example") as served:
        eventually_sync(lambda: served.lines, within=30)
        httpx.post(f"http://127.0.0.1:{port}/api/webhooks/replicate", content=b"{}")
        eventually_sync(lambda: len(served.lines) > 1)
    return served


def test_serve_replaces_an_agent_but_not_another_serve(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
    tui("api-key", "list")  # leaves an agent behind
    with serving("--json") as served:
        eventually_sync(lambda: served.lines, within=40)
        assert served.events()[0]["event"] == "ready"
        second = tui("serve", "--json", ok=False)
        assert second.returncode == 1
        assert "served already" in second.stderr


def test_serve_refuses_addresses_that_it_cannot_use(home: Path) -> None:
    done = tui("serve", "--listen", "0.0.0.0:0", ok=False)
    assert done.returncode == 1
    assert "allow_public_bind" in done.stderr
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = tui("serve", "--listen", f"127.0.0.1:{holder.getsockname()[1]}", ok=False)
    assert taken.returncode == 1
    assert "taken" in taken.stderr
    odd = tui("serve", "--public-url", "http://plain.example", ok=False)
    assert odd.returncode == 2
    assert "https" in odd.stderr


def test_keys_are_made_listed_and_revoked(home: Path) -> None:
    with serving("--json", "--listen", f"127.0.0.1:{free_port()}") as served:
        eventually_sync(lambda: served.lines, within=30)
        made = tui_json(
            "api-key", "add", "--name", "a script", "--scope", "submit", "--expires", "2d"
        )
        assert set(made) == {"id", "key", "scope", "expires_at"}
        (row,) = tui_json("api-key", "list")
        assert (row["name"], row["scope"], row["last_used_at"]) == ("a script", "submit", None)
        listed = tui("api-key", "list").stdout
        assert made["key"] not in listed
        assert "SCOPE" in listed
        assert "never" in listed
        tui("api-key", "revoke", made["id"])
        assert tui_json("api-key", "list") == []
        assert tui("api-key", "revoke", made["id"], ok=False).returncode != 0
        assert tui("api-key", "revoke", ok=False).returncode == 2
        pair = tui_json("storage-key", "create", "--ttl", "30m")
        assert {"endpoint", "bucket", "access_key", "secret_key", "region"} <= set(pair)
        assert tui("storage-key", "create", "--ttl", "1y", ok=False).returncode == 2
        (listed_pair,) = tui_json("storage-key", "list")
        assert listed_pair["access_key"] == pair["access_key"]
        assert pair["secret_key"] not in tui("storage-key", "list").stdout
        tui("storage-key", "revoke", pair["access_key"])
        assert tui_json("storage-key", "list") == []
        shown = tui("storage-key", "create").stdout
        assert "export AWS_ACCESS_KEY_ID=SP" in shown
