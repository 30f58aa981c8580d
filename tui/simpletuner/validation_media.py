"""Pictures, videos and sounds of a run's validations, found among its files, as a grid.

SimpleTuner 4.10.1 (`helpers/training/validation.py`) names a picture
`validation_images/step_<step>_<short name>_<index>_<width>x<height>.<ext>`; the short name may hold
digits and underscores, so a name is read from both ends. On the Hub the pictures of a checkpoint
are `checkpoint-<step>/assets/image_<prompt>_<index>.<ext>`, and those at the root are overwritten
by each checkpoint, so they have no step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final, Literal

MediaKind = Literal["picture", "video", "sound"]

MEDIA_FILE: Final = "validation_media.jsonl"
"""What `report_to: simpletuner` writes beside the weights: every picture, with its step."""
METRICS_FILE: Final = "training_metrics.jsonl"
"""What it writes of the numbers: every one, with its step and time."""
KINDS: Final[Mapping[str, MediaKind]] = {
    **dict.fromkeys(("png", "jpg", "jpeg", "webp"), "picture"),
    **dict.fromkeys(("mp4", "webm", "gif", "mov"), "video"),
    **dict.fromkeys(("wav", "flac", "mp3", "ogg"), "sound"),
}
_NAME: Final = re.compile(r"step_(\d{1,12})_(.*?)(?:_(\d{1,6}))?_(\d{1,6})x(\d{1,6})", re.DOTALL)
_ASSET: Final = re.compile(r"image_(\d{1,6})_(\d{1,6})")
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d{1,12})")
_MOST_RECORDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Medium:
    """One picture, video or sound of a validation.

    Attributes:
        path: its path, as it was given.
        step: the step of the validation; None where the name does not tell.
        prompt: the short name of the prompt (`validation` for the plain one).
        index: its number among those of the same prompt and step.
        width: pixels; None where the name does not tell.
        height: pixels.
        kind: what it is by its ending.
    """

    path: str
    step: int | None
    prompt: str
    index: int
    width: int | None
    height: int | None
    kind: MediaKind


@dataclass(frozen=True, slots=True)
class Grid:
    """The media of a run: a row for each prompt and number, a column for each step.

    Attributes:
        rows: prompt and index of each row.
        steps: the steps, rising; None, the pictures of unknown step, comes last.
        cells: the media, by row and step.
    """

    rows: list[tuple[str, int]] = field(default_factory=list)
    steps: list[int | None] = field(default_factory=list)
    cells: dict[tuple[tuple[str, int], int | None], Medium] = field(default_factory=dict)

    def at(self, row: int, column: int) -> Medium | None:
        """The medium of a cell; None where that prompt has none at that step."""
        return self.cells.get((self.rows[row], self.steps[column]))


def read_name(path: str) -> Medium | None:
    """Return the medium that a file is; None for every other file."""
    parts = PurePosixPath(path)
    kind = KINDS.get(parts.suffix[1:].lower())
    folder = parts.parent
    if kind is None:
        return None
    if folder.name in ("validation_images", "validation_videos", "validation_audios"):
        match = _NAME.fullmatch(parts.stem)
        if match is None:
            return None
        step, prompt, index, width, height = match.groups()
        return Medium(path, int(step), prompt, int(index or 0), int(width), int(height), kind)
    match = _ASSET.fullmatch(parts.stem)
    if folder.name != "assets" or match is None:
        return None
    checkpoint = _CHECKPOINT.fullmatch(folder.parent.name)
    step_of = int(checkpoint[1]) if checkpoint else None
    return Medium(path, step_of, f"prompt {int(match[1]) + 1}", int(match[2]), None, None, kind)


def read_records(text: str, prefix: str) -> list[Medium]:
    """Return the media that a `validation_media.jsonl` lists.

    Args:
        text: the file's content; a last line that is still being written is left out, as is every
            line that is not as described.
        prefix: the path of the run folder, to which the recorded paths are relative.
    """
    media: list[Medium] = []
    for line in text.splitlines()[:_MOST_RECORDS]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        medium = _read_record(record, prefix) if isinstance(record, dict) else None
        if medium is not None:
            media.append(medium)
    return media


def _read_record(record: Mapping[str, Any], prefix: str) -> Medium | None:
    path, step, label = record.get("path"), record.get("step"), record.get("label")
    if not isinstance(path, str) or not isinstance(label, str):
        return None
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 10**12:
        return None
    pure = PurePosixPath(path)
    kind = KINDS.get(pure.suffix[1:].lower())
    if kind is None or pure.is_absolute() or ".." in pure.parts:
        return None
    index = record.get("index")
    size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", str(record.get("resolution", "")))
    return Medium(
        str(PurePosixPath(prefix, pure)),
        step,
        label,
        index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else 0,
        int(size[1]) if size else None,
        int(size[2]) if size else None,
        kind,
    )


def grid(media: Iterable[Medium]) -> Grid:
    """Arrange media; of two for one cell the later one counts, which is the one seen last.

    Plain prompts come first: `validation`, then the others by name, then `unconditional`. The
    pictures of a model card are copies, left out where their originals are; those at the root of a
    repository have no step, and are left out where others have one.
    """
    made = Grid()
    listed = list(media)
    originals = [medium for medium in listed if not _is_copy(medium)]
    listed = originals or listed
    stepped = any(medium.step is not None for medium in listed)
    for medium in listed:
        if medium.step is None and stepped:
            continue
        made.cells[(medium.prompt, medium.index), medium.step] = medium
    made.rows.extend(sorted({row for row, _ in made.cells}, key=_row_order))
    steps = {step for _, step in made.cells}
    made.steps.extend(sorted(step for step in steps if step is not None))
    if None in steps:
        made.steps.append(None)
    return made


def grid_of_runs(runs: Iterable[tuple[str, Grid]]) -> Grid:
    """Arrange the media of several runs: prompt by prompt, a row for each run that has it.

    Where all have the same single prompt it is not named. The columns are the steps that all runs
    with pictures have; every step where there is none.

    Args:
        runs: the name of each run, and its media.
    """
    named = [(label, one) for label, one in runs if one.rows]
    made = Grid()
    if not named:
        return made
    common = set(named[0][1].steps).intersection(*(one.steps for _, one in named))
    every = {step for _, one in named for step in one.steps}
    steps = common or every
    made.steps.extend(sorted(step for step in steps if step is not None))
    if None in steps:
        made.steps.append(None)
    prompts = sorted({row for _, one in named for row in one.rows}, key=_row_order)
    names = {prompt for prompt, _ in prompts}
    for prompt, index in prompts:
        for label, one in named:
            row = (f"{label} · {prompt}" if len(names) > 1 else label, index)
            found = {step: one.cells.get(((prompt, index), step)) for step in made.steps}
            if any(found.values()):
                made.rows.append(row)
                made.cells.update(
                    ((row, step), replace(medium, prompt=row[0]))
                    for step, medium in found.items()
                    if medium is not None
                )
    return made


def _is_copy(medium: Medium) -> bool:
    """Whether a medium is a picture of a model card, copied from the run's own."""
    return PurePosixPath(medium.path).parent.name == "assets"


def _row_order(row: tuple[str, int]) -> tuple[int, str, int]:
    prompt, index = row
    return {"validation": 0, "unconditional": 2}.get(prompt, 1), prompt, index
