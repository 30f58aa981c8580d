"""The verdict about a delivery, from the files found, the log and the refused uploads."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tui.destinations.common.shards import read_index
from tui.destinations.delivered import Arrival, arrived_in_bucket
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.delivery.expected import ExpectedDelivery
from tui.engine.delivery.verdict import Evidence, judge
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.simpletuner.delivery_schedule.schedule import Batches, Way, delivery_schedule
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
        (saved(500) + saved(1000) + FAILED, "partly", ("the last upload of the run folder",)),
        (FAILED, "partly", ("the last upload of the run folder",)),
        (saved(500) + saved(1000) + f"=== debug.log tail ===\n{FAILED}", "partly",
         ("the last upload of the run folder",)),
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
    assert (result.state, result.missing) == ("partly", ("the last upload of the run folder",))


def test_what_was_sent_where_nobody_may_look_is_neither_delivered_nor_failed() -> None:
    """A log that ends early does not tell that everything was sent."""
    place = Arrival("unverified", "the keys may not look into s3://a/b/", "Look there yourself.")

    def judge_unseen(log: str, *, cut: bool = False) -> Arrival:
        return judge(place, Evidence(upload_facts(log.encode()), 1000, {}, log_cut=cut))

    assert judge_unseen(saved(1000)) == place
    assert judge_unseen(saved(1000), cut=True).state == "unknown"
    assert judge_unseen("").state == "unknown"
    assert judge_unseen(saved(1000) + FAILED).state == "partly"


@pytest.mark.parametrize(
    ("status", "state"), [(403, "unverified"), (503, "unknown"), (401, "unknown"), (404, "no")]
)
def test_keys_that_may_not_list_are_told_from_a_bucket_that_does_not_answer(
    status: int, state: str
) -> None:
    code = {403: "AccessDenied", 503: "SlowDown", 401: "InvalidAccessKeyId", 404: "NoSuchBucket"}
    body = f"<Error><Code>{code[status]}</Code></Error>".encode()

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        profile = S3Profile(bucket="bucket", endpoint=f"http://127.0.0.1:{server.server_port}")
        keys = S3Keys("id", Secret("word"))
        since = datetime(2026, 3, 1, tzinfo=UTC)
        arrival = arrived_in_bucket(profile, keys, network=NetworkSettings(), since=since)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert arrival.state == state


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


# -- by the schedule -----------------------------------------------------------------------------


def schedule(
    *weights: int, steps: int = 1000, final: bool = False, promise: str = "yes"
) -> ExpectedDelivery:
    stored = {
        "steps": steps, "weights": list(weights), "last": max(weights, default=None),
        "final": final, "promise": promise, "way": "local",
    }  # fmt: skip
    read = ExpectedDelivery.read(stored)
    assert read is not None
    return read


def test_a_run_that_delivers_by_validations_needs_no_weights_outside_of_checkpoints() -> None:
    options = {"max_train_steps": 1000, "checkpoint_step_interval": 500,
               "validation_step_interval": 500}  # fmt: skip
    ways: tuple[tuple[Way, list[str]], ...] = (
        ("local", [weights(500), weights(1000)]),
        ("hub", [LORA]),
    )
    for way, names in ways:
        computed = delivery_schedule(options, way=way, batches=Batches(10, exact=True))
        assert computed.promise == "yes"
        expected = ExpectedDelivery.read(computed.expected())
        assert expected is not None
        assert scheduled(expected, *names).state == "yes"
        assert scheduled(expected, weights(500)).state == "partly"


def scheduled(
    expected: ExpectedDelivery,
    *names: str,
    log: str = "[INFO] hello\n",
    steps: int | None = 1000,
    log_cut: bool = False,
    root_step: int | None = None,
) -> Arrival:
    found = Arrival("yes" if names else "no", "on this machine", names=names, root_step=root_step)
    facts = upload_facts(log.encode())
    return judge(found, Evidence(facts, steps, {}, expected, log_cut=log_cut))


def test_all_that_was_promised_is_there() -> None:
    result = scheduled(schedule(500, 1000), weights(500), weights(1000))
    assert (result.state, result.missing) == ("yes", ())
    assert result.expected == ("checkpoint-500", "checkpoint-1000")
    assert result.arrived == ("checkpoint-500", "checkpoint-1000")


@pytest.mark.parametrize(
    ("arrived", "missing"),
    [
        ((1000,), ("checkpoint-500",)),
        ((500,), ("checkpoint-1000",)),
        ((), ("checkpoint-1000", "checkpoint-500")),
    ],
)
def test_what_was_promised_and_is_not_there_is_named(
    arrived: tuple[int, ...], missing: tuple[str, ...]
) -> None:
    """The log names no checkpoint: only the schedule tells that there should be others."""
    result = scheduled(schedule(500, 1000), *map(weights, arrived))
    assert (result.state, result.missing) == ("partly" if arrived else "no", missing)


def test_an_accepted_loss_is_a_loss_all_the_same() -> None:
    """900 steps with a checkpoint every 500: the user agreed that 400 steps would be lost."""
    result = scheduled(schedule(500, steps=900, promise="no"), weights(500), steps=900)
    assert (result.state, result.missing) == ("partly", ("the weights of step 900",))
    assert "As was known before it started" in result.advice
    assert "step 500" in result.advice


def test_a_schedule_that_cannot_be_computed_does_not_invent_checkpoints() -> None:
    """G > 1 over several epochs: what may leave is not missing, the last step is."""
    expected = schedule(250, 500, 750, 1000, promise="unknown")
    assert scheduled(expected, weights(1000)).state == "yes"
    result = scheduled(expected, weights(750))
    assert (result.state, result.missing) == ("partly", ("the weights of step 1000",))


def test_the_schedule_knows_the_last_step_where_the_log_is_cut() -> None:
    """Without the log, only the schedule tells how many steps there were."""
    result = scheduled(schedule(500, 1000), weights(500), log="", steps=None, log_cut=True)
    assert (result.state, result.missing) == ("partly", ("checkpoint-1000",))
    assert "Replicate has removed the job's data" in result.advice
    assert scheduled(
        schedule(500, 1000), weights(500), weights(1000), log="", steps=None
    ).state == ("yes")


def test_a_cut_log_is_named_where_nothing_else_decides() -> None:
    found = Arrival("yes", "on this machine", names=(weights(500),))
    result = judge(found, Evidence(upload_facts(b""), None, {}, log_cut=True))
    assert result.state == "unknown"
    assert "Replicate has removed the job's data" in result.advice


def test_the_log_shows_where_the_upload_of_a_validation_is_missing() -> None:
    log = f"{saved(500)}{saved(1000)}[ERROR] Validation run failed at step 1000: out of memory\n"
    result = scheduled(schedule(500, 1000), weights(500), log=log)
    assert (result.state, result.missing) == ("partly", ("checkpoint-1000",))
    assert "The validation failed at step 1,000" in result.advice


HUB_LINES = [
    (
        "ERROR Hugging Face upload task 'checkpoint-500' failed: 500 Server Error\n",
        "checkpoint-500",
    ),
    ("ERROR Failed to upload LoRA artifacts to hub: quota\n", "LoRA artifacts"),
    ("ERROR Failed to upload latest checkpoint: quota\n", "latest checkpoint"),
    ("(attempt 3/3) Error uploading model to Hugging Face Hub: 403. Retrying...\n", "model"),
    ("ERROR Error uploading final model to hub: 403\n", "final model"),
    ("ERROR Error uploading to hub: 403\n", "final model"),
    ("(attempt 1/3) Error uploading model to Hugging Face Hub: 503. Retrying...\n", ""),
    ("INFO Model is now available at https://huggingface.co/me/cat\n", ""),
]


@pytest.mark.parametrize(("line", "upload"), HUB_LINES)
def test_failed_uploads_to_the_hub_are_read(line: str, upload: str) -> None:
    assert upload_facts(line.encode()).hub_failures == ((upload,) if upload else ())


def test_on_the_hub_the_listing_decides() -> None:
    """The trainer says “is now available” after failures too, and a later upload may succeed."""
    expected = schedule(final=True, steps=1000)
    log = f"{HUB_LINES[3][0]}{HUB_LINES[-1][0]}"
    assert scheduled(expected, LORA, log=log).state == "yes"
    result = scheduled(expected, log=log)
    assert (result.state, result.missing) == ("no", ("the final weights",))
    assert "failed uploads to the Hub: model" in result.advice


def test_a_pushed_checkpoint_in_the_root_is_not_the_final_model() -> None:
    """Each push of a checkpoint writes the root as well."""
    expected = schedule(500, final=True, steps=900)
    names = (f"checkpoint-500/{LORA}", LORA)
    result = scheduled(expected, *names, steps=900, root_step=500)
    assert (result.state, result.missing) == ("partly", ("the final weights",))
    assert scheduled(expected, *names, steps=900).state == "yes"
    exact = schedule(450, 900, final=True, steps=900)
    both = (f"checkpoint-450/{LORA}", f"checkpoint-900/{LORA}", LORA)
    assert scheduled(exact, *both, steps=900, root_step=900).state == "yes"


@pytest.mark.parametrize(
    "stored",
    [{}, {"weights": "500", "promise": "yes"}, {"weights": [1], "promise": "perhaps"}, {"last": 5}],
)
def test_a_schedule_that_is_not_one_is_none(stored: dict[str, Any]) -> None:
    assert ExpectedDelivery.read(stored) is None


# -- sharded weights -----------------------------------------------------------------------------

PART = "transformer/diffusion_pytorch_model"
FOLDER = f"{RUN}/checkpoint-1000/{PART}"
INDEX = f"{FOLDER}.safetensors.index.json"


def shard(number: int) -> str:
    return f"{FOLDER}-{number:05d}-of-00003.safetensors"


@pytest.mark.parametrize(
    ("names", "state", "missing"),
    [
        ((shard(1), shard(2), shard(3), INDEX), "yes", ()),
        ((shard(1), shard(3), INDEX), "no", (shard(2),)),
        ((shard(1), shard(2), shard(3)), "no", (INDEX,)),
        ((weights(500), shard(1), INDEX), "partly", (shard(2), shard(3))),
    ],
)
def test_sharded_weights_count_when_all_shards_are_there(
    names: tuple[str, ...], state: str, missing: tuple[str, ...]
) -> None:
    index = {
        "metadata": {},
        "weight_map": {f"layer.{n}": shard(n).split("/")[-1] for n in (1, 2, 3)},
    }
    indexes = {INDEX: read_index(json.dumps(index).encode())} if INDEX in names else {}
    found = Arrival("yes", "on this machine", names=names, indexes=indexes)
    result = judge(found, Evidence(upload_facts(b"[INFO] hello\n"), 1000, {}))
    assert result.state == state, result
    assert set(missing) <= set(result.missing)


def test_shards_with_names_of_their_own_are_known_by_the_index() -> None:
    names = (f"{RUN}/checkpoint-9/a.safetensors", f"{RUN}/checkpoint-9/model.index.json")
    found = Arrival(
        "yes", "here", names=names, indexes={names[1]: ("a.safetensors", "b.safetensors")}
    )
    result = judge(found, Evidence(upload_facts(b"[INFO] hello\n"), 9, {}))
    assert result.state == "no"
    assert f"{RUN}/checkpoint-9/b.safetensors" in result.missing


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"weight_map": {}}', b'{"weight_map": ', b"\0"]
)
def test_a_cut_index_is_no_index(data: bytes) -> None:
    assert read_index(data) is None
