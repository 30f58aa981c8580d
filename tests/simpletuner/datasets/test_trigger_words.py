"""What a dataset says of the words that call up what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.datasets.trigger_words import caption_words, configured_words, leading_words
from tui.simpletuner.log.grammar import loaded_model


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (["ohwx man, standing", "ohwx man, in a  street", "ohwx man"], "ohwx man"),
        (["ohwx  man , a", "ohwx man, b", " ohwx man\n, c"], "ohwx man"),
        (["sks cat"] * 3, "sks cat"),
        (["a photo of a cat", "a photo of a dog", "a photo of a cow"], ""),
        (["sks, a", "sks, b"], ""),
        (["sks, a", "sks, b", ""], ""),
        (["x" * 61] * 5, ""),
        ([], ""),
    ],
)
def test_a_common_beginning_of_captions_is_found(captions: list[str], expected: str) -> None:
    assert leading_words(captions) == expected


def test_no_more_captions_are_read_than_needed() -> None:
    read = iter(["a, x", "b, x", "never"])
    assert leading_words(read) == ""
    assert next(read) == "never"


@given(st.lists(st.text(max_size=80), max_size=6))
def test_any_captions(captions: list[str]) -> None:
    beginning = leading_words(captions)
    assert all(" ".join(caption.split()).startswith(beginning) for caption in captions)
    assert "," not in beginning


def test_instance_prompts_that_are_part_of_the_captions() -> None:
    data: list[dict[str, Any]] = [
        {"instance_prompt": "prepended", "caption_strategy": "textfile",
         "prepend_instance_prompt": "true"},
        {"instance_prompt": "alone", "caption_strategy": "textfile", "only_instance_prompt": True},
        {"instance_prompt": "unused", "caption_strategy": "textfile"},
        {"instance_prompt": "off", "caption_strategy": "instanceprompt", "disabled": "true"},
    ]  # fmt: skip
    assert configured_words(data, {}) == ("prepended", "alone")
    run = {"caption_strategy": "instanceprompt"}
    assert configured_words([{"instance_prompt": "sks"}], run) == ("sks",)
    assert configured_words([{}], run | {"instance_prompt": "sks"}) == ("sks",)
    off = {"prepend_instance_prompt": False, **data[2]}
    assert configured_words([off], {"prepend_instance_prompt": True}) == ()


def _project(root: Path, captions: list[str], strategy: str = "textfile") -> Path:
    import json

    folder = root / "cats"
    folder.mkdir(parents=True)
    for number, caption in enumerate(captions):
        Image.new("RGB", (64, 64)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption)
    entry = {"id": "cats", "type": "local", "instance_data_dir": str(folder),
             "caption_strategy": strategy}  # fmt: skip
    config = {"model_family": "flux", "data_backend_config": "data.json"}
    (root / "config.json").write_text(json.dumps(config))
    (root / "data.json").write_text(json.dumps([entry]))
    return root / "config.json"


@pytest.mark.parametrize(("strategy", "expected"), [("textfile", ("ohwx",)), ("filename", ())])
def test_trigger_words_of_a_folder(
    tmp_path: Path, strategy: str, expected: tuple[str, ...]
) -> None:
    path = _project(tmp_path, [f"ohwx, number {n}" for n in range(4)], strategy)
    assert caption_words(scan(load_config(path))) == expected


def test_missing_captions_give_no_trigger_word(tmp_path: Path) -> None:
    path = _project(tmp_path, ["ohwx, x"] * 4)
    report = scan(load_config(path))
    (tmp_path / "cats/2.txt").unlink()
    assert caption_words(report) == ()


def test_the_base_model_is_read_from_a_log() -> None:
    line = "[STAGE] ⏳ Loading base model: Loading model: `black-forest-labs/FLUX.1-dev`...\n"
    assert loaded_model(f"before\n{line}after".encode()) == "black-forest-labs/FLUX.1-dev"
    assert loaded_model(b"nothing of it") is None
    assert loaded_model(b"Loading model: `cut") is None
