"""Resuming: the trainer fetches a checkpoint through its S3 publishing, by a manifest in it.

Source: SimpleTuner 4.10.1, `helpers/training/trainer.py` (`init_resume_checkpoint`),
`helpers/utils/checkpoint_manager.py` and `helpers/publishing/providers/s3.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tui.sandbox.trainer.publish import S3Target, first_line
from tui.sandbox.worker import ProgramError
from tui.simpletuner.config.values import as_text

MANIFEST: Final = "checkpoint_manifest.json"
GUARD: Final = ".guard"
"""The last file of a checkpoint: without it the trainer takes the checkpoint for incomplete."""
_ADDRESS: Final = ("s3://", "r2://", "http://", "https://")
_COMPARED: Final = ("model_family", "model_type", "model_flavour")


def write_manifest(folder: Path, options: Mapping[str, Any]) -> None:
    """Describe a checkpoint, so that a later run can fetch it."""
    files = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    metadata = {name: options[name] for name in _COMPARED if options.get(name)}
    manifest = {"version": 1, "checkpoint": folder.name, "files": files, "metadata": metadata}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
    (folder / GUARD).write_text("complete\n")


def fetch_checkpoint(
    options: Mapping[str, Any], targets: Sequence[tuple[S3Target, Any]], output: Path
) -> Path | None:
    """Fetch the checkpoint that a run begins with.

    Args:
        options: the parsed options.
        targets: the buckets of the run's publishing, each with its boto3 client.
        output: the run folder.

    Returns:
        The checkpoint's folder; None for a fresh run. The container has no checkpoint of its own,
        so `latest` begins a fresh run.

    Raises:
        ProgramError: with the trainer's message.
    """
    path = as_text(options.get("resume_from_checkpoint"))
    if path in {None, "None", "latest"} or path is None:
        return None
    if not targets or not (path.startswith(_ADDRESS) or "/" in path):
        raise ProgramError(f"Tried to find {path} but folder does not exist")
    if not path.startswith(_ADDRESS) and len(targets) > 1:
        raise ProgramError(
            "resume_from_checkpoint is relative but multiple S3 providers exist; use a full URI."
        )
    for target, client in targets:
        prefix = _prefix(path, target)
        if prefix is not None:
            return _fetch(client, target.bucket, prefix, options, output)
    raise ProgramError("resume_from_checkpoint does not match any configured S3 provider.")


def step_of(folder: Path) -> int:
    """The step of a fetched checkpoint.

    Raises:
        ProgramError: its state cannot be read.
    """
    try:
        return int(json.loads((folder / "training_state.json").read_text())["global_step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProgramError(f"Downloaded checkpoint is invalid: {error}") from error


def _prefix(path: str, target: S3Target) -> str | None:
    """The key of a checkpoint in a bucket; None where the address is of another place."""
    if path.startswith(("s3://", "r2://")):
        bucket, _, key = path.partition("://")[2].partition("/")
        return key.strip("/") if bucket == target.bucket else None
    if path.startswith(("http://", "https://")):
        places = [target.public_base, f"{(target.endpoint or '').rstrip('/')}/{target.bucket}"]
        for place in places:
            if place and path.startswith(place.rstrip("/") + "/"):
                return path.removeprefix(place.rstrip("/")).strip("/")
        return None
    return path.strip("/")


def _fetch(client: Any, bucket: str, prefix: str, options: Mapping[str, Any], output: Path) -> Path:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    folder = output / prefix.rpartition("/")[2]
    try:
        body = client.get_object(Bucket=bucket, Key=f"{prefix}/{MANIFEST}")["Body"].read()
    except client.exceptions.NoSuchKey as error:
        raise ProgramError("Remote checkpoint manifest not found.") from error
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise ProgramError(first_line(error)) from error
    try:
        manifest = json.loads(body)
        names = [str(name) for name in manifest["files"]]
        metadata = manifest.get("metadata") or {}
    except (ValueError, KeyError, TypeError) as error:
        raise ProgramError("Remote checkpoint manifest is invalid.") from error
    for name in _COMPARED:
        here, there = str(options.get(name) or ""), str(metadata.get(name) or "")
        if here and there and here.lower() != there.lower():
            raise ProgramError(f"Checkpoint {name} mismatch (expected {here}, got {there}).")
    for name in names:
        if ".." in name or name.startswith(("/", "\\")):
            raise ProgramError("Remote checkpoint manifest includes unsafe paths.")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            client.download_file(bucket, f"{prefix}/{name}", str(folder / name))
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            raise ProgramError(f"Downloaded checkpoint is invalid: {first_line(error)}") from error
    (folder / MANIFEST).write_bytes(body)
    return folder
