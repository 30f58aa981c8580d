"""Axes become combinations with names; what the trainer could not tell apart is found."""

from __future__ import annotations

from typing import Any

import pytest

from tui.simpletuner.compare import RunSettings
from tui.simpletuner.sweep import (
    MOST_MEMBERS,
    Axis,
    AxisError,
    combinations,
    differing,
    identical,
    make_axis,
    member_names,
    read_axis,
    stops,
)


def test_axes_make_every_combination_with_typed_values_and_a_name() -> None:
    axes = [read_axis("--learning-rate=1e-4, 5e-5"), read_axis("lora_rank=16,32")]
    found = combinations(axes)
    assert [one.changes for one in found] == [
        {"learning_rate": 1e-4, "lora_rank": 16},
        {"learning_rate": 1e-4, "lora_rank": 32},
        {"learning_rate": 5e-5, "lora_rank": 16},
        {"learning_rate": 5e-5, "lora_rank": 32},
    ]
    assert [one.label for one in found] == ["lr1e-4-r16", "lr1e-4-r32", "lr5e-5-r16", "lr5e-5-r32"]
    assert combinations([]) == [({}, "")]


@pytest.mark.parametrize(
    ("text", "values", "label"),
    [
        ("validation_prompt=a cat,a dog", ("a cat", "a dog"), "validation-prompt-a-cat"),
        ('validation_prompt="a cat, red",a dog', ("a cat, red", "a dog"),
         "validation-prompt-a-cat-red"),
        ("vae_enable_tiling=yes,off", (True, False), "vae-enable-tiling-yes"),
        ("optimizer=adamw_bf16,prodigy", ("adamw_bf16", "prodigy"), "adamw-bf16"),
        ("resolution=512,0.5", (512.0, 0.5), "res512"),
        ("validation_method=../../x,y", ("../../x", "y"), "validation-method-x"),
    ],
)  # fmt: skip
def test_values_are_parsed_by_the_option_s_type(
    text: str, values: tuple[Any, ...], label: str
) -> None:
    axis = read_axis(text)
    assert axis.values == values
    assert combinations([axis])[0].label == label


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("learning_rate", "NAME=VALUE"),
        ("learning_rate=", "empty"),
        ("learning_rate=1e-4,,5e-5", "empty"),
        ("learning_rate=1e-4,fast", "learning_rate=fast: must be a number"),
        ("lora_rank=16,8.5", "lora_rank=8.5: must be a whole number"),
        ("lora_rank=16,0", "more than zero"),
        ("hub_token=a,b", "is no option"),
        ("learning_rate=1e-4,0.0001", "0.0001 and 1e-4, which are the same"),
        ("learning_rate=1e-4,1e-4", "1e-4 twice"),
        ("vae_enable_tiling=yes,true", "the same"),
        ('validation_prompt="a', "unexpected end"),
        (f"lora_rank={','.join(map(str, range(1, MOST_MEMBERS + 2)))}", "at most 32"),
    ],
)
def test_an_axis_that_cannot_be_used_says_why(text: str, why: str) -> None:
    with pytest.raises(AxisError, match=why):
        read_axis(text)


def test_too_many_combinations_and_an_option_with_two_axes_are_refused() -> None:
    rank = make_axis("lora_rank", map(str, range(1, 9)))
    with pytest.raises(AxisError, match="40 runs"):
        combinations([rank, make_axis("learning_rate", ["1", "2", "3", "4", "5"])])
    with pytest.raises(AxisError, match="lora_rank has two axes"):
        combinations([rank, Axis("lora_rank", ("9",), (9,))])


def test_names_are_told_apart() -> None:
    wanted = [("cat", "r16"), ("cat", "r32"), ("cat", "r16"), ("dog", ""), ("dog", "")]
    assert member_names(wanted) == ["cat-r16", "cat-r32", "cat-r16-2", "dog", "dog-2"]
    assert len(member_names([("cat", "x" * 500)])[0]) < 100


def _run(data: str = "d", datasets: list[dict[str, Any]] | None = None, **config: Any) -> Any:
    return RunSettings(config, {}, datasets or [], data, "v", "l40s")


def test_runs_that_the_trainer_reads_as_one_are_found_however_they_are_written() -> None:
    one, other = _run(learning_rate="1e-4", lora_rank=16), _run(lora_rank="32")
    dashed = RunSettings({"--learning-rate": 0.0001, "--lora-rank": 16.0}, {}, [], "d", "v", "l40s")
    assert identical([one, other, dashed]) == (0, 2)
    assert identical([one, other]) is None
    assert identical([one, _run("other pictures", learning_rate="1e-4", lora_rank=16)]) is None
    named = _run(learning_rate=1e-4, lora_rank=16, tracker_run_name="x", hub_model_id="a/b")
    assert identical([one, named]) == (0, 1)  # a name trains nothing


def test_what_differs_is_named_once() -> None:
    runs = [
        _run(datasets=[{"id": "a", "resolution": size, "repeats": 1}], resolution=size,
             resolution_type=kind, lora_rank=16)
        for size, kind in ((512, "pixel_area"), (1, "area"))
    ]  # fmt: skip
    assert differing(runs) == [{"resolution": "512"}, {"resolution": "1"}]
    assert differing(runs[:1]) == [{}]


def test_what_is_swept_is_named_in_the_order_of_the_axes() -> None:
    runs = [
        _run(max_train_steps=9 - rank, lora_rank=rank, train_batch_size=rank) for rank in (2, 4)
    ]
    named = [[*one] for one in differing(runs, ["--train-batch-size", "lora_rank"])]
    assert named == [["train_batch_size", "lora_rank", "max_train_steps"]] * 2


@pytest.mark.parametrize(
    ("outcomes", "stopped"),
    [
        ([], False), ([False], False), ([False, False], True), ([True, False, False], True),
        ([False, True, False], False), ([False, False, True], False),
    ],
)  # fmt: skip
def test_two_failures_in_a_row_stop_a_sweep(outcomes: list[bool], stopped: bool) -> None:
    assert stops(outcomes) is stopped


def test_a_name_is_made_of_the_start_of_a_long_value() -> None:
    """To read a million letters for it would hold the event loop."""
    [made] = combinations([make_axis("validation_prompt", ["- " * 500_000 + "cat"])])
    assert made.label == "validation-prompt-x"
