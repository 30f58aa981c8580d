"""Finding and reading configs."""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simpletuner.projects import HOSTED, local_entry, write_dataset, write_project
from tui.simpletuner.config.env_file import parse_env, values_from_env
from tui.simpletuner.config.load import configs_from, discover_configs, load_config
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.config.values import as_bool, as_float, as_int, plain_key, plain_keys
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.inputs import build_inputs

_name_parts = st.text(string.ascii_lowercase, min_size=1, max_size=8)
names = st.lists(_name_parts, min_size=1, max_size=4).map("_".join)


@given(names, st.integers(0, 3), st.booleans())
def test_a_key_is_the_same_in_every_spelling(name: str, dashes: int, kebab: bool) -> None:
    spelled = "-" * dashes + (name.replace("_", "-") if kebab else name)
    assert plain_key(spelled) == name
    assert plain_key(plain_key(spelled)) == name


@given(st.dictionaries(names, st.integers()))
def test_plain_keys_lose_no_option(options: dict[str, int]) -> None:
    values, doubled = plain_keys({f"--{name}": value for name, value in options.items()})
    assert values == options
    assert doubled == ()


def test_the_later_of_two_spellings_counts_and_is_reported() -> None:
    assert plain_keys({"--seed": 1, "seed": 2}) == ({"seed": 2}, ("seed",))
    assert plain_keys({"--seed": 1, "seed": 1}) == ({"seed": 1}, ())


@pytest.mark.parametrize(
    ("value", "number"),
    [("1000", 1000), (1000.0, 1000), ("1e3", 1000), (True, None), ("ten", None), ("1.5", None)],
)
def test_whole_numbers_are_read_from_text(value: object, number: int | None) -> None:
    assert as_int(value) == number


def test_odd_numbers_and_booleans() -> None:
    assert as_float("1e-4") == 1e-4
    assert as_float("nan") is None
    assert as_float("inf") is None
    assert as_bool("TRUE")
    assert not as_bool("false", default=True)
    assert as_bool("perhaps", default=True)


@pytest.mark.parametrize("given_path", ["config/cats", "config/cats/config.json", "cats"])
def test_a_config_is_found_by_folder_file_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_path: str
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = load_config(given_path)
    assert config.name == "cats"
    assert config.datasets[0].path is not None
    assert config.datasets[0].path.is_dir()


def test_a_bare_name_is_looked_for_below_the_roots(tmp_path: Path) -> None:
    write_project(tmp_path)
    assert load_config("cats", roots=[tmp_path]).family == "flux"
    assert load_config("cats", roots=[tmp_path / "config"]).family == "flux"


def test_a_single_file_layout(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "dogs.json").write_text('{"--model_family": "sdxl"}')
    (folder / "multidatabackend.json").write_text(json.dumps([HOSTED]))
    assert load_config(folder / "dogs.json").name == "dogs"
    assert load_config("dogs", roots=[tmp_path]).family == "sdxl"


def test_options_are_read_with_their_types(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "--train_batch_size": "4",
        "train_batch_size": None,
        "push_to_hub": "true",
        "max_train_steps": "2000",
        "learning_rate": "8e-5",
        "model_flavour": None,
        "model_flavor": "krea",
    }
    path = write_project(tmp_path, **given)
    config = load_config(path)
    assert config.train_batch_size == 4
    assert config.push_to_hub
    assert config.max_train_steps == 2000
    assert config.learning_rate == 8e-5
    assert config.flavour == "krea"
    assert config.lora_rank == 16
    assert config.resolution_pixels == 256
    assert config.notes == ()


def test_megapixels_and_pixels(tmp_path: Path) -> None:
    entry = local_entry("datasets/cats", resolution=1.0, resolution_type="area")
    assert load_config(write_project(tmp_path, [entry])).resolution_pixels == 1024
    entry = local_entry("datasets/cats", resolution=512, resolution_type="pixel")
    assert load_config(write_project(tmp_path, [entry])).resolution_pixels == 512


def test_a_json_error_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{\n  "model_family": "flux",\n}')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert (caught.value.line, caught.value.column, caught.value.path) == (2, 25, path)
    assert "trailing comma" in caught.value.message
    assert "line 2" in caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"\xff\xfe\x00", b"", b"[" * 100_000])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.advice


def test_a_missing_path_and_a_folder_without_a_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config"):
        load_config(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        load_config(tmp_path)


def test_a_missing_dataloader_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    path = write_project(tmp_path, data_backend_config="config/nope.json")
    (note,) = load_config(path).notes
    assert note.level == "error"
    assert "config/nope.json" in note.message


@pytest.mark.parametrize("content", ["{", '{"id": "x"}', '["x"]', "3"])
def test_a_broken_dataloader_is_an_error(tmp_path: Path, content: str) -> None:
    path = write_project(tmp_path)
    (path.parent / "multidatabackend.json").write_text(content)
    assert [note.level for note in load_config(path).notes] == ["error"]


def test_the_dataloader_beside_the_config_is_found_without_being_named(tmp_path: Path) -> None:
    path = write_project(tmp_path, data_backend_config=None)
    assert [spec.id for spec in load_config(path).datasets] == ["cats", "text"]


def test_entries_without_an_id_get_one(tmp_path: Path) -> None:
    path = write_project(tmp_path, [local_entry("datasets/cats", id=None)])
    assert load_config(path).datasets[0].id == "dataset-1"


def test_lycoris_settings_are_read(tmp_path: Path) -> None:
    path = write_project(tmp_path, lora_type="lycoris")
    (path.parent / "lycoris_config.json").write_text('{"algo": "lokr", "linear_dim": 64}')
    config = load_config(path)
    assert config.lycoris == {"algo": "lokr", "linear_dim": 64}
    assert config.lora_rank == 64
    (path.parent / "lycoris_config.json").unlink()
    assert [note.level for note in load_config(path).notes] == ["error"]


def test_config_env_alone_makes_a_config(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "old"
    folder.mkdir(parents=True)
    write_dataset(tmp_path / "datasets" / "cats")
    (folder / "multidatabackend.json").write_text(json.dumps([local_entry("datasets/cats")]))
    (folder / "config.env").write_text(
        "# comment\nexport MODEL_FAMILY='sdxl'\nMAX_NUM_STEPS=500 # short\n"
        'export TRAINING_NUM_PROCESSES="2"\nHF_TOKEN=hf_secretsecretsecretsecret\nnonsense\n'
    )
    config = load_config(folder)
    assert (config.family, config.max_train_steps, config.num_processes) == ("sdxl", 500, 2)
    assert "hf_secret" not in repr(config)
    assert any("HF_TOKEN" in note.message for note in config.notes)


def test_config_env_beside_a_config_does_not_replace_it(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    (path.parent / "config.env").write_text("MODEL_FAMILY=sdxl\nTRAINING_NUM_PROCESSES=4\n")
    config = load_config(path)
    assert (config.family, config.num_processes) == ("flux", 4)


def test_env_values() -> None:
    env = {"LR_SCHEDULE": "cosine", "WANDB_API_KEY": "x", "OPTIMIZER": "lion", "PATH": "/bin"}
    assert values_from_env(env) == {"lr_scheduler": "cosine", "optimizer": "lion"}


def test_an_unclosed_quote_in_config_env_is_no_error() -> None:
    assert parse_env("A='half\nB=whole\n")["B"] == "whole"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": [1, 2,]}', "trailing comma"),
        ('{"a": 1, // the first\n"b": 2}', "comment"),
        ("{'a': 1}", "single quotes"),
        ('{"a": True}', "Python"),
        ('{"a": 1\n "b": 2}', "missing comma"),
        ("{a: 1}", "without quotes"),
        ('{"a": one}', "Expecting value"),
    ],
)
def test_a_common_slip_in_json_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_config(path)
    assert caught.value.advice


ENV = """
RESUME_CHECKPOINT='latest'
DATALOADER_CONFIG='multidatabackend.json'
LORA_TYPE='standard'
MODEL_TYPE='lora'
MODEL_FAMILY='flux'
FLUX='true'
KOLORS='false'
MAX_NUM_STEPS='3000'
NUM_EPOCHS='0'
USE_GRADIENT_CHECKPOINTING='true'
VALIDATION_STEPS='500'
ALLOW_TF32='true'
USE_XFORMERS='false'
USE_BITFIT='false'
TRAINER_DYNAMO_BACKEND='no'
VALIDATION_TORCH_COMPILE='false'
VALIDATION_PROMPT='A photo of a cat'
TRAINER_EXTRA_ARGS='--lora_rank=64 --keep_vae_loaded'
export TRAINER_EXTRA_ARGS+=" --seed 3"
TRAINER_EXTRA_ARGS="${TRAINER_EXTRA_ARGS} --lora_alpha=32"
"""


def env_project(root: Path, text: str) -> Path:
    folder = root / "config" / "old"
    folder.mkdir(parents=True)
    (folder / "multidatabackend.json").write_text(json.dumps([HOSTED]))
    (folder / "config.env").write_text(text)
    return folder


def test_config_env_holds_what_simpletuner_maps_and_its_extra_arguments(tmp_path: Path) -> None:
    config = load_config(env_project(tmp_path, ENV))
    assert config.values == {
        "resume_from_checkpoint": "latest",
        "data_backend_config": "multidatabackend.json",
        "lora_type": "standard",
        "model_type": "lora",
        "model_family": "flux",
        "max_train_steps": "3000",
        "num_train_epochs": "0",
        "gradient_checkpointing": "true",
        "validation_step_interval": "500",
        "validation_prompt": "A photo of a cat",
        "lora_rank": "64",
        "keep_vae_loaded": True,
        "seed": "3",
        "lora_alpha": "32",
    }
    messages = [note.message for note in config.notes]
    assert messages == [
        "ALLOW_TF32 is left out: the trainer has no option allow_tf32 any more",
        "config.env: SimpleTuner does not read FLUX",
    ]


def test_a_launchers_config_env_leads_to_the_config_beside_it(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    (path.parent / "config.env").write_text("TRAINING_NUM_PROCESSES=2\nCONFIG_BACKEND=json\n")
    config = load_config(path.parent / "config.env")
    assert (config.path, config.family, config.num_processes) == (path, "flux", 2)
    (path.parent / "config.env").write_text("MODEL_FAMILY=sdxl\n")
    assert load_config(path.parent / "config.env").family == "sdxl"


def test_single_quotes_in_config_env_keep_a_dollar() -> None:
    assert parse_env("A=1\nB='$A'\nC=\"${A}2\"\nD=${NONE}") == {
        "A": "1", "B": "$A", "C": "12", "D": "${NONE}",
    }  # fmt: skip


def test_a_toml_config_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "cats"
    folder.mkdir(parents=True)
    (folder / "multidatabackend.json").write_text(json.dumps([HOSTED]))
    (folder / "config.toml").write_text('model_family = "flux"\n"--max_train_steps" = 100\n')
    assert [ref.path.name for ref in discover_configs([tmp_path])] == ["config.toml"]
    config = load_config(folder)
    assert (config.name, config.family, config.max_train_steps) == ("cats", "flux", 100)
    (folder / "config.toml").write_text("model_family = flux\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(folder)
    (folder / "config.json").write_text('{"model_family": "sdxl"}')
    assert load_config(folder).family == "sdxl"


def test_aliases_and_beginnings_become_the_options_full_name(tmp_path: Path) -> None:
    path = write_project(
        tmp_path, validation_step_interval=None, validation_steps=50, lora_ran=8, save_total_limit=2
    )
    config = load_config(path)
    assert config.values["validation_step_interval"] == 50
    assert config.values["checkpoints_total_limit"] == 2
    assert config.lora_rank == 8
    (note,) = config.notes
    assert (note.level, "later of the two" in note.message) == ("warn", True)
    assert "lora_rank" in note.advice


def test_a_lycoris_config_of_simpletuners_package_is_left_to_the_trainer(tmp_path: Path) -> None:
    place = "config/examples/lycoris_config.json"
    config = load_config(write_project(tmp_path, lora_type="lycoris", lycoris_config=place))
    assert [note.level for note in config.notes] == ["ok"]
    inputs = build_inputs(config, delivery=Delivery("none"))
    assert json.loads(str(inputs.values["config_json"]))["--lycoris_config"] == place
    dataloader = "config/examples/multidatabackend-512px.json"
    (note,) = load_config(write_project(tmp_path, data_backend_config=dataloader)).notes
    assert (note.level, "Copy it here" in note.advice) == ("error", True)


def test_discovery_over_several_roots(tmp_path: Path) -> None:
    write_project(tmp_path / "one", name="cats")
    write_project(tmp_path / "two", name="dogs")
    (tmp_path / "two" / "config" / "single.json").write_text("{}")
    (tmp_path / "two" / "config" / ".hidden.json").write_text("{}")
    (tmp_path / "two" / "config" / "dataloaders").mkdir()
    (tmp_path / "two" / "config" / "dataloaders" / "config.json").write_text("{}")
    roots = [tmp_path / "one", tmp_path / "two" / "config", tmp_path / "none", tmp_path / "one"]
    assert [ref.name for ref in discover_configs(roots)] == ["cats", "dogs", "single"]
    for name in ("dogs-r16", "dogs-r4"):
        (tmp_path / "two" / "config" / f"{name}.json").write_text("{}")
    assert [ref.name for ref in discover_configs(roots)][2:4] == ["dogs-r4", "dogs-r16"]
    for name in ("dogs-r16", "dogs-r4"):
        (tmp_path / "two" / "config" / f"{name}.json").unlink()
    here = configs_from(tmp_path / "two", [tmp_path / "one", tmp_path / "two"])
    assert [ref.name for ref in here] == ["dogs", "single", "cats"]
    assert [ref.name for ref in configs_from(None, roots)] == ["cats", "dogs", "single"]


def test_steps_in_a_form_turn_epochs_off_and_back(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, max_train_steps=0, num_train_epochs=5))
    assert config.num_train_epochs == 5
    changed = with_options(config, {"--max_train_steps": 40})
    assert (changed.max_train_steps, changed.num_train_epochs) == (40, 0)
    again = with_options(changed, {"num_train_epochs": 2})
    assert (again.max_train_steps, again.num_train_epochs) == (0, 2)


def test_repeats_are_set_in_the_datasets_and_are_no_option(tmp_path: Path) -> None:
    changed = with_options(load_config(write_project(tmp_path)), {"repeats": 7})
    assert "repeats" not in changed.values
    assert changed.training_datasets
    assert {spec.repeats for spec in changed.training_datasets} == {7}
    assert all("repeats" not in spec.raw for spec in changed.datasets if spec.kind == "cache")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.json", '{"max_train_steps": ' + "9" * 5000 + "}", "a number that is too long"),
        ("config.toml", "max_train_steps = " + "9" * 5000, "a number that is too long"),
        ("config.toml", "a." * 20_000 + "b = 1", "nested too deeply"),
        ("config.toml", "c = {d = 1, " + "a . " * 20_000 + "b = 1}", "nested too deeply"),
        ("config.json", None, "is not a file with text"),
    ],
)
def test_a_strangers_project_is_refused_in_words(
    tmp_path: Path, name: str, text: str | None, words: str
) -> None:
    file = tmp_path / name
    file.symlink_to("/dev/full") if text is None else file.write_text(text)  # reads as /dev/zero
    with pytest.raises(ConfigError, match=words):
        load_config(file)


def test_a_pipe_is_no_config_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="is not a file with text"):
        load_config(tmp_path / "config.json")
