"""Reads checkpoints and failed uploads from a training log, and finds weights among file names.

The lines are those of SimpleTuner 4.10's `publishing/manager.py`, `training/trainer.py`,
`publishing/providers/s3.py` and `publishing/huggingface.py`. There a failed upload is one log line
and does not fail the run, and the next upload to a bucket sends the whole run folder again. After a
failed upload to the Hub the trainer still prints that the model is available, so that line is not
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from tui.simpletuner.log.grammar import RESULT_PREFIXES, TAIL_MARK, text_of

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
CHECKPOINT_FOLDER: Final = re.compile(r"(?:.*/)?checkpoint-\d{1,15}/")
"""The path of a checkpoint's folder at the beginning of a file's name."""
_CACHE: Final = re.compile(r"(?:^|/)cache/[^/]+/")
"""Folders of cached latents and embeddings, which are `.pt` files too."""
_LINES: Final = re.compile(
    rb"Saved checkpoint to [^\r\n]{0,1000}?checkpoint-(\d{1,15})\b"
    rb"|Publishing ([^\r\n]{1,300}?) failed\b"
    rb"|(Failed to initialise publishing providers)"
    rb"|Validation run failed at step (\d{1,15})"
    rb"|(?:Hugging Face upload task '([^'\r\n]{1,300})' failed"
    rb"|Failed to upload ([^\r\n]{1,100}?) to hub|Failed to upload (latest checkpoint)"
    rb"|\(attempt 3/3\) Error uploading (model) to Hugging Face Hub"
    rb"|Error uploading (?:(final model) )?to hub)"
)
_END: Final = re.compile(rb"Training Complete|" + b"|".join(map(re.escape, RESULT_PREFIXES)))


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """Checkpoints and failed uploads in a log.

    Attributes:
        known: whether the log has any text.
        checkpoint: the step of the last saved checkpoint; None when the log names none.
        failures: uploads that failed after that checkpoint, as the log names them: a file, or
            `via s3` for a whole upload. Earlier failures do not count, because a later upload
            sends everything again.
        failed_validations: steps whose validation failed, so that its upload did not happen.
        hub_failures: uploads to the Hub that failed, as the log names them. A later one may have
            succeeded: the repository shows it.
        whole: whether the log goes on to the end of the run.
    """

    known: bool
    checkpoint: int | None = None
    failures: tuple[str, ...] = ()
    failed_validations: tuple[int, ...] = ()
    hub_failures: tuple[str, ...] = ()
    whole: bool = False


def upload_facts(log: bytes) -> UploadFacts:
    """Read a whole log.

    Args:
        log: the log from its beginning. The tail of debug.log that some runs print at the end is
            read only when no upload failed before it, because it repeats older lines.
    """
    body, _, tail = log.partition(TAIL_MARK)
    read = _read(body)
    if not read.failed:
        again = _read(tail)
        checkpoint = again.checkpoint if read.checkpoint is None else read.checkpoint
        read, read.checkpoint = again, checkpoint
    return UploadFacts(
        bool(log.strip()),
        read.checkpoint,
        tuple(dict.fromkeys(read.failures)),
        tuple(dict.fromkeys(read.failed_validations)),
        tuple(dict.fromkeys(read.hub_failures)),
        _END.search(log) is not None,
    )


@dataclass(slots=True)
class _Reading:
    """What a part of a log says; the failures to a bucket are those after the last checkpoint."""

    checkpoint: int | None = None
    failures: list[str] = field(default_factory=list)
    failed_validations: list[int] = field(default_factory=list)
    hub_failures: list[str] = field(default_factory=list)
    failed: bool = False


def _read(text: bytes) -> _Reading:
    reading = _Reading()
    for match in _LINES.finditer(text):
        step, name, not_started, validation, *hub = match.groups()
        if step is not None:
            reading.checkpoint = int(step)
            reading.failures.clear()
            continue
        reading.failed = True
        if validation is not None:
            reading.failed_validations.append(int(validation))
        elif name or not_started:
            reading.failures.append(text_of(name or not_started))
        else:
            reading.hub_failures.append(text_of(next(filter(None, hub), b"final model")))
    return reading


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
