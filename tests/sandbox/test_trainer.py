"""The stand-in trainer behind the API: data, log, files, uploads, defects."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zipfile
from typing import Any, Literal

import pytest
import safetensors
from aiohttp import web

from tests.sandbox.conftest import Bucket, SandboxClient, archive, training
from tui.sandbox.releases import EARLY, SUMMER, WISHED, Release

LOCAL = json.dumps(
    [
        {
            "id": "cats",
            "type": "local",
            "instance_data_dir": "datasets/cog/images/photographs",
            "caption_strategy": "textfile",
        },
        {"id": "embeds", "dataset_type": "text_embeds", "default": True},
    ]
)
TAGGED = re.compile(r"\[(STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|EVENT|COG)\]")
STAGE = re.compile(
    r"^\[STAGE\] (⏳|✓|✗|•) (.+?)(?: \((?:(\d+(?:\.\d+)?)%|(\d+)/(\d+))\))?(?:: (.*))?$"
)
BAR = re.compile(
    r"^(.*?):?\s*(\d{1,3})%\|([^|]*)\|\s*([\d.]+[kMGT]?)/([\d.]+[kMGT]?)\s*"
    r"\[([\d:]+)<([\d:?]+),\s*([^,\]]+)(?:,\s*(.*))?\]$"
)


async def finish(
    client: SandboxClient, given: dict[str, Any], release: Release = WISHED
) -> dict[str, Any]:
    return await client.ended(await client.create(client.version(release), given))


async def test_a_run_delivers_the_files_in_its_log(client: SandboxClient, bucket: Bucket) -> None:
    given = {"config_json": training(), "images": await client.upload(archive())}
    done = await finish(client, given | bucket.inputs())
    assert done["status"] == "succeeded", done["logs"]
    place = f"{bucket.endpoint}/outputs/cat"
    assert done["output"] == place
    assert done["logs"].rstrip().endswith(f"Checkpoints published to: {place}")
    announced = dict(re.findall(r"Wrote: (\S+) · \d+ bytes · sha256 ([0-9a-f]{64})", done["logs"]))
    assert set(announced) == {
        "checkpoint-3/pytorch_lora_weights.safetensors",
        "checkpoint-6/pytorch_lora_weights.safetensors",
        "pytorch_lora_weights.safetensors",
    }
    folder = next(key.split("/")[1] for key in bucket.names())
    assert re.fullmatch(r"cog-[0-9a-f]{10}", folder)
    received = {item.key.removeprefix(f"cat/{folder}/"): item for item in bucket.objects}
    for name, digest in announced.items():
        data = received[name].path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        tensors = dict(safetensors.deserialize(data))
        assert {min(tensor["shape"]) for tensor in tensors.values()} == {4}
    assert "checkpoint-3/training_state.json" in received
    assert any(name.startswith("validation_images/step_3_a_cat") for name in received)


async def test_the_log_has_the_formats_of_simpletuner(client: SandboxClient) -> None:
    given = {"config_json": training(), "images": await client.upload(archive())}
    log = (await finish(client, given))["logs"]
    assert "[INFO] This run is simulated: " in log
    body = log.partition("=== debug.log tail ===")[0]
    pieces = [piece for piece in re.split(r"[\r\n]", body) if piece]
    bars = [piece for piece in pieces if "%|" in piece]
    steps = [bar for bar in bars if re.match(r"Epoch \d+/\d+,? Steps: ", bar)]
    assert len(steps) == 7
    assert re.search(r" 6/6 \[.*lr=0.0001, step_loss=[\d.]+\]", steps[-1])
    for bar in bars:
        # A tagged line may follow on a bar's heels.
        tag = TAGGED.search(bar)
        assert BAR.match(bar[: tag.start()] if tag else bar), bar
    stages = [piece for piece in pieces if piece.startswith("[STAGE]")]
    labels = list(dict.fromkeys(STAGE.match(line)[2] for line in stages))  # type: ignore[index]  # all match
    assert labels == [
        "Loading base model",
        "Configuring data backends",
        "Loading text embedding cache",
        "Extracting captions",
        "VAE Cache initialising",
        "Preparing model components",
        "Resume Checkpoint",
        "Saving Checkpoint",
        "Running Validation",
        "Running Final Validations",
        "Saving Final Model",
        "Training Complete",
    ]
    assert log.count("[CHECKPOINT] Checkpoint saved") == 2
    assert re.search(r"\[INFO\] Checkpoint: `Step 3 of 6: loss [\d.]+, lr 0.0001, epoch", log)
    assert "-  Total optimization steps = 6" in log
    assert re.search(r"\[RANK 0\] .* \[INFO\] \(SimpleTuner\) Step 6 of 6: ", log)


async def test_logs_can_be_left_out_and_old_images_print_bars_as_lines(
    client: SandboxClient,
) -> None:
    images = await client.upload(archive())
    given = {"config_json": training(), "images": images, "return_logs": False}
    assert "debug.log tail" not in (await finish(client, given))["logs"]
    assert "\r" not in (await finish(client, given, EARLY))["logs"]


async def test_a_dataloader_finds_the_unpacked_archive(client: SandboxClient) -> None:
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "dataloader_json": LOCAL,
    }
    for release in (WISHED, EARLY):
        done = await finish(client, given, release)
        assert done["status"] == "succeeded"
        assert "data backends: ['cats', 'embeds']" in done["logs"]


async def test_both_defects_of_the_summer_release(client: SandboxClient) -> None:
    images = await client.upload(archive())
    alone = await finish(client, {"config_json": training(), "images": images}, SUMMER)
    assert alone["status"] == "failed"
    assert alone["error"].startswith("Unsafe zip path detected: photographs/")
    given = {"config_json": training(), "images": images, "dataloader_json": LOCAL}
    both = await finish(client, given, SUMMER)
    assert both["status"] == "failed"
    assert "does not exist: datasets/cog/images/photographs" in both["error"]


async def test_the_summer_release_delivers_only_after_validations(
    client: SandboxClient, bucket: Bucket
) -> None:
    hosted = json.dumps([{"id": "hosted", "type": "huggingface", "dataset_name": "a/b"}])
    given = {"dataloader_json": hosted} | bucket.inputs()
    silent = {"config_json": training(6, **{"--validation_prompt": ""})}
    assert (await finish(client, given | silent, SUMMER))["status"] == "succeeded"
    assert bucket.objects == []
    assert (await finish(client, given | {"config_json": training()}, SUMMER))[
        "status"
    ] == "succeeded"
    names = {key.split("/", 2)[2] for key in bucket.names()}
    assert "checkpoint-6/pytorch_lora_weights.safetensors" in names
    assert "pytorch_lora_weights.safetensors" not in names
    assert (await finish(client, given | silent, WISHED))["status"] == "succeeded"
    names = {key.split("/", 2)[2] for key in bucket.names()}
    assert "pytorch_lora_weights.safetensors" in names


async def test_large_files_are_uploaded_in_parts(client: SandboxClient, bucket: Bucket) -> None:
    given = {
        "config_json": training(2, **{"--model_type": "full", "--validation_prompt": ""}),
        "dataloader_json": '[{"id": "a", "type": "csv"}]',
    }
    done = await finish(client, given | bucket.inputs())
    assert done["status"] == "succeeded"
    large = [
        item for item in bucket.objects if item.key.endswith("diffusion_pytorch_model.safetensors")
    ]
    assert len(large) == 2
    for item in large:
        assert item.size > 8 * 1024 * 1024
        assert hashlib.sha256(item.path.read_bytes()).hexdigest() in done["logs"]


async def test_a_refused_upload_is_logged_and_does_not_fail_the_run(
    client: SandboxClient, bucket: Bucket
) -> None:
    given = {"config_json": training(), "images": await client.upload(archive())}
    wrong = bucket.inputs(s3_secret_key="wrong")
    done = await finish(client, given | wrong)
    assert done["status"] == "succeeded"
    assert re.search(r"\[ERROR\] Publishing .* failed: .*SignatureDoesNotMatch", done["logs"])
    assert bucket.secret not in done["logs"]
    keyless = {name: value for name, value in bucket.inputs().items() if "key" not in name}
    done = await finish(client, given | keyless)
    assert "Unable to locate credentials" in done["logs"]


async def test_the_aws_settings_of_this_machine_are_not_used(
    client: SandboxClient, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    given = {"config_json": training(), "images": await client.upload(archive())}
    done = await finish(client, given | bucket.inputs())
    assert "[ERROR]" not in done["logs"]
    assert bucket.objects


@pytest.mark.parametrize("form", ["w", "w:gz", "w:xz"])
async def test_tar_archives_of_any_compression(
    client: SandboxClient, form: Literal["w", "w:gz", "w:xz"]
) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=form) as file:
        with zipfile.ZipFile(io.BytesIO(archive())) as source:
            for name in source.namelist():
                entry = tarfile.TarInfo(name)
                data = source.read(name)
                entry.size = len(data)
                file.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("photographs/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    given = {"config_json": training(), "images": await client.upload(target.getvalue(), "a.tar")}
    assert (await finish(client, given))["status"] == "succeeded"


def _zip(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"not an archive", "Unsupported archive format"),
        (b"PK\x03\x04" + b"\0" * 40, "Unsupported archive format"),
        (archive()[:5000], "archive"),
        (_zip(**{"../../evil.png": b"x"}), "Unsafe zip path detected: ../../evil.png"),
        (_zip(**{"/etc/evil.png": b"x"}), "Unsafe zip path detected: /etc/evil.png"),
        (_zip(**{"a\\..\\evil.png": b"x"}), "Unsafe zip path detected"),
        (_zip(**{"a/notes.txt": b"x"}), "No images were discovered by the bucket manager"),
        (_zip(**{"a/cat.png": b"not a png"}), "No images were discovered by the bucket manager"),
    ],
    ids=["text", "zeros", "cut", "up", "root", "backslash", "no-image", "broken-image"],
)
async def test_bad_archives(client: SandboxClient, data: bytes, error: str) -> None:
    given = {"config_json": training(), "images": await client.upload(data)}
    done = await finish(client, given)
    assert done["status"] == "failed"
    assert error in done["error"]
    assert "[ERROR] Fatal Error: Failed to run training: " in done["logs"]
    assert "Traceback (most recent call last):" in done["logs"]
    runs = client.work_dir / "runs"
    assert not [path for path in runs.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"config_json": "{"}, "config_json looks like JSON but failed to parse"),
        ({"config_json": "config/none.json"}, "config_json file not found: config/none.json"),
        ({"config_json": training()}, "images (an archive) or dataloader_json"),
        ({"config_json": "{}", "dataloader_json": "[]"}, "--model_family"),
        ({"config_json": training(), "dataloader_json": "{}"}, "must be a list"),
        ({"config_json": training(), "dataloader_json": "[]"}, "at least one dataset"),
        (
            {"config_json": training(), "dataloader_json": "[{}]", "hub_model_id": "a/b"},
            "hf_token is required when hub_model_id is set",
        ),
        (
            {"config_json": training(), "dataloader_json": '[{"id": "a"}, {"id": "a"}]'},
            "duplicate dataset id: a",
        ),
        (
            {
                "config_json": training(),
                "dataloader_json": '[{"id": "a", "instance_data_dir": "../../etc"}]',
            },
            "does not exist: ../../etc",
        ),
        (
            {"config_json": training(), "images": "http://127.0.0.1:9/none.zip"},
            "Could not download images: http://127.0.0.1:9/none.zip",
        ),
    ],
)
async def test_bad_inputs(client: SandboxClient, given: dict[str, Any], error: str) -> None:
    done = await finish(client, given)
    assert done["status"] == "failed"
    assert error in done["error"]
    assert "hf_canary" not in json.dumps(done)


async def test_delivery_to_the_hub_without_a_hub_fails_before_training(open_client: Any) -> None:
    client = await open_client(hub_endpoint="")
    given = {
        "config_json": training(),
        "dataloader_json": '[{"id": "a", "type": "csv"}]',
        "hub_model_id": "a/b",
        "hf_token": "hf_canary",
    }
    done = await finish(client, given)
    assert done["status"] == "failed"
    assert "cannot reach the Hugging Face Hub" in done["error"]
    assert "hf_canary" not in json.dumps(done)


async def test_a_deleted_file_cannot_be_trained_on(client: SandboxClient) -> None:
    url = await client.upload(archive())
    await client.http.delete(url)
    done = await finish(client, {"config_json": training(), "images": url})
    assert done["status"] == "failed"
    assert "HTTP 404" in done["error"]


async def test_broken_images_and_missing_captions_are_logged(client: SandboxClient) -> None:
    target = io.BytesIO(archive())
    with zipfile.ZipFile(target, "a") as file:
        file.writestr("photographs/broken.png", b"no png")
        file.writestr("photographs/lonely.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    given = {
        "config_json": training(),
        "images": await client.upload(target.getvalue()),
        "dataloader_json": LOCAL,
    }
    done = await finish(client, given)
    assert done["status"] == "succeeded"
    assert "Could not read image broken.png of dataset cats" in done["logs"]
    assert "[WARN] Captions: 1 images of cats have no caption file" in done["logs"]


@pytest.mark.parametrize(
    ("config", "given", "steps", "epochs"),
    [
        ({"--max_train_steps": "7"}, {}, 7, 3),
        ({}, {"max_train_steps": 9}, 9, 3),
        ({"--max_train_steps": 0, "--num_train_epochs": 4}, {}, 12, 4),
        ({"--train_batch_size": 2, "--max_train_steps": 5}, {}, 5, 3),
    ],
)
async def test_the_number_of_steps_of_a_run(
    client: SandboxClient, config: dict[str, Any], given: dict[str, Any], steps: int, epochs: int
) -> None:
    inputs = {"config_json": training(**config), "images": await client.upload(archive())}
    done = await finish(client, inputs | given)
    assert f"-  Total optimization steps = {steps}" in done["logs"]
    assert f"-  Num Epochs = {epochs}" in done["logs"]
    assert f"Epoch {epochs}/{epochs}, Steps: 100%|██████████| {steps}/{steps} " in done["logs"]


async def test_a_hub_that_refuses_is_logged_and_does_not_fail_the_run(
    open_client: Any,
) -> None:
    asked: list[tuple[str, str | None]] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers.get("Authorization")))
        return web.json_response({"error": "Invalid credentials"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = await open_client(hub_endpoint=f"http://127.0.0.1:{runner.addresses[0][1]}")
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "hub_model_id": "https://huggingface.co/me/cat-lora?x=1",
        "hf_token": "hf_canary",
    }
    done = await finish(client, given)
    await runner.cleanup()
    assert done["status"] == "succeeded"
    assert done["output"] == "https://huggingface.co/me/cat-lora"
    assert asked[0] == ("/api/repos/create", "Bearer hf_canary")
    assert "[ERROR] Uploading to me/cat-lora failed: " in done["logs"]
    assert "hf_canary" not in json.dumps(done)


async def test_old_checkpoints_are_deleted(client: SandboxClient) -> None:
    options = {"--checkpoints_total_limit": 2, "--checkpoint_step_interval": 2}
    given = {"config_json": training(8, **options), "images": await client.upload(archive())}
    done = await finish(client, given)
    runs = client.work_dir / "runs" / done["id"]
    assert {path.name for path in runs.rglob("checkpoint-*")} == {"checkpoint-6", "checkpoint-8"}


async def test_several_runs_side_by_side(client: SandboxClient, bucket: Bucket) -> None:
    given = {
        "config_json": training(30),
        "images": await client.upload(archive()),
    } | bucket.inputs()
    made = [await client.create(client.version(), given) for _ in range(4)]
    ended = [await client.ended(item) for item in made]
    assert {item["status"] for item in ended} == {"succeeded"}
    folders = {key.split("/")[1] for key in bucket.names()}
    assert len(folders) == 4
