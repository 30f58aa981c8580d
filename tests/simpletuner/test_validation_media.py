"""Pictures of validations among a run's files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.validation_media import Medium, grid, read_name, read_records

SHORT_NAMES = st.text("abcdefgh0123456789_-x", min_size=1, max_size=20)


@given(SHORT_NAMES, st.integers(0, 10**9), st.integers(0, 99), st.integers(1, 8192))
def test_a_name_is_read_from_both_ends(prompt: str, step: int, index: int, edge: int) -> None:
    path = f"runs/cat/validation_images/step_{step}_{prompt}_{index}_{edge}x{edge + 1}.webp"
    assert read_name(path) == Medium(path, step, prompt, index, edge, edge + 1, "picture")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("o/validation_images/step_0_validation_0_512x512.png", (0, "validation", 0, "picture")),
        ("o/validation_images/step_5_my_2_cats_3_64x64.JPG", (5, "my_2_cats", 3, "picture")),
        ("o/validation_images/step_5_cat_512x512.png", (5, "cat", 0, "picture")),
        ("o/validation_videos/step_5_cat_1_512x512.mp4", (5, "cat", 1, "video")),
        ("checkpoint-400/assets/image_1_0.png", (400, "prompt 2", 0, "picture")),
        ("repo/assets/image_0_2.png", (None, "prompt 1", 2, "picture")),
    ],
)
def test_names_of_each_delivery(path: str, expected: tuple[object, ...]) -> None:
    medium = read_name(path)
    assert medium is not None
    assert (medium.step, medium.prompt, medium.index, medium.kind) == expected


@pytest.mark.parametrize(
    "path",
    [
        "o/validation_images/cat.png",
        "o/validation_images/step_x_cat_0_512x512.png",
        "o/validation_images/step_5_cat_0_512x512.svg",
        "o/validation_images/step_" + "9" * 5000 + "_cat_0_1x1.png",
        "o/step_5_cat_0_512x512.png",
        "o/assets/logo.png",
        "pytorch_lora_weights.safetensors",
        "",
    ],
)
def test_other_files_are_no_media(path: str) -> None:
    assert read_name(path) is None


def record(**values: object) -> str:
    fields = {"step": 5, "type": "image", "label": "cat", "index": 1, "resolution": "64x32",
              "path": "validation_images/a.png"}  # fmt: skip
    return json.dumps(fields | values)


def test_records_name_their_pictures_exactly() -> None:
    text = record() + "\n" + record(step=6, path="validation_images/b.webp") + "\n" + '{"step": 7, '
    assert read_records(text, "out/run") == [
        Medium("out/run/validation_images/a.png", 5, "cat", 1, 64, 32, "picture"),
        Medium("out/run/validation_images/b.webp", 6, "cat", 1, 64, 32, "picture"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        record(path="../../etc/passwd.png"),
        record(path="/etc/a.png"),
        record(path=7),
        record(step=True),
        record(step=-1),
        record(step=10**400),
        record(label=None),
        record(path="weights.safetensors"),
        "[]",
        "[" * 100_000,
        "null",
        "",
    ],
)
def test_hostile_records_are_left_out(line: str) -> None:
    assert read_records(line + "\n" + record(), "run") == read_records(record(), "run")


def test_the_grid_has_prompts_as_rows_and_steps_as_columns() -> None:
    def made(step: int | None, prompt: str, path: str = "p") -> Medium:
        return Medium(path, step, prompt, 0, 1, 1, "picture")

    table = grid([
        made(200, "unconditional"), made(100, "validation"), made(100, "a_dog"),
        made(200, "validation", "old"), made(200, "validation", "new"), made(None, "prompt 1"),
    ])  # fmt: skip
    assert table.rows == [("validation", 0), ("a_dog", 0), ("unconditional", 0)]
    assert table.steps == [100, 200]
    assert table.at(0, 1) == made(200, "validation", "new")
    assert table.at(1, 1) is None
    card = Medium("checkpoint-200/assets/image_0_0.png", 200, "prompt 1", 0, None, None, "picture")
    assert grid([card, made(200, "validation")]).rows == [("validation", 0)]
    assert grid([card]).rows == [("prompt 1", 0)]
    only = grid([made(None, "prompt 1")])
    assert only.steps == [None]
    assert grid([]).rows == []
