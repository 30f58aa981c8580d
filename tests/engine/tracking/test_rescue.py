"""A database that is gone: what is on disk of a job is tied to the job that a sync brings back."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tui.base.clock import utc_now
from tui.base.job_status import JobStatus
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.reconcile import Snapshot
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.sync import import_prediction
from tui.replicate.models import Prediction
from tui.settings import Home, Settings
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

API = "https://api.replicate.com/v1"
CANARY = "hf_CanaryInAConfig000000000000000000000"
JOB = replace(
    job(1, JobStatus.QUEUED), prediction_id="", delivery="hub", config_path="/data/cat.json",
    config={"model_family": "flux", "hf_token": CANARY, "learning_rate": 1e-4},
    dataloader=[{"id": "cats", "aws_secret_access_key": CANARY}],
    inputs={"max_train_steps": 20, "hf_token": "***"},
    submit={"phase": "new", "file_url": "x.zip", "draft": {"config": "cat", "cwd": "/data"}},
)  # fmt: skip
LOG = "".join(
    f"Epoch 1/1, Steps:  {5 * step}%|█| {step}/20 [00:03<00:41,  1.45s/it, lr=0.0001, "
    f"step_loss={step / 100}]\n"
    for step in range(1, 21)
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path / "home")


@pytest.fixture
def recorder(home: Home) -> Iterator[JobRecorder]:
    writer = StoreWriter(home)
    recorder = JobRecorder(writer, home, EventBus())
    recorder.insert(JOB)
    yield recorder
    recorder.writer.close()


def posted(recorder: JobRecorder) -> None:
    recorder.claim(recorder.writer.job(JOB.job_id), "p1", ("poll", "claim", "Posted."), {})
    recorder.apply_snapshot(JOB.job_id, Snapshot(status="processing", logs=LOG), "poll")


def rescue_files(home: Home) -> list[str]:
    return sorted(path.name for path in home.logs.glob("*.json"))


def rebuilt(home: Home, recorder: JobRecorder) -> JobRecorder:
    """The same home with an empty database."""
    recorder.writer.close()
    for path in home.root.glob("state.db*"):
        path.unlink()
    recorder.writer = StoreWriter(home)
    return JobRecorder(recorder.writer, home, EventBus())


def found(recorder: JobRecorder, prediction_id: str = "p1", base: str = API) -> JobRecord:
    """Import the prediction as Replicate shows it an hour after its end."""
    prediction = Prediction(
        id=prediction_id, model="simpletuner/advanced-trainer-l40s", version="v" * 64,
        status="succeeded", data_removed=True,
    )  # fmt: skip
    keys = StorageKeys(recorder._home.root / "receiver.key", recorder.writer, utc_now)
    claims = PredictionClaims(recorder, keys, lambda _: timedelta())
    record = import_prediction(prediction, base, recorder, Settings(), claims, source="sync")
    assert record is not None
    return record


def test_a_job_comes_back_with_its_name_config_and_log(home: Home, recorder: JobRecorder) -> None:
    assert rescue_files(home) == [f"{JOB.job_id}.json"]
    posted(recorder)
    assert rescue_files(home) == [f"{JOB.job_id}.p1.json"]
    again = rebuilt(home, recorder)
    record = found(again)
    assert record.job_id == JOB.job_id
    for name in ("name", "config_name", "config_path", "version", "hardware", "rate_micros",
                 "delivery", "inputs"):  # fmt: skip
        assert getattr(record, name) == getattr(JOB, name), name
    assert record.submit == {"phase": "accepted", "draft": JOB.submit["draft"]}
    assert record.config["learning_rate"] == 1e-4
    assert (record.log_bytes, record.step) == (len(LOG.encode()), 20)
    assert home.log_file(record.job_id).read_text() == LOG
    assert found(again, "p2").name == "p2"  # nothing is known of another one
    assert found(again, "p1", "https://elsewhere.example/v1").job_id != JOB.job_id


def test_no_secret_is_in_the_files_and_only_their_owner_reads_them(
    home: Home, recorder: JobRecorder
) -> None:
    posted(recorder)
    (path,) = home.logs.glob("*.json")
    assert CANARY not in path.read_text()
    assert "x.zip" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_deleted_job_leaves_nothing(home: Home, recorder: JobRecorder) -> None:
    posted(recorder)
    recorder.delete(JOB.job_id)
    assert rescue_files(home) == []
    assert found(rebuilt(home, recorder)).job_id != JOB.job_id


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', '{"format": 1, "name": 3}'])
def test_a_file_that_says_nothing_is_no_obstacle(
    home: Home, recorder: JobRecorder, content: str
) -> None:
    posted(recorder)
    (path,) = home.logs.glob("*.json")
    path.write_text(content)
    assert found(rebuilt(home, recorder)).name == "p1"


def test_a_log_that_was_kept_survives_an_import_that_fails(
    home: Home, recorder: JobRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(recorder)
    again = rebuilt(home, recorder)

    def full(*_: object) -> JobRecord:
        raise StoreError("The disk is full.", "")

    for place, name in ((again.writer, "add"), (again, "_tell")):  # before its record, and after
        with monkeypatch.context() as patched:
            patched.setattr(place, name, full)
            with pytest.raises(StoreError):
                found(again)
    assert home.log_file(JOB.job_id).read_text() == LOG
    assert found(again).step == 20


def test_a_folder_that_cannot_be_written_stops_no_job(home: Home, recorder: JobRecorder) -> None:
    path = home.logs / f"{JOB.job_id}.p1.json.new"
    path.mkdir()
    posted(recorder)
    assert recorder.writer.job(JOB.job_id).step == 20
    assert rescue_files(home) == [f"{JOB.job_id}.json"]
