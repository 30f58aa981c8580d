"""The sandbox's small parts, without a server."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st

from tui.sandbox import ids
from tui.sandbox.clock import Clock, parse_stamp, stamp
from tui.sandbox.config import SandboxConfig, make_token
from tui.sandbox.faults import ActiveFaults, Fault, FaultKind
from tui.sandbox.limits import Bucket
from tui.sandbox.releases import EARLY, SUMMER, WISHED, hello_schema, trainer_schema
from tui.sandbox.schema_check import check_input, secret_inputs
from tui.sandbox.trainer.console import bar_line, stage_line, summary_line
from tui.sandbox.trainer.output_files import shapes_for, write_weights
from tui.sandbox.trainer.plan import read_plan
from tui.sandbox.webhooks import sign

MOMENT = datetime(2026, 11, 22, 9, 8, 7, 123456, UTC)


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        (3, "2026-11-22T09:08:07.123Z"),
        (6, "2026-11-22T09:08:07.123456Z"),
        (9, "2026-11-22T09:08:07.123456000Z"),
    ],
)
def test_times_have_the_digits_that_the_service_writes(digits: int, text: str) -> None:
    assert stamp(MOMENT, digits) == text
    assert abs((parse_stamp(text) - MOMENT).total_seconds()) < 0.001


def test_durations_shrink_with_the_speed_and_times_of_day_do_not() -> None:
    clock = Clock(60.0)
    assert clock.real(3600) == 60
    assert (clock.after(3600, MOMENT) - MOMENT).total_seconds() == 60
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1


def test_ids_have_the_recorded_shapes() -> None:
    assert re.fullmatch(r"[a-z0-9]{26}", ids.prediction_id())
    assert re.fullmatch(r"[0-9a-f]{64}", ids.version_id("a/b", "1"))
    assert ids.version_id("a/b", "1") != ids.version_id("a/b", "2")
    assert re.fullmatch(r"r8_[A-Za-z0-9]{37}", make_token())
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{32}", ids.webhook_secret())


@given(st.sampled_from("np"), st.integers(0, 10**9))
def test_cursors_are_decoded_as_they_were_encoded(direction: str, position: int) -> None:
    assert ids.decode_cursor(ids.encode_cursor(direction, str(position))) == (
        direction,
        str(position),
    )


@given(st.text())
def test_an_invalid_cursor_raises_only_a_value_error(text: str) -> None:
    try:
        ids.decode_cursor(text)
    except ValueError:
        return


def test_a_token_is_not_in_the_repr() -> None:
    config = SandboxConfig()
    assert config.token not in repr(config)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({}, []),
        ({"max_train_steps": 5, "return_logs": False, "images": "https://x/y.zip"}, []),
        ({"max_train_steps": None}, []),
        ({"max_train_steps": "5"}, ["invalid_type"]),
        ({"max_train_steps": True}, ["invalid_type"]),
        ({"max_train_steps": 0}, ["number_gte"]),
        ({"return_logs": None}, ["invalid_type"]),
        ({"images": "/home/me/cats.zip"}, ["format"]),
        ({"webhook_config": "[]"}, []),
    ],
)
def test_inputs_are_checked_against_the_schema(values: dict[str, Any], kinds: list[str]) -> None:
    problems = check_input(trainer_schema(WISHED), values)
    assert [problem["type"] for problem in problems] == kinds
    assert all(problem["field"].startswith("input.") for problem in problems)


def test_an_early_version_refuses_unknown_inputs() -> None:
    problems = check_input(trainer_schema(EARLY), {"lycoris_config": "{}"})
    assert [item["type"] for item in problems] == ["additional_property_not_allowed"]
    assert check_input(trainer_schema(SUMMER), {"lycoris_config": "{}"}) == []


def test_required_inputs_and_enums_behind_a_reference() -> None:
    assert [item["type"] for item in check_input(hello_schema(), {})] == ["required"]
    wrong = check_input(hello_schema(), {"text": "x", "tone": "rude"})
    assert [item["type"] for item in wrong] == ["enum"]


def test_the_trainers_secrets_are_declared() -> None:
    assert secret_inputs(trainer_schema(WISHED)) == {"hf_token", "s3_access_key", "s3_secret_key"}


def test_fault_texts() -> None:
    fault = Fault.parse("rate-limit=5*3@POST /v1/predictions")
    assert fault == Fault(FaultKind.RATE_LIMIT, 5.0, 3, "POST /v1/predictions")
    assert Fault.from_json(fault.to_json()) == fault
    assert Fault.parse("nsfw") == Fault(FaultKind.NSFW)
    for wrong in ("earthquake", "", "oom=", "oom*x"):
        with pytest.raises(ValueError, match=r"fault"):
            Fault.parse(wrong)
    for data in (7, {}, {"kind": "oom", "value": "x"}, {"kind": "oom", "times": -1}):
        with pytest.raises(ValueError, match=r"."):
            Fault.from_json(data)


def test_a_fault_occurs_as_often_as_configured_and_only_where_it_matches() -> None:
    box = ActiveFaults([Fault.parse("slow=1*2@GET /v1/account")])
    assert box.take(FaultKind.SLOW, "GET /v1/files") is None
    assert [bool(box.take(FaultKind.SLOW, "GET /v1/account")) for _ in range(3)] == [
        True,
        True,
        False,
    ]


def test_a_rate_limit_is_used_up_and_refilled() -> None:
    bucket = Bucket(2, speed=1.0)
    assert bucket.take() == bucket.take() == 0
    assert 0 < bucket.take() <= 30
    bucket.seen -= 31
    assert bucket.take() == 0
    assert set(bucket.headers()) == {"ratelimit-remaining", "ratelimit-reset"}


def test_webhook_signatures_equal_the_public_vector() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_stage_lines() -> None:
    stage = stage_line
    assert stage("Preparing model components") == "[STAGE] ⏳ Preparing model components"
    assert stage("A", "b", state="completed") == "[STAGE] ✓ A (100.0%): b"
    assert stage("A", count=(5, 40)) == "[STAGE] ⏳ A (5/40)"
    assert stage("A", "b", state="failed") == "[STAGE] ✗ A: b"
    assert stage("A", state="skipped") == "[STAGE] • A"


@pytest.mark.parametrize(
    ("label", "done", "total", "elapsed", "postfix", "text"),
    [
        ("Epoch 1/5 Steps", 0, 100, 0, "", "  0%|          | 0/100 [00:00<?, ?it/s]"),
        (
            "Epoch 1/5, Steps",
            1,
            100,
            3.45,
            "lr=0.0001, step_loss=0.412",
            "  1%|          | 1/100 [00:03<05:41,  3.45s/it, lr=0.0001, step_loss=0.412]",
        ),
        (
            "Epoch 2/5, Steps",
            35,
            100,
            62.3,
            "lr=1e-5",
            " 35%|███▌      | 35/100 [01:02<01:55,  1.78s/it, lr=1e-5]",
        ),
        (
            "Epoch 12/40, Steps",
            2900,
            10000,
            6131,
            "",
            " 29%|██▉       | 2900/10000 [1:42:11<4:10:10,  2.11s/it]",
        ),
    ],
)
def test_bars_look_like_tqdm(
    label: str, done: int, total: int, elapsed: float, postfix: str, text: str
) -> None:
    assert bar_line(label, done, total, elapsed, postfix) == f"{label}: {text}"


def test_a_step_summary() -> None:
    text = summary_line(99, 1000, loss=0.0911, rate=1e-4, epochs=(1, 5), mean=0.0911)
    assert text == (
        "Step 99 of 1000: loss 0.0911, lr 0.0001, epoch 1/5, "
        "ema_decay_value None (EMA not in use), train_loss 0.0911"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"--lora_rank": 8}, {"lora_A": (8, 3072), "lora_B": (3072, 8)}),
        ({"--lora_type": "lycoris"}, {"lokr_w1": (16, 16), "lokr_w2": (192, 192)}),
        ({"--model_type": "full"}, {"qkv": (3072, 3072)}),
    ],
)
def test_weights_are_real_safetensors(
    tmp_path: Path, options: dict[str, Any], expected: dict[str, tuple[int, int]]
) -> None:
    config = json.dumps({"model_family": "flux", **options})
    plan = read_plan({"config_json": config, "images": "https://x/y.zip"}, "cog-1")
    path = tmp_path / "weights.safetensors"
    write_weights(path, shapes_for(plan), random.Random(1), {"simulated": "true"})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + length])["__metadata__"] == {"simulated": "true"}
    tensors = dict(safetensors.deserialize(data))
    shapes = {name: tuple(tensor["shape"]) for name, tensor in tensors.items()}
    assert {tensor["dtype"] for tensor in tensors.values()} == {"BF16"}
    for part, shape in expected.items():
        assert {shapes[name] for name in shapes if part in name} == {shape}
