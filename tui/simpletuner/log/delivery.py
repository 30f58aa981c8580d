"""Reads checkpoints and failed uploads from a training log, and finds weights among file names.

The lines are those of SimpleTuner 4.10's `publishing/manager.py`, `training/trainer.py` and
`publishing/providers/s3.py`. There a failed upload is one log line and does not fail the run, and
the next upload sends the whole run folder again.
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
"""Beginnings of other files with these endings in a checkpoint: the state of the training."""
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d{1,15})")
_CACHE: Final = re.compile(r"(?:^|/)cache/[^/]+/")
"""Folders of cached latents and embeddings, which are `.pt` files too."""
_LINES: Final = re.compile(
    rb"Saved checkpoint to [^\r\n]{0,1000}?checkpoint-(\d{1,15})\b"
    rb"|Publishing ([^\r\n]{1,300}?) failed\b"
    rb"|(Failed to initialise publishing providers)"
)


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """Checkpoints and failed uploads in a log.

    Attributes:
        known: whether the log has any text.
        checkpoint: the step of the last saved checkpoint; None when the log names none.
        failures: uploads that failed after that checkpoint, as the log names them: a file, or
            `via s3` for a whole upload. Earlier failures do not count, because a later upload
            sends everything again.
    """

    known: bool
    checkpoint: int | None = None
    failures: tuple[str, ...] = ()


def upload_facts(log: bytes) -> UploadFacts:
    """Read a whole log.

    Args:
        log: the log from its beginning. The tail of debug.log that some runs print at the end is
            read only when no upload failed before it, because it repeats older lines.
    """
    body, _, tail = log.partition(TAIL_MARK)
    checkpoint, failures, failed = _read(body)
    if not failed:
        again, failures, _ = _read(tail)
        checkpoint = again if checkpoint is None else checkpoint
    return UploadFacts(bool(log.strip()), checkpoint, tuple(dict.fromkeys(failures)))


def _read(text: bytes) -> tuple[int | None, list[str], bool]:
    """The last checkpoint, the failures after it, and whether any upload failed."""
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
    """Files of weights by the step of their checkpoint.

    Args:
        names: file names with `/` between folders.

    Returns:
        Names by step; the final weights, which are in no checkpoint folder, have the key None.
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
