"""The list from one query has the same text as the one from records."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.app.world import NOW, home_at, job
from tui.api.jobs import DeliveredState, JobWarning
from tui.base import job_status
from tui.base.job_status import JobStatus
from tui.cli import main
from tui.cli.artifact_page import artifact_lines
from tui.cli.fast_path import _table, run_fast_path
from tui.cli.job_queries import _say_table
from tui.engine.transfers.artifacts import artifacts_in_store
from tui.store import job_json_query
from tui.store.annotations import NONE, Annotation
from tui.store.job_folder import folder_of
from tui.store.job_json import job_json
from tui.store.job_json_query import _SILENT_AFTER, CONTACTS, LOST, jobs_json
from tui.store.lost_contact import FACT, NOT_RECORDED, SIGNS_OF_LIFE, SILENT_AFTER, LostContact
from tui.store.quick_artifacts import QuickArtifacts
from tui.store.quick_reader import FORMAT, open_quickly
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.run_state import StoredDiagnosis
from tui.store.schema import MIGRATIONS
from tui.store.submit_state import SubmitState
from tui.store.transfer_records import (
    FetchRecord,
    TransferItem,
    TransferRecord,
    TransferState,
)
from tui.store.writer import Change, StoreWriter

WARNING: JobWarning = {
    "kind": "diverging", "step": 310, "since": "2026-11-23T13:00:00Z", "ratio": 1.9,
    "dismissed": False,
}  # fmt: skip
UNSEEN: DeliveredState = {
    "state": "unverified", "words": "no list", "advice": "", "revision": "", "files": 0,
    "at": "2026-11-23T13:00:00Z",
}  # fmt: skip
ARRIVED: DeliveredState = {**UNSEEN, "state": "yes"}
SUBMITS: list[SubmitState] = [{}, {"delivered": UNSEEN}, {"delivered": ARRIVED}]


def test_it_knows_the_newest_schema() -> None:
    assert len(MIGRATIONS) == FORMAT
    assert job_status.LOST == LOST


@pytest.mark.parametrize("unheard", [False, True])
def test_both_lists_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unheard: bool
) -> None:
    monkeypatch.setattr(job_json_query, "_AT_ONCE", 3)  # so that there are several pieces
    home = home_at(tmp_path / "a b%c?d#e")
    writer = StoreWriter(home)
    if unheard:
        lose_contact(writer)
    for number, status in enumerate(list(JobStatus) * 2):
        record = job(number, status)
        if number % 3 == 0:
            record = replace(
                record, loss=float("inf"), error='say "no"\n\x1b[31m\\ ü', output_url="https://x",
                diagnosis=cast("StoredDiagnosis", {"kind": "oom", "advice": ["a", 1, None]}),
                created_at=record.created_at + timedelta(microseconds=number),
                seconds_per_step=1 / 3, provider_status="lost", loss_smoothed=1 / 7,
                loss_best=0.1 + 0.2, best_step=7, warnings=[WARNING],
                submit={
                    "draft": {},
                    "delivered": {**ARRIVED, "state": "no", "words": '"ü', "files": 3},
                },
            )  # fmt: skip
        writer.insert(record, Change(annotation=annotation(number)))
        if status is JobStatus.COMPLETED:
            files = [
                FileRecord("b/ü.safetensors", 7, "1" * 64, "delivered", NOW),
                FileRecord("a/x.json", 1, "2" * 64, "delivered", NOW),
                FileRecord("c", 0, "", "downloaded", NOW, missing="gone"),
            ]
            writer.apply(record.job_id, Change(files=files))
    writer.close()
    reader = StoreReader(home.database)
    contacts = reader.contacts()
    slow = [
        job_json(
            record,
            reader.files(record.job_id),
            home.outputs,
            contacts,
            annotation=reader.annotations([record.job_id]).get(record.job_id, NONE),
        )
        for record in reader.records()
    ]
    lost = [row["unheard_reason"] for row in slow if row["unheard_since"]]
    assert sorted(map(str, lost)) == (["api answers 503", NOT_RECORDED] if unheard else [])
    assert all(row["progress"]["eta_at"] is None for row in slow if row["unheard_since"])
    answer = jobs_json(str(home.database), str(home.outputs))
    assert answer is not None
    fast = json.loads(b"".join(answer[0]))
    assert answer[1] is True
    for mine, theirs in zip(fast, slow, strict=True):
        assert list(mine) == list(theirs)
        for part in (mine, cast("dict[str, object]", theirs)):
            part["duration_seconds"] = pytest.approx(part["duration_seconds"], abs=2)
        mine["progress"] = pytest.approx(mine["progress"])
    plain = json.loads(json.dumps(slow, default=lambda value: value.expected))
    for mine, theirs in zip(fast, plain, strict=True):
        assert mine == theirs
    limited = jobs_json(str(home.database), "x", 3)
    assert limited is not None
    assert [row["job_id"] for row in json.loads(b"".join(limited[0]))] == [
        o["job_id"] for o in slow[:3]
    ]
    reader.close()


def annotation(number: int) -> Annotation | None:
    """What is written about a job: something, nothing, or no row at all."""
    if number % 3 == 2:
        return None
    tags = ("face", 'say "no"\\ ü') if number % 3 else ()
    return Annotation(tags, pinned=number % 2 == 0).with_note('two\n\tlines ü\\ "' * (number % 3))


def lose_contact(writer: StoreWriter) -> None:
    """One of the running jobs is marked; of the other the engine has said nothing for long."""
    silent = next(number for number, status in enumerate(JobStatus) if status is JobStatus.RUNNING)
    mark = LostContact("api answers 503", NOW).row()
    writer.set_fact(FACT, {job(silent, JobStatus.RUNNING).job_id: mark, "odd": 3})
    for name in SIGNS_OF_LIFE:
        writer.set_fact(name, {})
    writer._db.execute("UPDATE facts SET at = at - 3600000000 WHERE name <> 'unheard'")


def test_the_facts_about_contact_are_those_of_the_full_reader() -> None:
    assert timedelta(microseconds=_SILENT_AFTER) == SILENT_AFTER
    assert all(f"'{name}'" in CONTACTS[0] for name in (FACT, *SIGNS_OF_LIFE))


def told(text: str) -> Any:
    """An answer as JSON, without the moment at which it was made."""
    answer = json.loads(text)
    if isinstance(answer, dict):
        answer.pop("as_of", None)
    return answer


def test_one_job_and_the_table_are_those_of_the_full_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    home = home_at(tmp_path)
    writer = StoreWriter(home)
    ended = [status for status in JobStatus if status.is_terminal]
    for number, status in enumerate(ended * 2):
        record = replace(
            job(number, status),
            name=f"näme\n\x1b[31m{number}" * (1 + number),
            learning_rate=0.1 + 0.2,
            percent=100 / 3,
            seconds_per_step=2 / 3,
            loss=(None, float("inf"), 0.12345678)[number % 3],
            loss_smoothed=(None, 1 / 7)[number % 2],
            loss_best=(None, 1 / 8)[number % 2],
            warnings=[[], [WARNING]][number % 2],
            cost_micros=(None, 0, 12_345_678)[number % 3],
            stage=("", "delivered: no · 2 files", "delivered: yes")[number % 3],
            submit=SUBMITS[number % 3],
        )
        writer.insert(record, Change(annotation=annotation(number)))
        files = [FileRecord("a/x", 1, "2" * 64, "delivered", NOW)]
        writer.apply(record.job_id, Change(files=files))
    writer.close()
    home.log_file(record.job_id).write_bytes("ü\r\x1b[31m\n".encode())
    ids = [job(number, status).job_id for number, status in enumerate(ended * 2)]
    one = [[verb, job_id] for verb in ("job", "artifacts", "logs") for job_id in ids[:3]]
    rest = [["artifacts"], ["spending"], ["spending", "--days", "400"], ["spending", "--days", "9"]]
    for words in (["jobs"], ["jobs", "-n", "3"], *one, ["logs", record.job_id], *rest):
        for arguments in (words, [*words, "--json"]):
            if (status_of_it := run_fast_path(arguments)) is None:
                assert words[0] == "logs" or "400" in words  # to be refused
                continue
            fast = capsys.readouterr()
            assert main.run(arguments) == status_of_it == 0
            slow = capsys.readouterr()
            assert fast.err == slow.err
            same = fast.out == slow.out if arguments == words else told(fast.out) == told(slow.out)
            assert same, (arguments, fast.out, slow.out)
            if words == ["artifacts"] and arguments == words:
                assert fast.out.count("  delivered  sent, cannot be verified: no list") == 2
    assert run_fast_path(["job", record.job_id[:-1], "--json"]) is None  # the full reader's affair


def test_what_all_jobs_left_is_what_each_left_and_what_the_full_reader_says(
    tmp_path: Path,
) -> None:
    home = home_at(tmp_path)
    writer = StoreWriter(home)
    for number in range(3):
        record = replace(job(number, JobStatus.COMPLETED), name=f"näme {number}", step=300)
        folder = folder_of(record)
        names = ("b", "checkpoint-200/a", "checkpoint-50/a", "a.safetensors")[number:]
        kept = [FileRecord(f"{folder}/{name}", 1, "1" * 64, "delivered", NOW) for name in names]
        losses = [("loss", step, step / 3) for step in range(40, 300, 10)]
        writer.insert(record, Change(files=kept, metrics=losses))
        for state, item in (("done", "verified"), ("unverified", "unverified")):
            whole = TransferRecord(
                f"{state}{number}", record.job_id, "https://api", "dir:x", NOW,
                place=f"place {number}", state=TransferState(state), ended_at=NOW,
            )  # fmt: skip
            sent = TransferItem(0, names[0], "x", 1, "1" * 64, {}, {}, item)
            writer.transfers.insert(whole, [sent])
        late = FetchRecord(record.job_id, "c", "hub", until=None if number else NOW)
        writer.fetches.put([late])
    writer.close()
    query = open_quickly(str(home.database))
    assert query is not None
    reader = StoreReader(home.database)
    slow = artifacts_in_store(reader, "", home.outputs)
    assert artifacts_in_store(QuickArtifacts(query), "", home.outputs) == slow
    assert [len(one["files"]) for one in slow] == [4, 3, 2]
    for one in slow:
        assert any(file["published"] and file["unverified"] for file in one["files"])
    for one in slow:
        assert artifacts_in_store(QuickArtifacts(query), one["job_id"], home.outputs) == [one]
    short = artifacts_in_store(QuickArtifacts(query, with_losses=False), "", home.outputs)
    assert artifact_lines(short) == artifact_lines(slow)
    query.close()
    reader.close()


def test_the_table_says_of_jobs_that_are_not_heard_of_what_the_full_reader_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = home_at(tmp_path)
    writer = StoreWriter(home)
    lose_contact(writer)
    for number, status in enumerate(list(JobStatus) * 2):
        writer.insert(replace(job(number, status), provider_status="lost" if number > 10 else ""))
    writer.close()
    fast = _table(str(home.database), -1)
    reader = StoreReader(home.database)
    _say_table(reader.records(), reader.contacts())
    reader.close()
    slow = capsys.readouterr().out
    assert fast == (slow, True)
    assert slow.count("not heard of for ") == 2
    assert slow.count(f": {NOT_RECORDED}") == 1
    assert "≥ $" in slow or ">= $" in slow
    assert "≤ $" in slow or "<= $" in slow


def test_a_newer_format_is_left_to_the_full_reader(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    writer = StoreWriter(home)
    writer._db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    writer.close()
    assert jobs_json(str(home.database), "x") is None


@pytest.mark.parametrize(
    "line",
    [
        "jobs", "jobs --json flux", "jobs --json -n", "jobs --json -n 0", "jobs --json -n x",
        "jobs --json --help", "job --json", "jobs --json -n -1",
    ],
)  # fmt: skip
def test_other_options_are_left_to_the_full_reader(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    StoreWriter(home_at(tmp_path)).close()
    assert run_fast_path(line.split()) is None
    assert run_fast_path(["jobs", "--json"]) == 0


def test_an_answer_that_standard_output_cannot_take_is_left_whole_to_the_full_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    writer = StoreWriter(home_at(tmp_path))
    for number, name in enumerate(("näme", "名")):
        writer.insert(replace(job(number, JobStatus.COMPLETED), name=name))
    writer.close()
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="latin-1"))
    assert run_fast_path(["jobs", "--json"]) is None
    sys.stdout.flush()
    assert not shown.getvalue()


def test_an_unusual_home_is_left_to_the_full_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path / "none"))
    assert run_fast_path(["jobs", "--json"]) is None
    home = home_at(tmp_path)
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    writer = StoreWriter(home)
    home.settings_file.write_text('[cloud]\noutputs_dir = "/elsewhere"\n')
    assert run_fast_path(["jobs", "--json"]) is None
    home.settings_file.unlink()
    writer.insert(job(1, JobStatus.RUNNING))  # active, and no engine follows it
    assert run_fast_path(["jobs", "--json"]) is None  # which says so, and starts one
    writer.close()
    home.database.write_bytes(os.urandom(5000))
    assert run_fast_path(["jobs", "--json"]) is None
