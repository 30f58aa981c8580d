"""`publish` and its kin as processes, with the engine killed in the middle of a transfer."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.app.world import job
from tests.cli.shell import client, tui, tui_json
from tests.support import eventually_sync
from tui.base.job_status import JobStatus
from tui.cli.free_command import retention_words
from tui.settings import Home, RetentionSettings
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

SIZE = 160 * 1024 * 1024


@pytest.fixture
def finished(home: Path) -> Iterator[tuple[str, Path]]:
    """A job with one large file, and an engine that ends with the test."""
    place = Home(home, home / "cloud_outputs")
    place.create()
    place.settings_file.write_text(
        '[listener]\nlisten = "127.0.0.1:0"\n[publishing]\nbandwidth = 40000000\n'
    )
    record = job(1, JobStatus.COMPLETED)
    path = place.outputs / "x" / "model.bin"
    path.parent.mkdir(parents=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(SIZE >> 20):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    writer = StoreWriter(place)
    writer.insert(record)
    kept = FileRecord("x/model.bin", SIZE, digest.hexdigest(), "delivered", datetime.now(UTC))
    writer.apply(record.job_id, Change(files=[kept]))
    writer.close()
    yield record.job_id, path
    client(home).shut_down().result()
    eventually_sync(lambda: not place.socket.exists(), within=30)


def resumes(home: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{home}/state.db?mode=ro", uri=True) as store:
        rows = store.execute("SELECT resume FROM transfer_items").fetchall()
    store.close()
    return [json.loads(row[0]) for row in rows]


def test_a_transfer_resumes_after_the_engine_is_killed(
    home: Path, finished: tuple[str, Path], tmp_path: Path
) -> None:
    job_id, source = finished
    target = tmp_path / "there"
    row = tui_json("publish", job_id, "--to", f"dir:{target}")
    assert row["state"] in ("queued", "running")
    eventually_sync(lambda: any(one.get("synced") for one in resumes(home)), within=30)
    os.kill(client(home).info().result()["pid"], signal.SIGKILL)
    (part,) = target.rglob("*.part")
    inode, before = part.stat().st_ino, part.stat().st_mtime_ns
    synced = next(one["synced"] for one in resumes(home) if one)
    assert synced >= 64 << 20

    def state() -> Any:
        (one,) = tui_json("transfers")["transfers"]
        assert one["state"] != "failed", one
        return one if one["state"] == "done" else None

    done = eventually_sync(state, within=60)
    arrived = next(path for path in target.rglob("*") if path.is_file())
    assert arrived.stat().st_ino == inode, "the half that was there is used"
    assert arrived.stat().st_mtime_ns > before
    assert arrived.read_bytes() == source.read_bytes()
    assert done["files"][0]["proof"] == "read back"
    (answer,) = tui_json("artifacts", job_id)["jobs"]
    assert answer["files"][0]["published"][0]["link"] == arrived.as_uri()
    tui_json("pin", job_id)
    assert tui_json("free", "--keep", "0", "--yes")["freeable"] == []  # pinned
    tui_json("unpin", job_id)
    assert tui_json("free", "--keep", "0", "--yes", "--dry-run")["cleared"] == []
    shown = tui_json("free", "--older-than", "1")
    assert (shown["bytes"], shown["cleared"]) == (SIZE, [])
    assert shown["retention"] == {"days": 0, "gib": 0, "last": None}
    assert [one["files"] for one in shown["freeable"]] == [["x/model.bin"]]
    assert source.exists(), "nobody has agreed"
    (gone,) = tui_json("free", "--older-than", "1", "--yes")["cleared"]
    assert [one["at"] for one in gone["deleted"]] == [arrived.as_uri()]
    assert not source.exists()
    assert arrived.stat().st_size == SIZE
    assert tui_json("free")["bytes"] == 0


def test_the_engines_own_rule_is_said_with_what_it_did_last() -> None:
    off = "[retention] is off: nothing is deleted by itself."
    assert retention_words(RetentionSettings(), None) == off
    last = {"at": "2026-11-23T14:02:10+00:00", "files": 2, "runs": 1, "bytes": 3 << 20}
    words = retention_words(RetentionSettings(30, 5), last)
    assert words.startswith(
        "[retention] deletes what is safe elsewhere: 30 days after a run's end and the oldest "
        "above 5 GiB. Last, 2026-11-23 "
    )
    assert words.endswith(": 2 files, 3.0 MiB.")


def test_destinations_are_kept_tested_and_removed(
    home: Path, finished: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, _ = finished
    tui("destinations", "add", "disk", "--kind", "folder", "--path", str(tmp_path / "d"))
    assert [one["name"] for one in tui_json("destinations", "list")["destinations"]] == ["disk"]
    _, line = tui("destinations", "list").stdout.splitlines()
    assert line.split() == ["disk", "folder", str(tmp_path / "d"), "never"]
    assert tui_json("destinations", "test", "disk")["ok"]
    _, line = tui("destinations", "list").stdout.splitlines()
    assert re.fullmatch(rf"disk +folder +{tmp_path}/d +fine, 20[-0-9]+ [0-9:]+", line)
    (tmp_path / "file").write_text("in the way")
    tui("destinations", "add", "bad", "--kind", "folder", "--path", f"{tmp_path}/file/below")
    tui("destinations", "test", "bad", ok=False)
    shown = tui("destinations", "list").stdout
    assert re.search(r"(?m)^bad +folder .* failed, 20[-0-9]+ [0-9:]+: \S", shown), shown
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    tui("destinations", "add", "far", "--kind", "s3", "--bucket", "things", "--prefix", "runs",
        "--endpoint", "http://127.0.0.1:9", "--session-only", "--keys-from-env")  # fmt: skip
    assert "s3://things/runs at http://127.0.0.1:9" in tui("destinations", "list").stdout
    for name in ("bad", "far"):
        tui("destinations", "remove", name)
    done = tui("publish", job_id, "--to", "disk", "--wait", "--json")
    assert json.loads(done.stdout)["state"] == "done"
    assert done.stderr == "", "a bar is for terminals"
    tui("destinations", "remove", "disk")
    assert tui("publish", job_id, "--to", "disk", ok=False).returncode != 0
    missing = tui("transfers", "pause", ok=False)
    assert missing.returncode == 2
