from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simpletuner.log import samples
from tui.simpletuner.failures.diagnosis import TAIL_BYTES, diagnose
from tui.simpletuner.failures.rule import DiagnosisKind
from tui.simpletuner.failures.rules import RULES

K = DiagnosisKind
RUN = samples.whole_run(steps=30)[0].partition(b"[STAGE] \xe2\x8f\xb3 Running Final")[0]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (samples.OOM_TRACEBACK[-1], K.OUT_OF_MEMORY),
        (samples.TRAINING_LINES[-1], K.OUT_OF_MEMORY),
        ("RuntimeError: CUDA error: out of memory", K.OUT_OF_MEMORY),
        ("huggingface_hub.errors.GatedRepoError: 403 Client Error.", K.GATED_MODEL),
        ("Cannot access gated repo for url https://huggingface.co/a/b/resolve/x", K.GATED_MODEL),
        (samples.NOTIFICATIONS[7], K.BAD_TOKEN),
        ("Invalid user token.", K.BAD_TOKEN),
        ("401 Client Error: Unauthorized for url: https://huggingface.co/api/whoami", K.BAD_TOKEN),
        (samples.NOTIFICATIONS[12], K.BAD_TOKEN),
        ("ValueError: hf_token is required when hub_model_id is set", K.BAD_TOKEN),
        (
            (
                "[STAGE] ✗ Configuring data backends: Failed to load data backends: No images were "
                "discovered by the bucket manager in the dataset"
            ),
            K.NO_IMAGES,
        ),
        ("ValueError: NSFW content detected in cats/1.png", K.NSFW),
        ("RuntimeError: rejected image cats/1.png: NSFW", K.NSFW),
        ("OSError: [Errno 28] No space left on device: 'output/x'", K.DISK_FULL),
        ("ValueError: Unsafe zip path detected: cats/1.png", K.ARCHIVE_REJECTED),
        ("ValueError: Unsafe tar path detected: cats/1.png", K.ARCHIVE_REJECTED),
        ("ValueError: Unsupported archive format: images.rar", K.UNSUPPORTED_ARCHIVE),
        ("zipfile.BadZipFile: File is not a zip file", K.UNSUPPORTED_ARCHIVE),
        ("ValueError: config_json looks like JSON but failed to parse: line 1", K.BAD_JSON),
        ("FileNotFoundError: dataloader_json file not found: x.json", K.INPUT_FILE_MISSING),
        ("ValueError: Provide either an image archive or a dataloader_json", K.NO_DATALOADER),
        ("FileNotFoundError: instance_data_dir /data/cats does not exist", K.DATASET_MISSING),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/cats'",
            K.DATASET_MISSING,
        ),
        ("train.py: error: argument --lora_rank: invalid int value: 'x'", K.BAD_SETTING),
        (
            (
                "botocore.exceptions.ClientError: An error occurred (NoSuchKey) when calling the "
                "PutObject operation: no"
            ),
            K.UPLOAD_FAILED,
        ),
        ("[EVENT] gpu.fault: GPU fault detected", K.WORKER_LOST),
        ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", K.WORKER_LOST),
        ("exitcode  : -9 (pid: 33), Signal 9 (SIGKILL) received", K.WORKER_LOST),
        ("something else went wrong", K.UNKNOWN),
    ],
)
def test_the_cause_is_found_with_its_line(line: str, kind: DiagnosisKind) -> None:
    log = RUN + line.encode() + b"\n" + b"[COG] Webhook receiver stopped\n"
    diagnosis = diagnose(log)
    assert diagnosis.kind is kind
    assert diagnosis.title
    assert diagnosis.what
    assert diagnosis.advice
    if kind is not K.UNKNOWN:
        assert diagnosis.evidence[-1].text == line[:300]
        offset = diagnosis.evidence[-1].offset
        assert log[offset:].startswith(line.encode()[:40])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("Prediction timed out.", K.TIME_LIMIT),
        ("CUDA out of memory. Tried to allocate 2.25 GiB", K.OUT_OF_MEMORY),
        ("Out of memory. (E1001)", K.OUT_OF_MEMORY),
        ("The model's worker crashed", K.WORKER_LOST),
        ("Prediction interrupted; please retry (code: PA)", K.WORKER_LOST),
        ("Starting the container timed out (E6716)", K.WORKER_LOST),
        ("config_json looks like JSON but failed to parse: Expecting ','", K.BAD_JSON),
        ("Unsafe zip path detected: cats/001.png", K.ARCHIVE_REJECTED),
        (None, K.UNKNOWN),
        ("", K.UNKNOWN),
    ],
)
def test_the_error_text_alone_is_enough(error: str | None, kind: DiagnosisKind) -> None:
    assert diagnose(b"", error).kind is kind


def test_the_error_text_wins_over_an_older_line_of_the_log() -> None:
    log = (samples.OOM_TRACEBACK[-1] + "\n").encode() + RUN
    assert diagnose(log, "Prediction timed out.").kind is K.TIME_LIMIT


def test_a_cause_wins_over_its_consequence() -> None:
    log = "\n".join([*samples.OOM_TRACEBACK, "torch…errors.ChildFailedError: train.py", ""])
    assert diagnose(log).kind is K.OUT_OF_MEMORY


def test_names_of_the_filter_models_are_not_taken_for_a_refusal() -> None:
    log = "Fetching Falconsai/nsfw_image_detection\n"
    log += "AdamCodd/vit-base-nsfw-detector: 100%|█| 1/1 [00:01<00:00]"
    assert diagnose(log).kind is K.UNKNOWN


def test_out_of_memory_names_the_step_and_trains_with_a_batch_of_one() -> None:
    log = RUN + "\n".join(samples.OOM_TRACEBACK).encode()
    diagnosis = diagnose(log, config={"train_batch_size": "4", "gradient_checkpointing": "true"})
    assert diagnosis.title == "out of memory at step 30"
    assert diagnosis.changes == {"train_batch_size": 1}


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (None, {"train_batch_size": 1}),
        ({"model_type": "lora"}, {"train_batch_size": 1}),
        ({"train_batch_size": 1}, {"base_model_precision": "int8-quanto"}),
        (
            {"train_batch_size": 1, "gradient_checkpointing": "false"},
            {"gradient_checkpointing": True},
        ),
        ({"train_batch_size": 4, "model_type": "full"}, {"model_type": "lora"}),
        (
            {"train_batch_size": 1, "gradient_checkpointing": True},
            {"base_model_precision": "int8-quanto"},
        ),
        (
            {
                "train_batch_size": 1,
                "gradient_checkpointing": True,
                "base_model_precision": "int8-quanto",
            },
            {},
        ),
    ],
)
def test_out_of_memory_changes(
    config: dict[str, object] | None, changes: dict[str, object]
) -> None:
    assert diagnose(samples.OOM_TRACEBACK[-1], config=config).changes == changes


def test_out_of_memory_while_caching_lowers_the_cache_batch() -> None:
    log = f"{samples.STAGE_LINES[8]}\n{samples.OOM_TRACEBACK[-1]}\n"
    assert diagnose(log, config={"vae_batch_size": 8}).changes == {"vae_batch_size": 1}


def test_a_run_stopped_at_the_time_limit_is_shortened() -> None:
    log = samples.training_bar(850, 2000, 20, "0.1")
    diagnosis = diagnose(log, "Prediction timed out.", config={"num_train_epochs": 20})
    assert diagnosis.title == "stopped at the time limit at step 850"
    assert diagnosis.changes == {
        "max_train_steps": 760,
        "num_train_epochs": 0,
        "checkpoint_step_interval": 190,
    }


def test_offsets_count_from_the_start_of_the_log() -> None:
    log = b"x" * 100 + b"\n" + samples.OOM_TRACEBACK[-1].encode()
    assert diagnose(log, offset=1000).evidence[-1].offset == 1101
    long = b"x\n" * TAIL_BYTES + samples.OOM_TRACEBACK[-1].encode()
    offset = diagnose(long).evidence[-1].offset
    assert long[offset:].startswith(b"torch.OutOfMemoryError")


def test_an_unknown_failure_shows_the_last_errors() -> None:
    log = RUN + b"Traceback (most recent call last):\n  File x\nKeyError: 'no_such'\nbye\n"
    diagnosis = diagnose(log, "boom\x1b[31m")
    assert diagnosis.kind is K.UNKNOWN
    assert [line.text for line in diagnosis.evidence] == ["KeyError: 'no_such'"]
    assert diagnosis.error == "boom"


def test_every_kind_has_a_rule() -> None:
    assert {rule.kind for rule in RULES} == set(K) - {K.UNKNOWN}


@given(st.binary(max_size=3000), st.none() | st.text())
def test_diagnose_never_raises(log: bytes, error: str | None) -> None:
    diagnosis = diagnose(log, error)
    assert all(line.text.isprintable() or "\u00a0" not in line.text for line in diagnosis.evidence)
    assert diagnosis.advice


@pytest.mark.parametrize(
    "error",
    [
        "ValueError: The following dataset directories do not exist: /data/cats",
        "ValueError: Unsafe zip path detected: cats/1.png",
        "ValueError: Unsupported dataset archive format: a.rar",
        "ValueError: Either dataset_archive or dataloader config must be provided",
    ],
)
def test_data_that_did_not_arrive_are_staged_in_the_next_run(error: str) -> None:
    diagnosis = diagnose(b"", error)
    assert diagnosis.changes == {"data": "staged"}
    assert "--data staged" in diagnosis.advice[0]
    again = diagnose(b"", error, config={"data": "staged"})
    assert again.changes == {}
    assert again.advice
    assert not any("--data staged" in text for text in again.advice)
