"""Every door makes a secret known to the process, and every writer masks what is known."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tests.canary import MARK, assert_clean
from tui.api.jobs import JobChange
from tui.app.new_job.kept_draft import DraftFile, storable
from tui.app.terminal.control import crash_message
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject
from tui.cli import main
from tui.cli.failures import explain
from tui.client.engine_process import session_of
from tui.client.session_headers import to_headers
from tui.destinations.common.errors import clean_line
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.bucket_keys import BucketKeys
from tui.engine.credentials.caller_tokens import from_headers
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.credentials.token_store import TokenStore
from tui.engine.http_api.failures import failure
from tui.engine.notices.command import Notice, run_command
from tui.engine.process.engine_log import EngineLogHandler
from tui.engine.runtime.event_bus import EventBus
from tui.engine.staging.records import StagedRecord, StagedRecords
from tui.engine.tracking.annotator import Annotator
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.known_secrets import KNOWN
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.settings import Home, NetworkSettings, Settings
from tui.store.comparison import compare_jobs
from tui.store.reader import StoreReader
from tui.store.sweeps import MemberRecord, SweepRecord
from tui.store.writer import StoreWriter

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASE = "https://api.replicate.com/v1"
SECRET = f"like-any-word-{MARK}"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path / "home")


# -- doors ---------------------------------------------------------------------------------------


async def _session_token(_home: Home) -> None:
    TokenStore(lambda *_: None).give("replicate", BASE, SECRET, "session")


async def _caller(_home: Home) -> None:
    from_headers(BASE, to_headers({"replicate_token": SECRET}))


async def _environment(_home: Home) -> None:
    session_of({"HF_TOKEN": SECRET})


async def _bucket(_home: Home) -> None:
    body = {"access_key": "abc", "secret_key": SECRET, "session_only": True}
    await BucketKeys().keep("mine", {}, body)


async def _proxy_in_the_file(home: Home) -> None:
    proxy = f"http://me:{SECRET}@127.0.0.1:9"
    LiveSettings(home, Settings(network=NetworkSettings(proxy=proxy))).reload()


async def _proxy_of_the_keyring(home: Home) -> None:
    LiveSettings(home, Settings()).give_password("http://me@127.0.0.1:9", Secret(SECRET))


DOORS: list[Callable[[Home], Awaitable[None]]] = [
    _session_token, _caller, _environment, _bucket, _proxy_in_the_file, _proxy_of_the_keyring,
]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
async def test_a_secret_is_known_once_it_has_come_in(
    door: Callable[[Home], Awaitable[None]], home: Home
) -> None:
    home.create()
    home.settings_file.write_text(
        f'[network]\nproxy = "http://me:{SECRET}@127.0.0.1:9"\n'
        if door is _proxy_in_the_file
        else ""
    )
    await door(home)
    home.settings_file.unlink()
    assert KNOWN.redact(f"<{SECRET}>") == "<***>"


def test_a_jobs_own_keys_are_known_and_a_strangers_question_adds_none(home: Home) -> None:
    writer = StoreWriter(home)
    keys = StorageKeys(home.root / "receiver.key", writer, lambda: datetime.now(UTC))
    for pair in (keys.pair("abc"), keys.data_pair("abc", "def")):
        assert KNOWN.redact(pair.secret_key) == "***"
    keys.job_of_hook_key("stranger-0123456789")
    assert KNOWN.redact(keys.hook_key("stranger")) == keys.hook_key("stranger")
    writer.close()


# -- writers -------------------------------------------------------------------------------------


def _engine_log(home: Home) -> str:
    home.create()
    handler = EngineLogHandler(home.engine_log)
    handler.setFormatter(logging.Formatter("%(message)s"))
    try:
        raise ValueError(f"no such bucket: {SECRET}")
    except ValueError:
        logger = logging.Logger("one")
        logger.addHandler(handler)
        logger.exception("failed for %s", SECRET)
    handler.close()
    return home.engine_log.read_text()


def _database(home: Home) -> str:
    writer = StoreWriter(home)
    named = replace(job(1, JobStatus.RUNNING), name=f"named {SECRET}", inputs={"a": [SECRET]})
    writer.insert(named)
    writer.set_fact("one", {"message": f'quoted "{SECRET}"'})
    JobRecorder(writer, home, EventBus()).note(named.job_id, "local", "trouble", SECRET)
    stored = f"{writer.job(named.job_id)} {writer.fact('one')}"
    writer.close()
    return stored


def _crash(home: Home) -> str:
    crash_message(home, f"ValueError: no such bucket: {SECRET}")
    return (home.root / "app.log").read_text()


def _failed_command(home: Home) -> str:
    home.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(home.root))
        explain(RuntimeError(f"no such bucket: {SECRET}"), as_json=False)
    (report,) = home.root.glob("simpletuner-tui-*.log")
    return report.read_text()


def _failure(_home: Home) -> str:
    answer = failure(500, "a", f"It said {SECRET}.", details={"fields": {"b": SECRET}})
    assert isinstance(answer.text, str)
    assert json.loads(answer.text)["message"] == "It said ***."
    return answer.text


def _message(_home: Home) -> str:
    return clean_line(f"It said {SECRET}.")


def _annotations(home: Home) -> str:
    writer = StoreWriter(home)
    writer.insert(job(1, JobStatus.RUNNING))
    recorder = JobRecorder(writer, home, EventBus())
    wanted: JobChange = {"name": SECRET, "note": f"key\n{SECRET}", "add_tags": [SECRET]}
    stored = Annotator(recorder, lambda: NOW).change(writer.job("job00001"), wanted)
    written = f"{stored.name} {writer.annotation(stored.job_id)}"
    writer.close()
    return written


def _sweeps(home: Home) -> str:
    writer = StoreWriter(home)
    writer.insert(job(1, JobStatus.RUNNING))
    sweep = SweepRecord("cats", BASE, "paused", SECRET, SECRET, 1, NOW, NOW)
    writer.sweeps.insert(sweep, [MemberRecord("job00001", "cats", 0, None, {"seed": SECRET})])
    written = f"{writer.sweeps.all()} {writer.sweeps.members()}"
    writer.close()
    return written


def _compared_and_exported(home: Home) -> str:
    """What was written down, as the commands that only read it show it."""
    writer = StoreWriter(home)
    recorder = JobRecorder(writer, home, EventBus())
    for number in (1, 2):
        config: JsonObject = {"seed": number, "validation_prompt": f"{number} {SECRET}"}
        recorder.insert(replace(job(number, JobStatus.RUNNING), config=config))
        at = f"step {number}\nsaw {SECRET}\n"
        recorder.apply_snapshot(
            f"job{number:05d}", snapshot_of(Prediction.read({"status": "failed", "logs": at})),
            "poll",
        )  # fmt: skip
    writer.close()
    reader = StoreReader(home.database)
    jobs = [reader.find(f"job0000{number}") for number in (1, 2)]
    compared = json.dumps(compare_jobs(reader, jobs, NOW, everything=True))
    reader.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMPLETUNER_TUI_HOME", str(home.root))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main.run(["export", "job00001"]) == 0
            assert main.run(["export", "job00001", "--to", str(home.root / "exported")]) == 0
            assert main.run(["free", "--json"]) == 0
            assert main.run(["staged", "--json"]) in (0, 4)
    return f"{compared} {out.getvalue()}"


def _staged(home: Home) -> str:
    home.create()
    records = StagedRecords(home.root / "staged")
    record = StagedRecord("a1", "bucket", BASE, "d", ("cats",), 1, 2, NOW.isoformat())
    records.put(replace(record, problem=f"no such key: {SECRET}", facts={"a": [SECRET]}))
    (file,) = (home.root / "staged").iterdir()
    return file.read_text()


def _rescue(home: Home) -> str:
    writer = StoreWriter(home)
    home.create()
    sent = replace(
        job(1, JobStatus.RUNNING), config_path="/cats", submit={"draft": {"name": SECRET}},
        inputs={"a": SECRET},
    )  # fmt: skip
    JobRecorder(writer, home, EventBus()).insert(sent)
    writer.close()
    return next(home.logs.glob("job00001*.json")).read_text()


def _draft(home: Home) -> str:
    home.create()
    DraftFile(home).keep(storable({"config": "cats", "name": "mine", "tags": [SECRET]}), NOW)
    kept = DraftFile(home).load()
    assert kept is not None
    assert kept.draft == {"config": "cats", "name": "mine"}  # a mask would be sent as a tag
    return f"*** {(home.root / 'draft.json').read_text()}"


async def _told(home: Home) -> str:
    writer = StoreWriter(home)
    writer.insert(job(1, JobStatus.RUNNING))
    notice = Notice("job00001", SECRET, "running", "", f"said {SECRET}")
    shows = 'echo "$SIMPLETUNER_TUI_NAME $SIMPLETUNER_TUI_MESSAGE"; env | grep -c TOKEN'
    environ = {"PATH": os.environ["PATH"], "HF_TOKEN": SECRET}
    outcome = await run_command(["sh", "-c", shows], notice, environ)
    JobRecorder(writer, home, EventBus()).note("job00001", "local", "notice", outcome)
    written = str(writer._read("SELECT message FROM events"))
    assert "*** said *** 0" in written
    writer.close()
    return written


_OBEYED = "\x1b]0;renamed\x07\x9b2J\u202e"


@pytest.mark.parametrize("write", [_engine_log, _crash, _failed_command])
def test_a_terminal_obeys_nothing_in_a_log_or_report(
    write: Callable[[Home], str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_known_secrets.SECRET", f"{_OBEYED}renamed\ttwice")
    written = write(home)
    assert "\\x1b]0;renamed\\x07\\x9b2J\\u202erenamed" in written
    assert [char for char in written if not char.isprintable() and char not in "\n\t"] == []


async def test_a_command_for_notices_gets_no_token_and_its_output_is_masked(home: Home) -> None:
    KNOWN.add(SECRET)
    assert_clean([await _told(home)], below=home.root)


@pytest.mark.parametrize(
    "write",
    [
        _engine_log, _database, _crash, _failed_command, _failure, _message, _annotations, _sweeps,
        _compared_and_exported, _staged, _rescue, _draft,
    ],
)  # fmt: skip
def test_what_is_known_is_written_nowhere(write: Callable[[Home], str], home: Home) -> None:
    KNOWN.add(SECRET)
    written = write(home)
    assert "***" in written
    assert_clean([written], below=home.root if home.root.exists() else None)
