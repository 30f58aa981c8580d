"""Configs as people write them, and what the check says of each: only what the trainer would do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import TEXT_CACHE, write_image
from tui.simpletuner.checks.checks import check_config
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.release.profile import profile_for
from tui.simpletuner.request.delivery import Delivery

CONFIG: dict[str, Any] = {
    "model_family": "flux", "model_flavour": "dev", "model_type": "lora", "lora_type": "standard",
    "lora_rank": 16, "max_train_steps": 800, "num_train_epochs": 0, "train_batch_size": 1,
    "gradient_checkpointing": True, "learning_rate": 1e-4, "optimizer": "adamw_bf16",
    "base_model_precision": "int8-quanto", "checkpoint_step_interval": 200,
    "validation_step_interval": 200, "validation_prompt": "a dog", "report_to": "none",
    "data_backend_config": "multidatabackend.json",
}  # fmt: skip
REMOTE: dict[str, Any] = {
    "id": "dogs", "type": "huggingface", "dataset_name": "someone/dogs",
    "caption_strategy": "huggingface", "metadata_backend": "huggingface",
    "huggingface": {"caption_column": "text"}, "resolution": 1024,
    "resolution_type": "pixel_area", "cache_dir_vae": "cache/vae",
}  # fmt: skip
LOCAL: dict[str, Any] = {
    "id": "dogs", "type": "local", "instance_data_dir": "imgs", "caption_strategy": "textfile",
    "resolution": 1024, "resolution_type": "pixel_area", "cache_dir_vae": "cache/vae",
}  # fmt: skip
REFERENCE = {
    **LOCAL, "id": "ref", "dataset_type": "conditioning", "conditioning_type": "reference_strict",
    "cache_dir_vae": "cache/ref", "caption_strategy": None,
}  # fmt: skip
LOKR = {"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "factor": 16}
LYCORIS = {"lora_type": "lycoris", "lycoris_config": "lycoris_config.json"}
OTHER_PARTS = (
    "run-time",
    "checkpoints",
    "validation",
    "delivery",
    "request",
    "data-mode",
    "processes",
)
"""Checks of other parts: time, delivery, the archive."""

E, W = "error", "warn"
Expected = dict[str, str]
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Expected]] = {
    "all is well": ({}, [REMOTE], {}),
    "dashed keys and old names": ({"--validation_steps": 100, "--checkpointing_steps": 100,
        "checkpoint_step_interval": None, "validation_step_interval": None}, [REMOTE], {}),
    "placeholders": ({"tracker_run_name": "{model_family}-a", "hub_model_id": "{env:ID}"},
        [REMOTE], {}),
    "a flavour of the list": ({"model_family": "hunyuanvideo",
        "model_flavour": "t2v-480p-distilled"}, [REMOTE], {}),
    "no flavour, one default": ({"model_family": "hidream", "model_flavour": None}, [REMOTE], {}),
    "no flavour, two defaults": ({"model_family": "qwen_image", "model_flavour": None,
        "base_model_precision": "int4-quanto"}, [REMOTE], {"model-flavour": W}),
    "csv": ({}, [{"id": "c", "type": "csv", "csv_file": "https://x.example/y.csv",
        "csv_caption_column": "c", "csv_cache_dir": "cache/csv", "caption_strategy": "csv"}], {}),
    "webshart": ({}, [{"id": "w", "type": "webshart", "webshart": {"source": "a/b"},
        "caption_strategy": "webshart", "metadata_backend": "webshart"}], {}),
    "audio": ({"model_family": "ace_step", "model_flavour": "base"},
        [{**REMOTE, "dataset_type": "audio"}], {}),
    "video": ({"model_family": "ltxvideo2", "model_flavour": "2.3-dev"},
        [{**REMOTE, "dataset_type": "video", "resolution": 480, "maximum_image_size": 480,
          "target_downsample_size": 480, "minimum_image_size": 128, "video": {"num_frames": 49}}],
        {}),
    "unknown options": ({"learning_rat": 1e-3, "trian_batch_size": 2}, [REMOTE],
        {"config": W, "option": E}),
    "values outside the choices": ({"optimizer": "adamw9bit", "lr_scheduler": "linearr",
        "base_model_precision": "int9-quanto", "mixed_precision": "fp17"}, [REMOTE],
        {"option": E}),
    "a family of another time": ({"model_family": "cosmos2image", "model_flavour": "2b"},
        [REMOTE], {"model-family": E}),
    "lokr as a type": ({"lora_type": "lokr"}, [REMOTE], {"lora-type": E}),
    "a tracker with an account": ({"report_to": "tensorboard,wandb"}, [REMOTE],
        {"report-to": W}),
    "validation switched off by a wrong name": ({"disable_validation": True}, [REMOTE],
        {"option": E}),
    "negative steps": ({"max_train_steps": -1, "num_train_epochs": 3}, [REMOTE], {"steps": E}),
    "lokr of full dimension": ({**LYCORIS, "model_family": "qwen_image",
        "model_flavour": "v1.0", "lycoris": {**LOKR, "linear_dim": 10000}}, [REMOTE], {}),
    "lokr of the full matrix": ({**LYCORIS, "lycoris": {**LOKR, "full_matrix": True}}, [REMOTE],
        {}),
    "lokr without a dimension": ({**LYCORIS, "lycoris": LOKR}, [REMOTE], {"lycoris": E}),
    "lycoris settings of the package": ({"lora_type": "lycoris",
        "lycoris_config": "config/examples/lycoris_config.json"}, [REMOTE], {}),
    "checkpointing left out": ({"train_batch_size": 4, "gradient_checkpointing": None}, [REMOTE],
        {}),
    "checkpointing off": ({"train_batch_size": 4, "gradient_checkpointing": False,
        "base_model_precision": None}, [REMOTE], {"memory": W}),
    "a checkpoint elsewhere": ({"resume_from_checkpoint": "s3://b/run/checkpoint-500"},
        [REMOTE], {"resume": W}),
    "a caption strategy of the options": ({}, [{**LOCAL, "caption_strategy": "instance_prompt",
        "instance_prompt": "x"}], {"dataloader": E, "skipped": W}),
    "a type of another tool": ({}, [{**REMOTE, "type": "s3"}], {"dataloader": E}),
    "a Hub dataset without a name": ({}, [{k: v for k, v in REMOTE.items()
        if k != "dataset_name"}], {"dataloader": E}),
    "maximum without target": ({}, [{**REMOTE, "maximum_image_size": 1024}], {"dataloader": E}),
    "megapixels read as pixels": ({}, [{**LOCAL, "resolution": 1}], {"dataloader": W}),
    "kontext alone": ({"model_flavour": "kontext"}, [REMOTE], {"conditioning": E}),
    "kontext with its references": ({"model_flavour": "kontext"},
        [{**LOCAL, "conditioning_data": ["ref"]}, REFERENCE], {}),
    "kontext with an untyped reference": ({"model_flavour": "kontext"},
        [{**LOCAL, "conditioning_data": ["ref"]},
         {k: v for k, v in REFERENCE.items() if k != "dataset_type"}],
        {"conditioning": E, "dataloader": E, "skipped": W}),
    "captions without a distiller": ({}, [REMOTE, {"id": "caps", "type": "local",
        "dataset_type": "caption", "instance_data_dir": "imgs"}], {"dataloader": E}),
    "six pictures for 32": ({"train_batch_size": 8, "gradient_accumulation_steps": 4}, [LOCAL],
        {"buckets": E}),
    "six pictures for the default of four": ({"train_batch_size": None,
        "gradient_accumulation_steps": 2}, [LOCAL], {"buckets": E}),
    "six pictures for four, cropped": ({"train_batch_size": 4},
        [{**LOCAL, "crop": True, "crop_aspect": "square", "crop_style": "center",
          "resolution": 512, "resolution_type": "pixel", "minimum_image_size": 512,
          "maximum_image_size": 768, "target_downsample_size": 512}], {}),
    "keys in the dataloader": ({}, [{"id": "w", "type": "aws", "aws_bucket_name": "b",
        "aws_endpoint_url": "https://x.example", "aws_access_key_id": "AK",
        "aws_secret_access_key": "SK", "resolution": 1024, "caption_strategy": "textfile"}], {}),
    "no optimizer": ({"optimizer": None}, [REMOTE], {"option": E}),
}  # fmt: skip


def write(root: Path, changes: dict[str, Any], entries: list[dict[str, Any]]) -> Path:
    for number in range(6):
        write_image(root / "imgs" / f"a{number}.png", (1024, 1024), number)
        (root / "imgs" / f"a{number}.txt").write_text("a dog")
    merged = CONFIG | {key: value for key, value in changes.items() if key != "lycoris"}
    config = {key: value for key, value in merged.items() if value is not None}
    (root / "config.json").write_text(json.dumps(config))
    (root / "multidatabackend.json").write_text(json.dumps([*entries, TEXT_CACHE]))
    if "lycoris" in changes:
        (root / "lycoris_config.json").write_text(json.dumps(changes["lycoris"]))
    return root / "config.json"


def said(path: Path, word: str | None = None) -> Expected:
    """The worst level of each check that is not fine."""
    config = load_config(path, roots=[path.parent])
    listed = check_config(
        config,
        scan(config),
        delivery=Delivery("local", bucket="b"),
        release=profile_for(None, user_word=word),
    )
    levels: Expected = {}
    for check in listed:
        others = check.id in OTHER_PARTS or check.id.startswith(("data-", "delivery-"))
        if check.level == "error" or (check.level == "warn" and check.id not in levels):
            if not others:
                levels[check.id] = check.level
            assert check.advice, check.message
    return levels


@pytest.mark.parametrize("name", CASES)
def test_a_config_gets_the_verdict_of_the_trainer(tmp_path: Path, name: str) -> None:
    changes, entries, expected = CASES[name]
    assert said(write(tmp_path, changes, entries)) == expected


def test_the_default_checkpointing_has_the_verdict_of_the_written_one(tmp_path: Path) -> None:
    verdicts = []
    for number, value in enumerate((None, True)):
        folder = tmp_path / str(number)
        changes = {"train_batch_size": 4, "gradient_checkpointing": value,
                   "base_model_precision": None}  # fmt: skip
        verdicts.append(said(write(folder, changes, [REMOTE])))
    assert verdicts[0] == verdicts[1]


def test_a_config_with_a_trailing_comma_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_family":"flux","max_train_steps":100,}')
    with pytest.raises(ConfigError, match="trailing comma"):
        load_config(tmp_path)


def test_a_warm_check_is_instant(tmp_path: Path) -> None:
    slips = {f"trian_batch_size_{number}": 1 for number in range(10)}
    path = write(tmp_path, {**slips, "train_batch_size": 8}, [LOCAL])
    said(path)
    best = 1.0
    for _ in range(5):
        before = time.process_time()
        assert said(path) == {"option": E, "buckets": E}
        best = min(best, time.process_time() - before)
    assert best < 0.15
