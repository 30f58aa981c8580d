"""The keys of staged datasets: masked in logs, never stored, and no hindrance to a look-up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.job_log import JobLog, former_logs
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.reconcile import Snapshot
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.redaction import comparable_inputs, redact_inputs, redact_log
from tui.replicate.known_secrets import KNOWN, SHORTEST
from tui.replicate.models import Prediction
from tui.store.submit_state import SubmitState
from tui.store.writer import StoreWriter

NOW = datetime.now(UTC)
KEYS = ("SD0A1B2C3DJOB00001", "qL9/v+7secretsecretsecret==", "FQoGZXIvYXdz/token+of//a/session==")
NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def entry(keys: tuple[str, ...] = KEYS, **more: Any) -> dict[str, Any]:
    return {"id": "photos", "type": "aws", **dict(zip(NAMES, keys, strict=True)), **more}


def trainer_log() -> str:
    """A log as the trainer prints it: the entry as Python shows it, and as JSON in JSON."""
    shown = entry(aws_data_prefix="images/")
    return (
        "starting\n"
        f"2026-11-30 01:02:03,456 [INFO] Configuring data backend: {shown}\n"
        f"(id=photos) {json.dumps(shown, indent=2)}\n"
        f"request: {json.dumps({'dataloader_json': json.dumps([shown])})}\n"
        "Epoch 1/1, Steps: 50%\n"
    )


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[JobRecorder]:
    home = home_at(tmp_path / "home")
    writer = StoreWriter(home)
    yield JobRecorder(writer, home, EventBus())
    writer.close()


def test_keys_in_a_log_are_masked_and_nothing_else() -> None:
    text = trainer_log()
    masked = redact_log(text)
    assert not [key for key in KEYS if key in masked or json.dumps(key)[1:-1] in masked]
    expected = text
    for key in KEYS:
        expected = expected.replace(key, "***")
    assert masked == expected
    assert redact_log("Steps: 50%") == "Steps: 50%"


def test_a_growing_log_stays_a_growing_log_when_it_is_masked() -> None:
    text = trainer_log()
    whole = redact_log(text)
    for cut in range(len(text)):
        part = redact_log(text[:cut])
        assert whole.startswith(part), text[:cut][-60:]
        assert not any(key in part for key in KEYS)


def test_known_secrets_in_a_log_are_masked_wherever_it_is_cut() -> None:
    secrets = ("hunter2-is-a-password", "2-is-another-one/+=", '"quoted" and long')
    KNOWN.add(*secrets)
    lines = (
        f"login {secret} and {json.dumps(secret)} {quote(secret, safe='')}" for secret in secrets
    )
    text = "\n".join([*lines, f"at the end {secrets[0]}"])
    whole = redact_log(text)
    assert whole.count("***") == 10
    for cut in range(len(text)):
        part = redact_log(text[:cut], final=False)
        assert whole.startswith(part), text[:cut][-60:]
        last = redact_log(text[:cut])
        assert not any(secret[:SHORTEST] in last for secret in secrets), last[-60:]


def test_a_mask_stays_when_its_secret_is_unknown_after_a_restart(tmp_path: Path) -> None:
    path, secret = tmp_path / "a.log", "hunter2-is-a-password"
    log = f"one {secret}\nkey={secret}&x=1 '{secret}'\nlast {secret}"
    KNOWN.add(secret)
    JobLog(path, {}).merge(redact_log(log), NOW, final=False)
    KNOWN.forget()
    later = JobLog(path, {})
    for received in (log, f"{log}\nmore\n", f"{log}\nmore\nand more\n"):
        later.merge(redact_log(received), NOW, final=False)
    assert path.read_text() == "one ***\nkey=***&x=1 '***'\nlast ***\nmore\nand more\n"
    assert former_logs(path) == []
    later.merge("another log, which is longer than the one before it" * 9, NOW, final=False)
    assert path.read_text().startswith("another log")


def test_the_log_on_disk_has_no_keys(recorder: JobRecorder, tmp_path: Path) -> None:
    recorder.writer.insert(job(1, JobStatus.RUNNING))
    text = trainer_log()
    for cut in (len(text) // 3, len(text) // 2, len(text)):
        recorder.apply_snapshot("job00001", Snapshot("processing", logs=text[:cut]), "poll")
    stored = home_at(tmp_path / "home").log_file("job00001").read_text()
    assert stored == redact_log(text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files for key in KEYS if key.encode() in path.read_bytes()]


def test_an_imported_prediction_is_stored_without_keys() -> None:
    stored = redact_inputs({"dataloader_json": json.dumps([entry()])})
    assert not [key for key in KEYS if key in str(stored)]
    assert "photos" in str(stored["dataloader_json"])


def test_a_look_up_recognises_a_job_by_its_dataset_without_the_keys(
    recorder: JobRecorder, tmp_path: Path
) -> None:
    """The stored request has placeholders where the request that was sent has keys."""
    placeholders = entry(("(a key)", "(its secret)", "(its token)"), aws_bucket_name="data-1")
    inputs: JsonObject = {
        "dataloader_json": json.dumps([placeholders]), "max_train_steps": 10
    }  # fmt: skip
    submit: SubmitState = {"phase": "posting", "since": NOW.isoformat(), "draft": {}}
    record = replace(
        job(1, JobStatus.QUEUED), prediction_id="", submit=submit, inputs=inputs, created_at=NOW
    )
    recorder.writer.insert(record)
    keys = StorageKeys(tmp_path / "receiver.key", recorder.writer, lambda: NOW)
    claims = PredictionClaims(recorder, keys, lambda _: timedelta())

    def prediction(**changes: Any) -> Prediction:
        sent = json.dumps([entry(**({"aws_bucket_name": "data-1"} | changes))], indent=1)
        return Prediction.model_validate({
            "id": "p1", "version": record.version, "status": "starting",
            "created_at": NOW.isoformat(), "input": {**inputs, "dataloader_json": sent},
        })  # fmt: skip

    assert claims.has_started(record, prediction())
    assert not claims.has_started(record, prediction(resolution=512))
    assert not claims.has_started(record, prediction(aws_bucket_name="data-2"))


@pytest.mark.parametrize("text", [None, 5, "a/path.json", "[1, 2", "[]"])
def test_other_dataloaders_are_compared_as_they_are(text: Any) -> None:
    assert comparable_inputs({"dataloader_json": text}) == {"dataloader_json": text}
