"""The command line that the form shows starts the job that the form would start."""

from __future__ import annotations

import io
import shlex
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.canary import MARK, assert_clean
from tui.api import submission
from tui.app.new_job.command import command_line
from tui.base.errors import ApiError, RefusedError
from tui.cli.main import build_parser
from tui.cli.submit_commands import draft_of
from tui.engine.http_api.body import validated
from tui.engine.submission.draft import Draft, Overrides, read_draft
from tui.simpletuner.config.overrides import OVERRIDES, override_text, parse_override
from tui.simpletuner.facts.options import SET_BY_JOB, option_facts

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(1, 10**9),
    "number": st.floats(1e-9, 1e9),
    "switch": st.booleans(),
    "text": WORDS.map(str.strip).filter(bool),
    "prose": st.sampled_from(["step {current_step}, 'ok'", "-- a note; of $5", "zwei\nZeilen é"]),
}
DRAFTS = st.fixed_dictionaries(
    {"config": WORDS.filter(lambda text: not text.startswith("-"))},
    optional={
        "name": WORDS,
        "hardware": st.sampled_from(["l40s", "h100", "h100-x2"]),
        "model": st.just("owner/name:abc"),
        "version": st.just("f" * 64),
        "data": st.sampled_from(["upload", "hosted", "remote", "staged"]),
        "staging": st.sampled_from(["hub", "here", "bucket:mine"]),
        "keep_staged": st.just(value=True),
        "leave_out_uncaptioned": st.just(value=True),
        "tags": st.lists(WORDS, min_size=1, max_size=3),
        "images_url": st.just("https://example.org/a'b.zip"),
        "delivery": st.fixed_dictionaries(
            {"kind": st.sampled_from(["local", "hub", "none", "s3"])},
            optional={
                "hub_model_id": st.just("alice/cat"),
                "destination": st.just("mine"),
                "bucket": st.just("models"),
                "region": st.just("eu-central-1"),
                "prefix": st.just("runs/a b+c/{job_id}"),
                "public_base_url": st.just("https://files.example.org/a'b"),
            },
        ),
        "overrides": st.fixed_dictionaries(
            {},
            optional={name: VALUES[kind] for name, (kind, _) in OVERRIDES.items()}
            | {
                "lr_scheduler": st.just("cosine"),
                "seed": st.integers(-1, 2**62),
                "adam_epsilon": st.floats(1e-12, 1),
                "use_ema": st.booleans(),
                "tread_config": st.just({"routes": [{"start_layer_idx": 2, "é": "a b"}]}),
            },
        ),
        "cancel_after": st.integers(5, 10**6),
        "cost_ceiling_micros": st.integers(1, 10**12),
    },
)


def read(command: str) -> submission.Draft:
    program, *arguments = shlex.split(command)
    assert program == "simpletuner-tui"
    return draft_of(_parser().parse_args(arguments))


_parser = cache(build_parser)


@given(draft=DRAFTS)
def test_the_command_line_has_every_value_of_the_form(draft: dict[str, Any]) -> None:
    if draft.get("data") != "staged":  # the form sets a place only with that way
        draft.pop("staging", None)
    sent = read(command_line({**draft, "consent": True, "idempotency_key": "x"}))
    sent.pop("cwd")
    assert sent == {"delivery": {}, "overrides": {}, **draft}


def test_values_are_quoted_for_the_shell() -> None:
    draft = {"config": "my configs/a.json", "hardware": "h100", "delivery": {"kind": "local"}}
    assert command_line(draft) == (
        "simpletuner-tui submit 'my configs/a.json' --hardware h100 --delivery local"
    )


def test_a_signed_address_is_not_for_the_shells_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signed = f"https://example.org/a.zip?sig={MARK}"
    command = command_line({"config": "a", "data": "hosted", "images_url": signed})
    assert_clean([command])
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{signed}\n"))
    assert read(command)["images_url"] == signed


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("vae_batch_size", "NAME=VALUE"),
        ("vae_batch_size=0", "more than zero"),
        ("vae_batch_size=1.5", "whole number"),
        ("learning_rate=nan", "more than zero"),
        ("learning_rate=0,0001", "write 0.0001 with a point"),
        ("learning_rate=0,001", "write 0.001 with a point"),
        ("learning_rate=1e-4,5e-5", "one number.*--sweep learning_rate=1e-4,5e-5"),
        ("lora_rank=8, 16", "one number.*--sweep lora_rank=8,16"),
        ("lora_rank=8,16,32,64", "one number.*--sweep lora_rank=8,16,32,64"),
        ("adam_beta1=0,9", "write 0.9 with a point"),
        ("seed=1,2,3", "one number.*--sweep seed=1,2,3"),
        ("gradient_checkpointing=perhaps", "true or false"),
        ("learning_rat=1", "no option of SimpleTuner .*; did you mean learning_rate?"),
        ("warp_drive=1", "no option of SimpleTuner"),
        ("output_dir=/tmp", "is set by the job itself"),
        ("seed=1.5", "whole number"),
        ("use_ema=perhaps", "true or false"),
        ("adam_beta1=nan", "must be a number"),
        ("tread_config={'routes': 1}", "is not JSON"),
        ("lr_scheduler=", "must not be empty"),
        (f"instance_prompt=hf_{'a' * 30}", "looks like a secret"),
    ],
)
def test_an_impossible_setting_is_refused(said: str, words: str) -> None:
    with pytest.raises(ApiError, match=words):
        build_parser().parse_args(["check", "config.json", "--set", said])


@pytest.mark.parametrize("name", OVERRIDES)
def test_the_options_mean_what_the_engine_takes(name: str) -> None:
    assert set(Overrides.model_fields) == set(OVERRIDES)
    kind, least = OVERRIDES[name]
    text = {"switch": "true", "text": "int8", "prose": "words", "number": "0.5"}.get(
        kind, f"{least:g}"
    )
    value = parse_override(name, text)
    assert parse_override(name, override_text(value)) == value
    draft = Draft.model_validate({"config": "x", "overrides": {name: value}})
    assert draft.overrides.given() == {name: value}


def test_every_other_option_of_the_trainer_can_be_given_by_its_type() -> None:
    values = {"bool": True, "int": 3, "float": 0.5, "tracker list": "none"}
    others = {
        name: values.get(option.type, "words")
        for name, option in option_facts().options.items()
        if name not in OVERRIDES and name not in SET_BY_JOB
    }
    assert len(others) > 500
    shown = {name: parse_override(name, override_text(value)) for name, value in others.items()}
    assert shown == others
    overrides = Draft.model_validate({"config": "x", "overrides": others}).overrides
    assert overrides.given() == others
    validated({"config": "x", "overrides": others}, submission.Draft)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "3"), ("seed", True), ("seed", 2**70), ("adam_beta1", "0.9"), ("use_ema", 1),
        ("lr_scheduler", True), ("lr_scheduler", {"a": 1}), ("lr_scheduler", ["a"]),
        ("lr_scheduler", f"r8_{'a' * 30}"), ("output_dir", "/tmp"), ("warp_drive", 1),
        ("warp_drive", None), ("repeats", "many"),
    ],
)  # fmt: skip
def test_the_engine_refuses_what_is_no_value_of_an_option(name: str, value: Any) -> None:
    with pytest.raises(RefusedError, match=name):
        read_draft({"config": "x", "overrides": {name: value}})
