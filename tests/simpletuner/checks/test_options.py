"""The checks of options against what the trainer's parser accepts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import HOSTED, write_project
from tui.simpletuner.checks.checks import Check, check_config
from tui.simpletuner.checks.describe import describe_checks
from tui.simpletuner.checks.options import FLAG, arguments, nearest
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.facts.options import option_facts
from tui.simpletuner.release.profile import UNKNOWN
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.hardware import PROFILES

LOCAL = Delivery("local", bucket="outputs")


def load(root: Path, lycoris: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    path = write_project(root, [HOSTED], **changes)
    if lycoris is not None:
        (path.parent / "lycoris_config.json").write_text(json.dumps(lycoris))
    return load_config(path)


def findings(config: TrainingConfig, **facts: Any) -> list[Check]:
    release = facts.pop("release", "4.10.1")
    profile = replace(UNKNOWN, options=release, archive=None)
    listed = check_config(config, **{"delivery": LOCAL, "release": profile, **facts})
    others = ("run-time", "memory", "delivery-schedule")
    return [check for check in listed if check.level != "ok" and check.id not in others]


@pytest.mark.parametrize(
    ("changes", "identity", "part"),
    [
        ({"trian_batch_size": 2}, "option", "Did you mean train_batch_size?"),
        ({"lerning_rate": 1e-3}, "option", "Did you mean learning_rate?"),
        ({"disable_validation": True}, "option", "Did you mean validation_disable?"),
        ({"batch_size": 2}, "option", "Did you mean train_batch_size?"),
        ({"max_steps": 2}, "option", "Did you mean max_train_steps?"),
        ({"no_such_thing_at_all": 1}, "option", "Remove it"),
        ({"enable_group_offload": True}, "option", "Remove it"),
        ({"optimizer": "adamw9bit"}, "option", "Did you mean adamw_bf16?"),
        ({"optimizer": None}, "option", "adamw_bf16"),
        ({"model_type": None}, "model-type", "full"),
        ({"base_model_precision": "int9-quanto"}, "option", "Did you mean int8-quanto?"),
        ({"base_model_precision": "int8"}, "option", "Did you mean int8-quanto?"),
        ({"optimizer": "adamw"}, "option", "Did you mean adamw_bf16?"),
        ({"model_family": "sdxl_turbo", "model_flavour": None}, "model-family", "sdxl?"),
        ({"report_to": "tensorbord"}, "report-to", "Did you mean tensorboard?"),
        ({"report_to": "all"}, "report-to", "There are"),
        ({"lr_scheduler": "linearr"}, "option", "Did you mean linear?"),
        ({"mixed_precision": "bf-16"}, "option", "Did you mean bf16?"),
        ({"model_family": "cosmos2image", "model_flavour": "2b"}, "model-family", "cosmos?"),
        ({"model_family": "Flux"}, "model-family", "Did you mean flux?"),
        ({"model_flavour": "kontex"}, "model-flavour", "Did you mean kontext?"),
        ({"model_family": "deepfloyd", "model_flavour": None}, "model-flavour", "i-medium-400m"),
        ({"lora_type": "lokr"}, "lora-type", '"algo": "lokr"'),
        ({"model_type": "lokr"}, "model-type", "lora"),
        ({"max_train_steps": 100.0}, "option", "Write 100."),
        ({"lora_rank": 16.5}, "option", "default is 16"),
        ({"learning_rate": "fast"}, "learning-rate", "1e-4"),
        ({"learning_rate": 0}, "learning-rate", "1e-4"),
        ({"seed": True}, "option", "Write a number"),
        ({"gradient_checkpointing": "maybe"}, "option", "true or false"),
        ({"report_to": "wandbb"}, "report-to", "wandb"),
        ({"report_to": ["tensorboard", "nothing"]}, "report-to", "tensorboard"),
        ({"caption_strategy": "instanceprompt"}, "option", "dataset's entry"),
        ({"aspect_bucket_alignment": 48}, "option", "There are: 8, 16"),
        ({"metadata_update_interval": 30}, "option", "60 or more"),
        ({"gradient_accumulation_steps": 0}, "option", "1 or more"),
        ({"optimizer_beta1": 0.9}, "option", "both or none"),
        ({"max_train_steps": -1, "num_train_epochs": 3}, "steps", "Set it to 0"),
        ({"max_train_steps": 0, "num_train_epochs": 0}, "steps", "Set one of them"),
        ({"maximum_image_size": 1024}, "option", "Set both"),
        ({"base_model_precision": "int8-quanto", "mixed_precision": "fp8"}, "precision", "bf16"),
        ({"model_type": "full"}, "precision", "Train a LoRA"),
        ({"text_encoder_1_precision": "int8-torchao"}, "precision", "one of the two"),
        (
            {"model_family": "sdxl", "model_flavour": None, "base_model_precision": "fp8-quanto"},
            "precision",
            "int8-quanto",
        ),
        ({"deepspeed_config": {"zero_optimization": {}}}, "option", "Remove it"),
        ({"ramtorch": True, "musubi_blocks_to_swap": 4}, "option", "one of both"),
        ({"fsdp_enable": True}, "precision", "Quanto"),
        (
            {"model_family": "wan", "model_flavour": None, "controlnet": True},
            "option",
            "sdxl",
        ),
        ({"model_family": "pixart", "model_flavour": None, "controlnet": True}, "option", "sdxl"),
        ({"model_flavour": "schnell"}, "option", "Set it to true"),
        ({"validation_resolution": "big"}, "option", "1024x768"),
        ({"validation_method": "external-script"}, "option", "Name the script"),
        ({"user_prompt_library": "prompts.json"}, "option", "validation_prompt"),
        ({"validation_guidance_skip_layers": "[1]"}, "option", "Remove it"),
    ],
)
def test_what_the_trainer_refuses_is_one_error_with_its_mend(
    tmp_path: Path, changes: dict[str, Any], identity: str, part: str
) -> None:
    found = [c for c in findings(load(tmp_path, **changes)) if c.level == "error"]
    assert [(c.id, part in c.advice) for c in found] == [(identity, True)]


@pytest.mark.parametrize(
    "changes",
    [
        {"validation_steps": 50, "validation_step_interval": None},
        {"save_total_limit": 3},
        {"model_flavor": "dev", "model_flavour": None},
        {"seed": "42", "learning_rate": "8e-5", "aspect_bucket_rounding": 2},
        {"push_to_hub": "false", "allow_dataset_oversubscription": "yes"},
        {"validation_prompt_library": "portraits"},
        {"validation_resolution": "1024x768,512"},
        {"tracker_run_name": "{model_family}-run", "hub_model_id": "{env:HUB_ID}"},
        {"lora_rank": "{env:RANK}"},
        {"report_to": "tensorboard"},
        {"user_prompt_library": "config/examples/user_prompt_library.json"},
        {"__active_tab__": "model", "configs_dir": "here"},
        {"unknown_but_empty": "", "unknown_but_null": None},
        {"model_flavour": "schnell", "flux_fast_schedule": True},
        {"model_flavour": "my-own", "pretrained_model_name_or_path": "me/model"},
        {"model_type": "full", "base_model_precision": "no_change", "model_family": "sd1x",
         "model_flavour": "1.5"},
        {"maximum_image_size": 2048, "target_downsample_size": 1536},
    ],
)  # fmt: skip
def test_what_the_trainer_accepts_is_not_complained_about(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert findings(load(tmp_path, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "identity", "part"),
    [
        ({"report_to": "tensorboard,wandb"}, "report-to", "wandb"),
        ({"report_to": ["swanlab"]}, "report-to", "swanlab"),
        ({"repeats": 10}, "option", "no effect"),
        ({"gradient_checkpointing": "false"}, "option", "stays on"),
        ({"unknown_thing": {"a": 1}}, "option", "left out"),
        ({"optimizer": "prodigy"}, "option", "may lack"),
    ],
)
def test_what_the_trainer_ignores_is_a_warning(
    tmp_path: Path, changes: dict[str, Any], identity: str, part: str
) -> None:
    (check,) = findings(load(tmp_path, **changes))
    assert (check.id, check.level) == (identity, "warn")
    assert part in check.message


@pytest.mark.parametrize(
    ("changes", "older", "newer", "unknown"),
    [
        ({"moss_image_auto_json": True}, "error", None, "warn"),
        ({"enable_group_offload": True}, None, "error", "warn"),
        ({"attention_mechanism": "kohaku-fa"}, "error", None, "warn"),
        ({"model_family": "flux3_image", "model_flavour": None}, "error", None, "warn"),
        ({"model_family": "qwen_image", "model_flavour": None}, None, None, "warn"),
        ({"not_an_option": 1}, "error", "error", "error"),
    ],
)
def test_a_finding_follows_the_release(
    tmp_path: Path, changes: dict[str, Any], older: str, newer: str, unknown: str
) -> None:
    config = load(tmp_path, **changes)
    for release, level in (("4.8.0", older), ("4.10.1", newer), (None, unknown)):
        found = findings(config, release=release)
        assert [c.level for c in found] == ([level] if level else []), release
        assert all("4.10.1" in c.message or "4.8.0" in c.message or c.id == "model-flavour"
                   for c in found)  # fmt: skip


def test_an_option_of_a_release_that_came_later_is_no_error(tmp_path: Path) -> None:
    (check,) = findings(load(tmp_path, brand_new_option=1), release="4.11.0")
    assert check.level == "warn"


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "full_matrix": True}, None),
        ({"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "linear_dim": 10000}, None),
        ({"algo": "lokr", "linear_alpha": 1, "linear_dim": 16}, "multiplier"),
        ({"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "full_matrix": "yes"},
         "linear_dim"),
        ({"linear_dim": 4}, "algo, multiplier, linear_alpha"),
    ],
)  # fmt: skip
def test_lycoris_settings_need_their_keys(
    tmp_path: Path, settings: dict[str, Any], missing: str | None
) -> None:
    found = findings(load(tmp_path, settings, lora_type="lycoris"))
    assert [missing is not None and missing in c.message for c in found] == [True] * bool(missing)


def test_lycoris_and_the_text_encoder_exclude_each_other(tmp_path: Path) -> None:
    settings = {"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, "full_matrix": True}
    (check,) = findings(load(tmp_path, settings, lora_type="lycoris", train_text_encoder=True))
    assert (check.id, check.level) == ("lycoris", "error")


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ({"provider": "s3", "bucket": "b"}, False),
        ({"provider": "azure_blob", "container": "c"}, False),
        ({"bucket": "b"}, True),
        ({"provider": "ftp", "bucket": "b"}, True),
        ({"provider": "backblaze_b2"}, True),
    ],
)
def test_a_target_that_publishes_nothing_is_an_error_unless_it_is_replaced(
    tmp_path: Path, target: dict[str, Any], refused: bool
) -> None:
    config = load(tmp_path, publishing_config=[target])
    found = findings(config, delivery=Delivery("hub", hub_model_id="me/cats"))
    assert [c.id for c in found] == ["publishing"] * refused
    assert findings(config) == []


def test_several_gpus_change_fp8_quanto(tmp_path: Path) -> None:
    config = load(tmp_path, base_model_precision="fp8-quanto", num_processes=2)
    assert "precision" in {c.id for c in findings(config, profile=PROFILES["h100-x2"])}
    one = load(tmp_path / "one", base_model_precision="fp8-quanto")
    assert findings(one) == []


def test_a_correction_leads_to_a_config_without_that_finding(tmp_path: Path) -> None:
    config = load(
        tmp_path, trian_batch_size=2, train_batch_size=None, model_flavour="kontex", lora_rank=8.0
    )
    for check in findings(config):
        config = with_options(config, check.changes)
    assert config.train_batch_size == 2
    assert [c for c in findings(config) if c.id in ("option", "model-flavour")] == []


def test_a_secret_under_a_wrong_name_is_not_shown(tmp_path: Path) -> None:
    found = findings(load(tmp_path, hub_tokn="hf_" + "x" * 30))
    assert "xxxx" not in "".join(c.message + c.advice for c in found)


@pytest.mark.parametrize(
    ("name", "value", "given"),
    [
        ("seed", 3, ["3"]),
        ("seed", " 3 ", ["3"]),
        ("seed", "", []),
        ("push_to_hub", True, [FLAG]),
        ("push_to_hub", "TRUE", [FLAG]),
        ("push_to_hub", False, ["false"]),
        ("push_to_hub", "False", []),
        ("validation_prompt", ["a", " ", "b"], ["a", "b"]),
        ("report_to", ["a", "b"], ["a,b"]),
        ("tread_config", {"a": 1}, ['{"a": 1}']),
        ("seed", {"a": 1}, []),
    ],
)
def test_values_become_arguments_as_in_the_trainer(
    name: str, value: Any, given: list[object]
) -> None:
    assert arguments(option_facts().options[name], value) == given


def test_the_nearest_name_begins_alike() -> None:
    assert nearest("cosmos2image", ["moss_image", "cosmos3", "cosmos"]) == "cosmos"
    assert nearest("zzz", ["alpha"]) is None


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({"model_family": "pixart", "model_flavour": None, "controlnet": True},
         {"controlnet": None}),
        ({"lora_type": "lycoris", "train_text_encoder": True}, {"train_text_encoder": None}),
        ({"model_flavour": "schnell"}, {"flux_fast_schedule": True}),
        ({"mixed_precision": "bf-16"}, {"mixed_precision": "bf16"}),
    ],
)  # fmt: skip
def test_a_value_that_is_the_default_is_put_by_leaving_the_option_out(
    tmp_path: Path, changes: dict[str, Any], made: dict[str, Any]
) -> None:
    """A draft can take any option out: it needs no value where the trainer's is the same."""
    described = describe_checks(findings(load(tmp_path, **changes)))
    assert made in [finding["changes"] for finding in described]


@pytest.mark.parametrize("name", ["output_dir", "no_such_option"])
def test_a_change_that_a_draft_cannot_make_is_not_offered_in_part(name: str) -> None:
    finding = Check("option", "error", "x", "y.", {"lora_rank": 16, name: True, "old": None})
    (described,) = describe_checks([finding])
    assert described["changes"] == {}
    assert described["advice"] == (
        f'y. Write into the config: "lora_rank": 16, "{name}": true, and take out old.'
    )


def test_each_change_of_a_finding_is_made_by_a_key_or_said_in_words(tmp_path: Path) -> None:
    """Misspelt names of all options, those with an override and those without one."""
    wrong: dict[str, Any] = {f"{name}x": 7 for name in option_facts().options}
    found = [c for c in findings(load(tmp_path, **wrong)) if c.changes]
    said = 0
    for check, described in zip(found, describe_checks(found), strict=True):
        if not described["changes"]:
            (name,) = [name for name, value in check.changes.items() if value is not None]
            assert f'"{name}": 7, and take out {name}x.' in described["advice"]
            said += 1
    assert said > 100


def test_a_job_that_changes_to_lycoris_needs_its_settings(tmp_path: Path) -> None:
    """The file is read where the config names it; a change for one job reads none."""
    changed = with_options(load(tmp_path), {"lora_type": "lycoris"})
    errors = [finding.message for finding in findings(changed) if finding.level == "error"]
    assert any("no LyCORIS settings" in message for message in errors)
    there = replace(changed, lycoris={"algo": "lokr", "multiplier": 1, "linear_alpha": 1})
    assert not any("no LyCORIS settings" in finding.message for finding in findings(there))


def test_captions_are_read_as_a_job_changes_it(tmp_path: Path) -> None:
    config = load(tmp_path)
    bare = replace(config.datasets[0], raw={"id": "bare"}, caption_strategy="filename")
    config = replace(config, datasets=(bare, config.datasets[0]))
    changed = with_options(config, {"caption_strategy": "textfile"})
    assert [one.caption_strategy for one in changed.datasets] == [
        "textfile", config.datasets[1].caption_strategy
    ]  # fmt: skip
    assert with_options(changed, {"caption_strategy": None}).datasets == config.datasets
