"""The verdict about a delivery, from the files found, the log and the refused uploads."""

from __future__ import annotations

from typing import Any

import pytest

from tui.destinations.delivered import Arrival
from tui.engine.delivery.verdict import Evidence, judge
from tui.simpletuner.log.delivery import UploadFacts, upload_facts, weights_by_step

RUN = "simpletuner/cog-0a1b2c3d4e"
LORA = "pytorch_lora_weights.safetensors"


def saved(step: int) -> str:
    """The trainer's log line about a checkpoint."""
    return (
        "[STAGE] ✓ Saving Checkpoint (100.0%): Saved checkpoint to "
        f"output/cog/cog-0a1b2c3d4e/checkpoint-{step}\n"
    )


FAILED = (
    "[RANK 0] 2026-11-29 21:04:05,123 [ERROR] (PublishingManager) Publishing via s3 failed: "
    "An error occurred (InsufficientStorage) when calling the PutObject operation\n"
)


def weights(step: int) -> str:
    return f"{RUN}/checkpoint-{step}/{LORA}"


def verdict(log: str, *names: str, steps: int | None = None, **refused: str) -> Arrival:
    result = Arrival("yes" if names else "no", "on this machine", names=names)
    return judge(result, Evidence(upload_facts(log.encode()), steps, refused))


def test_the_last_checkpoint_is_there() -> None:
    result = verdict(saved(500) + saved(1000), weights(500), weights(1000), steps=1000)
    assert (result.state, result.missing, result.files) == ("yes", (), 2)
    assert result.words == "2 weights files on this machine"


def test_nothing_arrived() -> None:
    result = verdict(saved(1000), steps=1000)
    assert (result.state, result.missing) == ("no", ("checkpoint-1000",))
    assert verdict("").missing == ("weights",)


def test_files_without_weights_are_no_delivery() -> None:
    """Images, and files that a run uses itself: latents and the optimizer's state."""
    names = (
        f"{RUN}/validation_images/a.png", f"{RUN}/cache/vae/cats/1.pt",
        f"{RUN}/checkpoint-1000/optimizer.bin", f"{RUN}/checkpoint-1000/random_states_0.pkl",
    )  # fmt: skip
    result = verdict(saved(1000), *names, steps=1000)
    assert (result.state, result.missing) == ("no", ("checkpoint-1000",))
    assert result.words == "no weights among the 4 files on this machine"


def test_the_last_checkpoint_is_missing() -> None:
    result = verdict(saved(500) + saved(1000), weights(500), steps=1000)
    assert (result.state, result.missing) == ("partly", ("checkpoint-1000",))


def test_steps_after_the_last_checkpoint_are_missing() -> None:
    result = verdict(saved(500), weights(500), steps=900)
    assert (result.state, result.missing) == ("partly", ("the weights of step 900",))


def test_final_weights_stand_for_all() -> None:
    assert verdict(saved(500), f"{RUN}/{LORA}", steps=900).state == "yes"


@pytest.mark.parametrize(
    ("log", "state", "missing"),
    [
        (saved(500) + FAILED + saved(1000), "yes", ()),  # the next upload sent everything
        (saved(500) + saved(1000) + FAILED, "partly", ("the upload via s3",)),
        (FAILED, "partly", ("the upload via s3",)),
        (saved(500) + saved(1000) + f"=== debug.log tail ===\n{FAILED}", "partly",
         ("the upload via s3",)),
        (saved(500) + FAILED + saved(1000) + f"=== debug.log tail ===\n{FAILED}", "yes", ()),
    ],
)  # fmt: skip
def test_a_failed_upload_counts_unless_a_later_one_succeeded(
    log: str, state: str, missing: tuple[str, ...]
) -> None:
    result = verdict(log, weights(500), weights(1000), steps=1000)
    assert (result.state, result.missing) == (state, missing)


def test_a_failed_file_that_arrived_later_is_not_missing() -> None:
    log = f"{saved(1000)}[ERROR] Publishing checkpoint-1000/{LORA} failed: Connection was closed\n"
    assert verdict(log, weights(1000), steps=1000).state == "yes"
    log += "[ERROR] Publishing samples/a.png failed: Connection was closed\n"
    result = verdict(log, weights(1000), steps=1000)
    assert (result.state, result.missing) == ("partly", ("samples/a.png",))


def test_refused_files_that_never_arrived_are_missing() -> None:
    refused: dict[str, str] = {f"{RUN}/a.png": "The disk is full.", weights(1000): "too many"}
    result = verdict(saved(1000), weights(1000), steps=1000, **refused)
    assert (result.state, result.missing) == ("partly", ("cog-0a1b2c3d4e/a.png",))
    assert result.advice == "It was refused here: The disk is full."


@pytest.mark.parametrize(
    ("log", "steps", "state"),
    [
        ("", 1000, "unknown"),  # nobody can tell whether an upload failed
        ("", None, "unknown"),
        ("[INFO] hello\n", None, "unknown"),
        ("[INFO] hello\n", 1000, "yes"),
        ("[INFO] hello\n", 2000, "partly"),
    ],
)
def test_a_log_without_checkpoints_leaves_the_delivery_unknown(
    log: str, steps: int | None, state: str
) -> None:
    assert verdict(log, weights(1000), steps=steps).state == state


def test_an_unreachable_destination_stays_unknown_unless_the_log_reports_failures() -> None:
    place = Arrival("unknown", "the bucket does not answer", "Look there yourself.")

    def judge_unknown(log: str) -> Any:
        return judge(place, Evidence(upload_facts(log.encode()), 1000, {}))

    assert judge_unknown(saved(1000)) == place
    result = judge_unknown(saved(1000) + FAILED)
    assert (result.state, result.missing) == ("partly", ("the upload via s3",))


def test_a_provider_that_was_never_made_is_a_failure() -> None:
    line = "[RANK 0] [ERROR] Failed to initialise publishing providers: bucket is required\n"
    assert upload_facts(line.encode()) == UploadFacts(
        True, None, ("Failed to initialise publishing providers",)
    )


def test_weights_are_distinguished_from_other_files() -> None:
    names = [
        weights(20), f"{RUN}/checkpoint-20/optimizer.bin", f"{RUN}/{LORA}", f"{RUN}/README.md",
        f"{RUN}/cache/text/embeds/1.pt", f"cache/{LORA}", "cache/checkpoint-3/ema/a.safetensors",
    ]  # fmt: skip
    assert weights_by_step(names) == {
        20: [weights(20)],
        None: [f"{RUN}/{LORA}", f"cache/{LORA}"],
        3: ["cache/checkpoint-3/ema/a.safetensors"],
    }
