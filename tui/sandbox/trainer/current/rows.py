"""The samples of a dataset as the trainer sees them, and the reading of one picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tui.sandbox.trainer.current.entries import Entry
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.datasets.images import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    probe_file,
)

SUFFIXES = {
    "image": IMAGE_SUFFIXES | {".gif"},
    "video": VIDEO_SUFFIXES - {".gif"},
    "audio": AUDIO_SUFFIXES,
}
"""File name endings by dataset type; other types have pictures."""
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height."""
_ORIENTATION = 274


@dataclass(frozen=True, slots=True)
class Row:
    """One sample.

    Attributes:
        name: the name that the trainer gives it.
        width: in pixels; 0 when it is not measured (video, audio).
        height: in pixels.
        captions: its captions; empty when it has none.
        path: its file, as long as the run lasts; None when it is not kept.
        is_cmyk: whether its colours are CMYK, which a dataset of the Hub cannot hand on.
    """

    name: str
    width: int
    height: int
    captions: tuple[str, ...]
    path: Path | None
    is_cmyk: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """Size of a picture as the loader turns it, and whether its colours are CMYK."""

    width: int
    height: int
    is_cmyk: bool


def suffixes_of(kind: str) -> frozenset[str]:
    """The file name endings of a dataset type."""
    return frozenset(SUFFIXES.get(kind, SUFFIXES["image"]))


def measure(source: Path | bytes, name: str) -> Measure | None:
    """Measure a picture without decoding it; None when it is damaged.

    Args:
        source: its file or its bytes.
        name: its name, which tells the format.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _measure(file, name)
    return _measure(io.BytesIO(source), name)


def _measure(file: BinaryIO, name: str) -> Measure | None:
    from PIL import Image

    # The scan takes a GIF for a mistake; the trainer reads its first picture.
    if not name.lower().endswith(".gif") and probe_file(file, name).problem is not None:
        return None
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                width, height = picture.size
                if picture.getexif().get(_ORIENTATION) in _TURNED:
                    width, height = height, width
                return Measure(width, height, picture.mode == "CMYK")
    except Exception:  # noqa: BLE001 - decoders raise anything on damaged files
        return None


def captions_of(entry: Entry, found: Sequence[str]) -> tuple[str, ...]:
    """The captions of a sample after the entry's strategy and its instance prompt."""
    prompt = as_text(entry.get("instance_prompt")) or ""
    if as_text(entry.get("caption_strategy")) == "instanceprompt":
        return (prompt,)
    if as_bool(entry.get("only_instance_prompt")):
        return (prompt,)
    if as_bool(entry.get("prepend_instance_prompt")):
        return tuple(f"{prompt} {caption}" for caption in found)
    return tuple(found)


def block_of(entry: Entry) -> Mapping[str, object]:
    """The entry's `huggingface` block."""
    block = entry.get("huggingface")
    return block if isinstance(block, Mapping) else {}
