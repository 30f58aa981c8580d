"""What a training log says about its uploads, and which of the files that arrived are weights.

Facts about the lines come from SimpleTuner 4.10's `publishing/manager.py`, `training/trainer.py`
and `publishing/providers/s3.py`: a failed upload is one line of the log and fails no run; the next
upload sends the whole run folder again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from tui.simpletuner.log.grammar import TAIL_MARK, text_of

WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf")
_STATE: Final = (
    "optimizer",
    "scheduler",
    "random_states",
    "scaler",
    "sampler",
    "custom_checkpoint",
)
"""What else a checkpoint holds with such endings: the state of the training itself."""
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d{1,15})")
_CACHE: Final = re.compile(r"(?:^|/)cache/[^/]+/")
"""Latents and embeddings lie there, as `.pt` files."""
_LINES: Final = re.compile(
    rb"Saved checkpoint to [^\r\n]{0,1000}?checkpoint-(\d{1,15})\b"
    rb"|Publishing ([^\r\n]{1,300}?) failed\b"
    rb"|(Failed to initialise publishing providers)"
)


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """What a log says about checkpoints and uploads.

    Attributes:
        known: whether there is a log at all.
        checkpoint: the step of the last checkpoint that was saved, None where none is named.
        failures: what failed to be uploaded after that, as the lines name it: a file, or `via s3`
            for a whole upload. A failure before it is made good by a later upload that succeeds.
    """

    known: bool
    checkpoint: int | None = None
    failures: tuple[str, ...] = ()


def upload_facts(log: bytes) -> UploadFacts:
    """Read a log to its end.

    Args:
        log: all of it. The end of debug.log that some runs print once more is read only where
            nothing before it failed, since it repeats older lines.
    """
    body, _, tail = log.partition(TAIL_MARK)
    checkpoint, failures, failed = _read(body)
    if not failed:
        again, failures, _ = _read(tail)
        checkpoint = again if checkpoint is None else checkpoint
    return UploadFacts(bool(log.strip()), checkpoint, tuple(dict.fromkeys(failures)))


def _read(text: bytes) -> tuple[int | None, list[str], bool]:
    """The last checkpoint, failures after it, and whether anything failed at all."""
    checkpoint: int | None = None
    failures: list[str] = []
    failed = False
    for match in _LINES.finditer(text):
        step, name, not_started = match.groups()
        if step is not None:
            checkpoint = int(step)
            failures.clear()
        else:
            failed = True
            failures.append(text_of(name or not_started))
    return checkpoint, failures, failed


def weights_by_step(names: Iterable[str]) -> dict[int | None, list[str]]:
    """Weights among the names of files, by the step of their checkpoint.

    Args:
        names: with `/` between folders.

    Returns:
        Names by step; those that lie in no checkpoint, which a run saves last, are below None.
    """
    weights: dict[int | None, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() not in WEIGHTS or path.name.lower().startswith(_STATE):
            continue
        steps = [match for part in path.parts[:-1] if (match := _CHECKPOINT.fullmatch(part))]
        if not steps and _CACHE.search(name):
            continue
        weights.setdefault(int(steps[-1][1]) if steps else None, []).append(name)
    return weights
