"""Settings of several runs, compared as the trainer reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.compare import RunSettings, as_read, compare_settings
from tui.simpletuner.facts.options import default_of


def differing(*configs: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    settings = compare_settings([RunSettings(config, {}) for config in configs])
    return {one.name: one.values for one in settings if one.differs}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"--learning-rate": "1e-4"}, {"learning_rate": 0.0001}),
        ({"max_train_steps": "2000"}, {"max_train_steps": 2000.0}),
        ({"lora_rank": default_of("lora_rank")}, {}),
        ({"gradient_checkpointing": "true"}, {"gradient_checkpointing": True}),
        ({"gradient_checkpointing": "false"}, {}),
        ({"save_total_limit": 3}, {"checkpoints_total_limit": 3}),
        ({"model_flavor": "dev"}, {"model_flavour": "dev"}),
        ({"lycoris_config": '{"b": 1, "a": 2}'}, {"lycoris_config": {"a": 2, "b": 1}}),
        ({"vae_cache_preprocess": True}, {}),
        ({"learning_rate": None}, {}),
        ({"output_dir": "a", "tracker_run_name": "a"}, {"output_dir": "b"}),
        ({"not_an_option": "1e-4"}, {"not_an_option": 0.0001}),
    ],
)
def test_the_same_in_other_words_does_not_differ(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert differing(one, other) == {}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"lora_rank": 32}, {}, {"lora_rank": ("32", "16")}),
        ({"learning_rate": 1e-4}, {"learning_rate": "5e-5"},
         {"learning_rate": ("0.0001", "5e-05")}),
        ({"not_an_option": "x"}, {}, {"not_an_option": ("x", "")}),
        ({"lr_scheduler": "constant"}, {"lr_scheduler": "cosine"},
         {"lr_scheduler": ("constant", "cosine")}),
    ],
)  # fmt: skip
def test_what_the_trainer_would_do_differently_differs(
    one: dict[str, Any], other: dict[str, Any], found: dict[str, tuple[str, str]]
) -> None:
    assert differing(one, other) == found


def test_a_setting_in_several_spellings_is_one_line_with_what_the_trainer_takes() -> None:
    cats = {"id": "cats", "type": "local", "crop": True, "nested": {"a": [1, {"b": 2}]}}
    one = RunSettings(
        {"--lora-rank": 4, "lora_rank": 8, "--lora_rank": "32", "checkpointing_steps": 5,
         "checkpoint_step_interval": 50, "model_flavor": "x", "--model_flavour": "dev",
         "save_total_limit": 1, "checkpoints-total-limit": 2, "--train": {"a": {"b": 1}}},
        {"lora-rank": 64}, [cats, {**cats, "id": None}],
    )  # fmt: skip
    other = RunSettings({"lora_rank": 16, "train": {"a": {"b": 2}}}, {}, [{**cats, "crop": 0}])
    settings = compare_settings([one, other])
    names = [setting.name for setting in settings]
    assert len(names) == len(set(names))
    found = {setting.name: setting.values[0] for setting in settings}
    assert (found["lora_rank"], found["checkpoint_step_interval"]) == ("64", "50")
    assert (found["model_flavour"], found["checkpoints_total_limit"]) == ("dev", "2")
    assert not any("-" in name for name in names)


def test_inputs_of_the_predictor_replace_the_config_and_others_are_no_settings() -> None:
    one = RunSettings({"max_train_steps": 100}, {"max_train_steps": 2000, "hf_token": "***"})
    other = RunSettings({"max_train_steps": 2000}, {"config_json": "{}"})
    assert [setting for setting in compare_settings([one, other]) if setting.differs] == []


def test_data_trainer_and_hardware_are_settings_and_come_first() -> None:
    cats = {"id": "cats", "type": "local", "repeats": "10", "cache_dir_vae": "/a"}
    one = RunSettings({"aim": 1}, {}, [cats], "d1", "t:1", "l40s")
    other = RunSettings({"aim": 2}, {}, [{**cats, "repeats": 5, "cache_dir_vae": "/b"}],
                        "d2", "t:2", "l40s")  # fmt: skip
    settings = compare_settings([one, other])
    assert [one.name for one in settings if one.differs] == [
        "data", "datasets.cats.repeats", "trainer", "aim",
    ]  # fmt: skip
    assert {one.name for one in settings if not one.differs} == {"datasets.cats.type", "hardware"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.sampled_from(["lora_rank", "learning_rate", "optimizer", "lycoris_config", "x"]), VALUES)
def test_any_value_of_a_strange_config_can_be_read(name: str, value: Any) -> None:
    read = as_read(name, value)
    assert read is None or isinstance(read, str)
    assert differing({name: value}, {name: value}) == {}
