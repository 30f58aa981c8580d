"""The checks of `resume_from_checkpoint`: whether the trainer can have that checkpoint.

A job's container is new, so it holds no checkpoint of an earlier run. The trainer fetches one from
a bucket that it publishes to (SimpleTuner's helpers/training/trainer.py, `_resume_path_is_remote`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_text
from tui.simpletuner.request.delivery import Delivery, in_bucket, is_s3, publishing_targets

_SCHEMES: Final = ("s3://", "r2://", "http://", "https://")
_CHECKPOINT: Final = re.compile(r"checkpoint-\d+")


def resume_checks(config: TrainingConfig, delivery: Delivery) -> Iterator[CheckRow]:
    """Check that the checkpoint to resume from can be had.

    Args:
        config: the config with the job's overrides applied.
        delivery: where the trainer uploads its results, which is also where it fetches from.
    """
    wanted = as_text(config.values.get("resume_from_checkpoint"))
    if not wanted or wanted.lower() in ("none", "false"):
        return
    if wanted.lower() == "latest":
        message = "resume_from_checkpoint latest: a new container has none, it starts at step 0"
        yield "resume", "ok", message
        return
    addressed = wanted.startswith(_SCHEMES)
    relative = "/" in wanted and not wanted.startswith(("/", "~", "."))
    buckets = _buckets(config, delivery)
    if not addressed and not (relative and buckets):
        message = f"resume_from_checkpoint {wanted}: that folder is not in the trainer's container"
        advice = "Write its address in the results' bucket (s3://bucket/…/checkpoint-N), or latest."
        yield "resume", "error", message, advice, {"resume_from_checkpoint": "latest"}
    elif not buckets:
        message = f"resume_from_checkpoint {wanted}: the trainer has no access to that bucket"
        advice = "Deliver the results to that bucket, which gives it the keys."
        yield "resume", "error", message, advice, {"resume_from_checkpoint": "latest"}
    else:
        yield from _remote(wanted, delivery, buckets, relative=not addressed)


def _remote(
    wanted: str, delivery: Delivery, buckets: set[str], *, relative: bool
) -> Iterator[CheckRow]:
    name = wanted.rstrip("/").rpartition("/")[2]
    listed = " or ".join(sorted(buckets))
    if not _CHECKPOINT.fullmatch(name):
        message = f"resume_from_checkpoint {wanted} names no checkpoint"
        yield "resume", "warn", message, "End it with the folder's name, such as /checkpoint-500."
    elif delivery.kind == "local" and in_bucket(wanted, delivery.bucket):
        message = f"goes on from {wanted}"
        advice = "SimpleTuner 4.10 fetches it from the files on this machine; older ones may not."
        yield "resume", "warn", message, advice
    elif delivery.kind == "local":
        message = f"resume_from_checkpoint {wanted}: the trainer fetches it from where its results "
        advice = "Deliver to the bucket that holds the checkpoint, or copy it there."
        yield "resume", "warn", f"{message}go, and a job reads only its own files here", advice
    elif wanted.startswith(("s3://", "r2://")) and urlsplit(wanted).netloc not in buckets:
        message = f"resume_from_checkpoint {wanted}: the trainer can fetch from {listed} alone"
        advice = "Deliver to the bucket that holds the checkpoint."
        yield "resume", "warn", message, advice
    else:
        place = f"{listed}/{wanted}" if relative else wanted
        yield "resume", "ok", f"the trainer fetches {name} from {place}"


def _buckets(config: TrainingConfig, delivery: Delivery) -> set[str]:
    """The buckets that the trainer has keys for."""
    if delivery.uses_s3:
        return {delivery.bucket or "the bucket of the results"}
    targets = publishing_targets(config.values.get("publishing_config"))
    return {as_text(target.get("bucket")) or "?" for target in targets if is_s3(target)}
