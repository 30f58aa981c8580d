"""The check list, estimates, hardware, starters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simpletuner.projects import (
    HOSTED,
    local_entry,
    write_dataset,
    write_image,
    write_project,
)
from tui.base.formatting import duration
from tui.simpletuner.checks.checks import Check, check_config
from tui.simpletuner.checks.describe import describe_checks, describe_config, describe_datasets
from tui.simpletuner.checks.estimate import RUN_LIMIT_SECONDS, estimate, guess_memory, total_steps
from tui.simpletuner.config.families import families, family
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.config.starters import STARTERS, write_starter
from tui.simpletuner.config.training_config import read_entries
from tui.simpletuner.datasets.scan import DataReport, DatasetReport, scan
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.release.profile import profile_for
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.hardware import PROFILES, normalise_profile, profile_for_model
from tui.simpletuner.request.inputs import build_inputs

LOCAL = Delivery("local", bucket="outputs")
UNPACKS = profile_for(None, {"archive": "unpacks"})


def checks(root: Path, *entries: dict[str, Any], **changes: Any) -> list[Check]:
    config = load_config(write_project(root, list(entries) or None, **changes))
    return check_config(config, scan(config), delivery=LOCAL, release=UNPACKS)


def check_of(all_checks: list[Check], identity: str) -> Check:
    return next(
        (check for check in all_checks if check.id == identity and check.level != "ok"),
        next(check for check in all_checks if check.id == identity),
    )


def test_a_good_config_passes_all_checks(tmp_path: Path) -> None:
    good = checks(tmp_path)
    assert [check for check in good if check.level != "ok"] == []
    assert check_of(good, "config").message == "config readable · flux dev · lora rank 16"
    assert "3 images · 3 captions" in check_of(good, "datasets").message


def test_every_failed_check_has_advice(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats")
    (folder / "a.txt").unlink()
    bad = checks(tmp_path, local_entry(folder), HOSTED, model_family="fluks", report_to="wandb")
    assert all(check.advice for check in bad if check.level != "ok")


@pytest.mark.parametrize(
    ("changes", "identity", "level"),
    [
        ({"model_family": None}, "model-family", "error"),
        ({"model_family": "brandnew"}, "model-family", "error"),
        ({"model_flavour": "devv"}, "model-flavour", "error"),
        ({"model_type": "lokr"}, "model-type", "error"),
        ({"lora_type": "dora"}, "lora-type", "error"),
        ({"learning_rate": "fast"}, "learning-rate", "error"),
        ({"num_train_epochs": 3}, "steps", "error"),
        ({"checkpoint_step_interval": 500}, "delivery-schedule", "error"),
        ({"validation_disable": "true"}, "delivery-schedule", "error"),
        ({"validation_step_interval": 70}, "delivery-schedule", "error"),
        ({"report_to": "wandb"}, "report-to", "warn"),
        ({"resume_from_checkpoint": "/home/me/checkpoint-5"}, "resume", "error"),
        ({"max_train_steps": 20000}, "run-time", "warn"),
        ({"model_type": "full", "gradient_checkpointing": False}, "memory", "error"),
        ({"num_processes": 4}, "processes", "error"),
        ({"data_backend_config": "nope.json"}, "config", "error"),
    ],
)
def test_a_single_problem_is_reported(
    tmp_path: Path, changes: dict[str, Any], identity: str, level: str
) -> None:
    check = check_of(checks(tmp_path, **changes), identity)
    assert check.level == level
    assert check.advice


def test_offered_changes_correct_the_problem(tmp_path: Path) -> None:
    config = load_config(
        write_project(
            tmp_path, report_to="wandb", resume_from_checkpoint="x", validation_disable=True
        )
    )
    for check in check_config(config, delivery=LOCAL, release=UNPACKS):
        config = with_options(config, check.changes)
    left = check_config(config, delivery=LOCAL, release=UNPACKS)
    assert [check for check in left if check.level != "ok"] == []


def test_memory_advice_makes_a_batch_fit(tmp_path: Path) -> None:
    greedy = {
        "train_batch_size": 8,
        "gradient_checkpointing": False,
        "base_model_precision": "no_change",
        "resolution": 1024,
    }
    config = with_options(load_config(write_project(tmp_path)), greedy)
    before = guess_memory(config)
    check = check_of(check_config(config), "memory")
    after = guess_memory(with_options(config, check.changes))
    assert before is not None
    assert after is not None
    assert after.total_gb < 48 < before.total_gb


def test_a_common_flux_lora_fits_an_l40s(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    guess = guess_memory(with_options(config, {"resolution": 1024}))
    assert guess is not None
    assert 14 < guess.total_gb < 30


def test_delivery_to_the_hub(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, push_to_hub=True))
    assert check_of(check_config(config), "hub").level == "error"
    named = with_options(config, {"hub_model_id": "https://huggingface.co/alice/cats"})
    check = check_of(check_config(named), "hub")
    assert (check.level, check.message) == (
        "ok",
        "result goes to alice/cats on the Hub, private",
    )
    assert check_of(check_config(named, has_hf_token=False), "hf-token").level == "error"
    bare = with_options(config, {"hub_model_id": "cats"})
    assert check_of(check_config(bare), "hub").level == "warn"


@pytest.mark.parametrize("word", [None, "4.8.0", "4.10.1"])
def test_findings_that_rest_on_a_release_name_it(tmp_path: Path, word: str | None) -> None:
    changes: dict[str, Any] = {"optimiser": "x", "model_flavour": "nope"}
    changes |= {"validation_disable": True}
    config = load_config(write_project(tmp_path, **changes))
    release = profile_for(None, user_word=word)
    found = check_config(config, release=release, delivery=Delivery("s3", bucket="b"))
    resting = {check.id for check in found if check.release}
    assert {"option", "model-flavour", "data-archive", "delivery-schedule"} <= resting
    assert {check.release for check in found} == {"", release.title}
    assert not {"config", "datasets", "steps", "memory", "run-time"} & resting
    assert all(release.title not in check.message for check in found), "said once, by the field"


def test_no_delivery_warns(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    assert check_of(check_config(config, delivery=Delivery("none")), "delivery").level == "warn"


def test_unreachable_data_is_reported(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    assert check_of(check_config(config, mode="remote"), "data-mode").level == "error"
    assert check_of(check_config(config, mode="both"), "data-mode").level == "warn"
    archive = check_of(check_config(config, release=profile_for(None)), "data-archive")
    assert archive.level == "error"
    for mode in ("remote", "both"):
        assert "--data staged" in check_of(check_config(config, mode=mode), "data-mode").advice
    assert "--data staged" in archive.advice
    assert archive.release == "SimpleTuner 4.8.0 and 4.10.1 (release not known)"
    no_archive = {"properties": {"dataloader_json": {"type": "string"}}}
    refused = check_of(check_config(config, schema=no_archive), "data-mode")
    assert (refused.level, "--data staged" in refused.advice) == ("error", True)
    no_dataloader = {"properties": {"images": {"type": "string"}}}
    listed = check_config(config, schema=no_dataloader, mode="remote")
    found = next(check for check in listed if "takes no dataloader" in check.message)
    assert "--data staged" not in found.advice  # a staged dataset needs a dataloader
    hosted = load_config(write_project(tmp_path, [HOSTED]))
    assert "domokun" in check_of(check_config(hosted), "datasets").message


def test_images_captions_and_secrets(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png", "b.png", "c.png", "d.png"])
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_text("")
    (folder / "c.png").write_bytes(b"x")
    (folder / "id_rsa").write_text("x")
    write_image(folder / "small.png", (64, 64)).with_suffix(".txt").write_text("x")
    listed = checks(tmp_path, local_entry(folder, minimum_image_size=128))
    assert {"images", "captions", "secrets", "image-size"} <= {
        c.id for c in listed if c.level == "warn"
    }
    missing = check_of(listed, "captions")
    assert (missing.level, "the trainer stops" in missing.message) == ("error", True)
    assert "left out" in check_of(listed, "image-size").message


def test_what_stays_here_is_said_in_words(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats")
    (folder / ".DS_Store").write_text("x")
    (folder / "notes.pdf").write_text("x")
    check = check_of(checks(tmp_path, local_entry(folder)), "skipped")
    assert (check.level, "2 files not sent: .DS_Store (hidden file)" in check.message) == (
        "ok",
        True,
    )
    (folder / "d.heic").write_text("x")
    (folder / "e.txt").write_text("a caption alone")
    check = check_of(checks(tmp_path, local_entry(folder)), "skipped")
    assert check.level == "warn"
    assert "convert it" in check.message
    assert "caption without an image" in check.message
    unread = check_of(checks(tmp_path, local_entry(folder, caption_strategy="filename")), "skipped")
    assert "not used by caption_strategy filename" in unread.message


def test_an_archive_that_cannot_fit(tmp_path: Path) -> None:
    path = write_image(tmp_path / "cats" / "a.png")
    data = path.read_bytes()
    with path.open("wb") as file:
        file.write(data[:-12])
        file.truncate(104_857_601)
        file.seek(0, 2)
        file.write(data[-12:])
    check = check_of(checks(tmp_path, local_entry(path.parent)), "archive")
    assert check.level == "error"
    assert "--data staged" in check.advice
    assert "https" in check.advice


def test_notes_of_the_request_are_checks(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    inputs = build_inputs(config, delivery=LOCAL)
    levels = {c.level for c in check_config(config, inputs=inputs) if c.id == "request"}
    assert levels == {"warn", "error"}


def test_what_is_left_out_of_the_request_is_said(tmp_path: Path) -> None:
    config = load_config(
        write_project(tmp_path, [HOSTED], publishing_config=[{"provider": "s3", "bucket": "b"}])
    )
    inputs = build_inputs(config, delivery=LOCAL)
    messages = [c.message for c in check_config(config, inputs=inputs) if c.id == "left-out"]
    assert len(messages) == len(inputs.dropped) > 0
    assert any("publishing_config" in message for message in messages)


@given(
    images=st.integers(1, 5000),
    batch=st.integers(1, 8),
    repeats=st.integers(0, 5),
    epochs=st.integers(1, 20),
)
def test_epochs_cover_every_sample(images: int, batch: int, repeats: int, epochs: int) -> None:
    values = {"train_batch_size": batch, "num_train_epochs": epochs}
    config, report = _random_crops(values, images, repeats=repeats)
    steps, rest = divmod(total_steps(config, report), epochs)
    assert rest == 0
    assert (steps - 1) * batch < images * (repeats + 1) <= steps * batch


def test_every_dataset_counts_with_its_own_repeats_and_no_reference_counts() -> None:
    """The same folder in two datasets is trained twice; a reference is not trained by itself."""
    values = {"train_batch_size": 2, "num_train_epochs": 3, "gradient_accumulation_steps": 2}
    one, first = _random_crops(values, 10, repeats=1)
    other, second = _random_crops(values, 7, id="other")
    mask, third = _random_crops(values, 10, id="mask", dataset_type="conditioning")
    config = replace(one, datasets=(*one.datasets, *other.datasets, *mask.datasets))
    report = DataReport((*first.datasets, *second.datasets, *third.datasets))
    batches = 10 + 4  # 20 samples and 7, two at a time
    assert total_steps(config, report) == batches // 2 * 3
    assert estimate(config, PROFILES["l40s"], report).steps == batches // 2 * 3
    hosted = replace(config, datasets=(*config.datasets, *read_entries([HOSTED], [])))
    assert total_steps(hosted, report) == 0, "the hosted part is not known"
    assert total_steps(with_options(hosted, {"max_train_steps": 50}), report) == 50


def _random_crops(
    values: dict[str, Any], images: int, **entry: Any
) -> tuple[TrainingConfig, DataReport]:
    """A dataset whose buckets cannot be known: each picture is cropped to any shape."""
    raw = {"id": "x", "type": "local", "crop": True, "crop_aspect": "random", **entry}
    specs = read_entries([raw], [])
    config = TrainingConfig("x", Path("x"), values, datasets=specs)
    (spec,) = specs
    return config, DataReport((DatasetReport(spec.id, "local", spec, images=images),))


def test_a_run_of_unknown_length_has_no_estimate(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_train_steps": 0, "num_train_epochs": 2}
    guess = estimate(load_config(write_project(tmp_path, [HOSTED], **options)), PROFILES["l40s"])
    assert (guess.steps, guess.seconds) == (0, RUN_LIMIT_SECONDS), "a limit of costs counts so much"
    found = check_of(check_config(load_config(write_project(tmp_path, [HOSTED], **options))),
                     "run-time")  # fmt: skip
    assert (found.level, "depends on data" in found.message) == ("warn", True)


def test_a_length_of_time_reads_as_everywhere_else(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, max_train_steps=400))
    guess = estimate(config, PROFILES["l40s"])
    message = check_of(check_config(config), "run-time").message
    assert message.startswith(f"about {duration(guess.seconds)}, from ")


def test_estimates(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, max_train_steps=1000))
    report = scan(config)
    l40s, h100 = PROFILES["l40s"], PROFILES["h100"]
    guess = estimate(config, l40s, report)
    assert guess.seconds_low < guess.seconds < guess.seconds_high
    assert guess.micros == guess.seconds * l40s.micros_per_second
    assert estimate(config, h100, report).seconds < guess.seconds
    measured = estimate(config, l40s, report, step_seconds=1.0, micros_per_second=2000)
    assert 1000 <= measured.seconds_low <= measured.seconds <= 2000
    assert measured.micros == measured.seconds * 2000
    assert "earlier" in measured.basis


def test_a_flux_lora_of_1000_steps_costs_what_users_report(tmp_path: Path) -> None:
    entries = [local_entry("datasets/cats", resolution=1024)]
    write_dataset(tmp_path / "datasets" / "cats")
    config = load_config(write_project(tmp_path, entries, max_train_steps=1000))
    guess = estimate(config, PROFILES["l40s"], scan(config))
    assert 30 * 60 <= guess.seconds <= 60 * 60
    assert 1_700_000 <= guess.micros <= 4_000_000


def test_hardware_prices_scale_with_the_number_of_gpus() -> None:
    assert PROFILES["l40s"].micros_per_second == 975
    assert PROFILES["h100-x8"].micros_per_second == 12_200
    assert PROFILES["a100"].micros_per_second == 1_400
    assert next(iter(PROFILES)) == "l40s"
    assert PROFILES["l40s-x2"].sku == "gpu-l40s-2x"


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("L40S", "l40s"),
        ("1xh100", "h100"),
        ("1x-h100", "h100"),
        ("h100-x1", "h100"),
        ("H100_x2", "h100-x2"),
        ("2x H100", "h100-x2"),
        ("gpu-l40s-2x", "l40s-x2"),
        ("gpu-a100-large", "a100"),
        ("advanced-trainer-h100-x4", "h100-x4"),
        ("simpletuner/advanced-trainer", "l40s"),
    ],
)
def test_names_of_hardware(text: str, identity: str) -> None:
    assert normalise_profile(text) == identity


@pytest.mark.parametrize("identity", PROFILES)
def test_every_profile_is_known_by_id_label_sku_and_model(identity: str) -> None:
    profile = PROFILES[identity]
    assert normalise_profile(profile.id) == identity
    assert normalise_profile(profile.label) == identity
    assert normalise_profile(profile.sku) == identity
    if profile.model:
        assert profile_for_model(f"{profile.model}:{'0' * 64}") is profile


def test_unknown_hardware() -> None:
    with pytest.raises(ValueError, match="h100-x8"):
        normalise_profile("tpu")
    legacy = profile_for_model("simpletuner/advanced-trainer")
    assert legacy is not None
    assert legacy.id == "l40s"
    assert profile_for_model("alice/trainer") is None


def test_families() -> None:
    assert len(families()) == 44
    flux = family(" Flux ")
    assert flux is not None
    assert flux.size("dev") == 12
    assert family("unheard-of") is None
    assert all(
        known.label and known.kind in ("image", "video", "audio") for known in families().values()
    )


@pytest.mark.parametrize("starter", STARTERS)
def test_every_starter_is_a_config_without_errors(tmp_path: Path, starter: str) -> None:
    images = write_dataset(tmp_path / "photos")
    path = write_starter(starter, tmp_path / "project", "mine", images=images)
    config = load_config(path)
    assert [note for note in config.notes if note.level != "ok"] == []
    listed = check_config(config, scan(config), delivery=LOCAL, release=UNPACKS)
    assert {c.id for c in listed if c.level == "error"} == set()
    assert {c.id for c in listed if c.level == "warn"} <= {"run-time", "image-size"}
    known = family(config.family)
    assert known is not None
    assert config.flavour in known.flavours


def test_a_starter_creates_a_folder_for_images(tmp_path: Path) -> None:
    path = write_starter("sdxl", tmp_path, "mine")
    spec = load_config(path).local_datasets[0]
    assert spec.path == tmp_path / "datasets" / "mine"
    assert spec.path.is_dir()
    with pytest.raises(ConfigError, match="already"):
        write_starter("sdxl", tmp_path, "mine")


@pytest.mark.parametrize(("starter", "name"), [("nope", "x"), ("sdxl", "../x"), ("sdxl", "")])
def test_starters_that_cannot_be_written(tmp_path: Path, starter: str, name: str) -> None:
    with pytest.raises(ConfigError):
        write_starter(starter, tmp_path, name)


def test_descriptions_are_plain_json(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    write_image(tmp_path / "datasets" / "cats" / "wide.png", (900, 300))
    report = scan(config)
    described = json.loads(json.dumps(describe_config(config)))
    assert described["model_family"] == "flux"
    assert described["max_train_steps"] == 100
    datasets = json.loads(json.dumps(describe_datasets(config, report)))
    assert list(datasets[0]["sizes"].values()) == [256, 256, 900, 300]
    assert datasets[0]["images"] == 4
    assert json.loads(json.dumps(describe_datasets(config, None)))[0]["id"] == "cats"
    listed = describe_checks(check_config(config, report))
    keys = {"id", "level", "message", "advice", "changes", "release"}
    assert all(line.keys() == keys for line in listed)


@pytest.mark.parametrize(
    ("changes", "described"),
    [
        ({"num_train_epochs": 0}, {"num_train_epochs": 0}),
        ({"lora_rnak": None, "lora_rank": 8}, {"lora_rnak": None, "lora_rank": 8}),
        ({"some_option": 1}, {}),
    ],
)
def test_changes_are_described_when_a_draft_can_make_all_of_them(
    changes: dict[str, Any], described: dict[str, Any]
) -> None:
    (row,) = describe_checks([Check("steps", "error", "both are set", "", changes)])
    assert row["changes"] == described
