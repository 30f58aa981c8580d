"""Finds trigger words, the words in a prompt that activate a LoRA, in options and captions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.datasets.scan import DataReport

_LONGEST: Final = 60
_FEWEST: Final = 3
"""Fewer captions may begin alike by chance, so they give no trigger word."""
_CAPTION_LIMIT: Final = 4096


def configured_words(
    dataloader: Sequence[Mapping[str, Any]], config: Mapping[str, Any]
) -> tuple[str, ...]:
    """Instance prompts that are part of the captions.

    An instance prompt is used when it is the caption (`caption_strategy` instanceprompt, or
    `only_instance_prompt`) or is put before it (`prepend_instance_prompt`); otherwise the trainer
    ignores it. Validation prompts are no trigger words: they do not take part in training.

    Args:
        dataloader: the entries of the dataloader file.
        config: options of the run, the defaults for the entries.
    """
    prompts = [
        as_text(entry.get("instance_prompt", config.get("instance_prompt")))
        for entry in dataloader
        if not as_bool(entry.get("disabled")) and _has_effect(entry, config)
    ]
    return tuple(dict.fromkeys(prompt for prompt in prompts if prompt))


def _has_effect(entry: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    strategy = as_text(entry.get("caption_strategy", config.get("caption_strategy")))
    names = ("only_instance_prompt", "prepend_instance_prompt")
    return strategy == "instanceprompt" or any(
        as_bool(entry.get(name, config.get(name))) for name in names
    )


def caption_words(report: DataReport) -> tuple[str, ...]:
    """The common beginning of the captions of each dataset that has one. Blocking.

    Caption files are read until two differ, in most datasets after two files.
    """
    beginnings = []
    for dataset in report.packed:
        if dataset.spec.caption_strategy == "textfile":
            names = (file.path for file in dataset.files if file.name.endswith(".txt"))
            beginnings.append(leading_words(_read(names)))
    return tuple(dict.fromkeys(beginning for beginning in beginnings if beginning))


def leading_words(captions: Iterable[str]) -> str:
    """The part before the first comma if it is the same in all captions; else an empty string.

    This is the usual form of captions with a trigger word ("ohwx man, standing in a street").
    Without a comma the whole caption is compared.
    """
    common, count = "", 0
    for caption in captions:
        first = " ".join(caption.partition(",")[0].split())
        if not first or len(first) > _LONGEST or (count and first != common):
            return ""
        common, count = first, count + 1
    return common if count >= _FEWEST else ""


def _read(paths: Iterable[str | os.PathLike[str]]) -> Iterable[str]:
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                yield file.read(_CAPTION_LIMIT)
        except OSError:
            yield ""
