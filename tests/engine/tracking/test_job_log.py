"""The log file and the data parsed from it stay consistent over crashes and rewrites."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.job_log import JobLog, LogWriteError, former_logs
from tui.engine.tracking.reconcile import Snapshot
from tui.engine.tracking.recorder import JobRecorder
from tui.store.reader import StoreReader
from tui.store.run_state import LogNotes
from tui.store.writer import StoreWriter

NOW = datetime(2026, 11, 23, tzinfo=UTC)
JOB = "job00001"


def bars(count: int, start: int = 1) -> str:
    """Bars of `count` steps as the trainer draws them, each drawn twice."""
    total = start + count - 1
    return "".join(
        f"Epoch 1/1, Steps: {100 * n // total:>3}%|##| {n}/{total} "
        f"[00:01<00:02,  1.00it/s, lr=0.0001, step_loss={n / 7:.3f}]{end}"
        for n in range(start, start + count)
        for end in ("\r", "\n" if n == total else "\r")
    )


def open_recorder(folder: Path) -> JobRecorder:
    home = home_at(folder)
    writer = StoreWriter(home)
    recorder = JobRecorder(writer, home, EventBus())
    try:
        writer.job(JOB)
    except KeyError:
        writer.insert(job(1, JobStatus.QUEUED))
    return recorder


def apply_log(recorder: JobRecorder, logs: str | None, status: str = "processing") -> None:
    recorder.apply_snapshot(JOB, Snapshot(status=status, logs=logs), "poll")


def steps(folder: Path) -> list[int]:
    reader = StoreReader(home_at(folder).database)
    try:
        return list(reader.metrics(JOB, "loss")[0])
    finally:
        reader.close()


@given(st.lists(st.integers(0, 4000), max_size=8), st.data())
def test_any_updates_and_restarts_end_with_the_complete_log(cuts: list[int], data: Any) -> None:
    text = bars(40) + "[STAGE] done\n"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorder = open_recorder(folder)
        for cut in cuts:
            apply_log(recorder, text[:cut])
            if data.draw(st.booleans()):
                recorder.writer.close()
                recorder = open_recorder(folder)
        apply_log(recorder, text, "succeeded")
        apply_log(recorder, None, "succeeded")
        apply_log(recorder, text[:100], "processing")
        recorder.writer.close()
        assert home_at(folder).log_file(JOB).read_bytes() == text.encode()
        assert steps(folder) == list(range(1, 41))


def test_a_crash_between_file_and_database_loses_and_doubles_nothing(tmp_path: Path) -> None:
    text = bars(60)
    recorder = open_recorder(tmp_path)
    apply_log(recorder, text[:2000])
    recorder.writer.close()
    log = home_at(tmp_path).log_file(JOB)
    log.write_bytes(text[:3000].encode())  # written, and then the engine was killed
    recorder = open_recorder(tmp_path)
    apply_log(recorder, text, "succeeded")
    recorder.writer.close()
    assert log.read_bytes() == text.encode()
    assert steps(tmp_path) == list(range(1, 61))


def test_a_crash_after_a_rewrite_parses_the_new_log_again(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path)
    apply_log(recorder, bars(30))
    recorder.writer.close()
    log = home_at(tmp_path).log_file(JOB)
    other = bars(90, start=1000)
    log.write_bytes(other.encode())  # replaced, and the database has not heard of it
    recorder = open_recorder(tmp_path)
    apply_log(recorder, other, "succeeded")
    assert recorder.writer.job(JOB).log_replaced
    recorder.writer.close()
    assert steps(tmp_path) == list(range(1000, 1090))


def test_a_rewritten_log_keeps_a_copy_of_the_former(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path)
    first, second = bars(20), bars(40, start=500)
    apply_log(recorder, first)
    apply_log(recorder, second)
    log = home_at(tmp_path).log_file(JOB)
    assert log.read_bytes() == second.encode()
    assert [path.read_bytes() for path in former_logs(log)] == [first.encode()]
    apply_log(recorder, "x" * len(second) + "\n" + bars(60, start=2000), "succeeded")
    assert len(former_logs(log)) == 2
    assert steps(tmp_path) == list(range(2000, 2060))
    recorder.delete(JOB)
    assert not list(log.parent.iterdir())
    recorder.writer.close()


def test_notes_of_another_version_parse_the_whole_log_again(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    text = bars(20)
    job_log = JobLog(log, {})
    first = job_log.merge(text, NOW, final=False)
    assert first is not None
    for notes in ({"parser": {"version": 99}, "crc32": 0}, {"odd": 1}, {"parser": 3, "crc32": "x"}):
        facts = JobLog(log, cast("LogNotes", notes)).merge(text, NOW, final=True)
        assert facts is not None
        assert not facts.replaced
        parsed_steps = [point.step for point in facts.update.metrics if point.name == "loss"]
        assert parsed_steps == list(range(1, 21))


def test_a_log_truncated_from_outside_grows_back(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path)
    text = bars(30)
    apply_log(recorder, text[:2500])
    log = home_at(tmp_path).log_file(JOB)
    os.truncate(log, 100)
    apply_log(recorder, None)
    apply_log(recorder, text, "succeeded")
    recorder.writer.close()
    assert log.read_bytes() == text.encode()
    assert steps(tmp_path) == list(range(1, 31))


def test_only_what_is_new_is_told_and_an_end_once(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    job_log = JobLog(log, {})
    assert job_log.merge(None, NOW, final=False) is None
    facts = job_log.merge(bars(3)[:-1] + "\nunfinished", NOW, final=False)
    assert facts is not None
    assert (facts.size, facts.replaced) == (log.stat().st_size, False)
    assert job_log.merge(bars(3)[:-1] + "\nunfinished", NOW, final=False) is None
    assert job_log.merge("", NOW, final=True) is not None
    assert job_log.merge(None, NOW, final=True) is None
    assert log.stat().st_mode & 0o777 == 0o600
    again = JobLog(log, facts.notes)
    assert again.merge(None, NOW, final=False) is None
    assert again.health.dump() == facts.notes["health"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_file_of_other_bytes_than_noted_is_parsed_again_once(
    tmp_path: Path, *, changed: bool
) -> None:
    log = tmp_path / "x.log"
    facts = JobLog(log, {}).merge(bars(9), NOW, final=False)
    assert facts is not None
    if changed:
        log.write_bytes(log.read_bytes().replace(b"step_loss=0.143", b"step_loss=0.999"))
    job_log = JobLog(log, facts.notes)
    again = job_log.merge(log.read_bytes().decode() + bars(3, 10), NOW, final=False)
    assert again is not None
    assert again.replaced is changed
    steps_of = [point.step for point in again.update.metrics if point.name == "loss"]
    assert steps_of[0] == (1 if changed else 9)
    assert again.best_step is not None
    log.write_bytes(log.read_bytes().replace(b"step_loss=0.2", b"step_loss=0.8"))
    assert job_log.merge(None, NOW, final=False) is None  # its own reading is looked at once


def test_a_replaced_log_is_private_and_starts_its_figures_anew(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    job_log = JobLog(log, {})
    assert former_logs(log) == []
    first = job_log.merge(bars(20), NOW, final=False)
    second = job_log.merge(bars(40, start=500), NOW, final=False)
    assert first is not None
    assert second is not None
    assert (first.replaced, second.replaced) == (False, True)
    assert second.best_step is not None
    assert second.best_step >= 500
    assert log.stat().st_mode & 0o777 == 0o600
    assert not log.with_suffix(".new").exists()
    assert [path.name for path in former_logs(log)] == ["x.before-rewrite-1.log"]
    for notes in (second.notes, {**second.notes, "health": {}}):
        kept = JobLog(log, cast("LogNotes", notes)).merge(
            bars(40, start=500) + bars(1, 540), NOW, final=False
        )
        assert kept is None or not kept.replaced


def test_a_disk_that_is_full_leaves_no_half_line(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    job_log = JobLog(log, {})
    text = bars(40)
    job_log.merge(text[:1000], NOW, final=False)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(LogWriteError):
            job_log.merge(text, NOW, final=False)
        assert log.read_bytes() == text[:1000].encode()
        with pytest.raises(LogWriteError):
            job_log.merge("another" + text, NOW, final=False)
        assert log.read_bytes() == text[:1000].encode()
        assert [path.name for path in tmp_path.iterdir()] == ["x.log"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    facts = job_log.merge(text, NOW, final=False)
    assert facts is not None
    assert log.read_bytes() == text.encode()


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LogWriteError) as caught:
        JobLog(tmp_path / "none" / "x.log", {}).merge("text", NOW, final=False)
    assert "x.log" in caught.value.message
    assert caught.value.advice


def test_a_full_disk_while_a_log_grows(tmp_path: Path) -> None:
    """The job's end is recorded only after its log could be written completely."""
    script = f"""
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.engine.tracking.test_job_log import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = open_recorder(Path({str(tmp_path)!r}))
errors = []
with recorder._bus.subscribe() as queue:
    text = bars(20000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    apply_log(recorder, text[:300_000])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    for end in range(400_000, 1_500_000, 50_000):
        try:
            apply_log(recorder, text[:end])
        except Exception as error:
            errors.append(type(error).__name__)
    try:
        apply_log(recorder, text, "succeeded")
    except Exception as error:
        errors.append(type(error).__name__)
    assert not recorder.writer.job(JOB).status.is_terminal
    log = home_at(Path({str(tmp_path)!r})).log_file(JOB).read_bytes()
    assert text.encode().startswith(log) and len(log) > 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    apply_log(recorder, text, "succeeded")
    assert recorder.writer.job(JOB).status.is_terminal
    notices = [data["message"] for kind, data in list(queue._queue) if kind == "notice"]
recorder.writer.close()
assert home_at(Path({str(tmp_path)!r})).log_file(JOB).read_bytes() == text.encode()
assert steps(Path({str(tmp_path)!r})) == list(range(1, 20001))
print(set(errors) <= {{"StoreError"}}, len(notices))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    fine, notices = done.stdout.split()
    assert fine == "True"
    assert int(notices) <= 2  # said, and not said again at every try
