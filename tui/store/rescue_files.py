"""What a job was made from, in a small file beside its log, for a database that is gone.

A sync brings the predictions of the account back, but Replicate removes their inputs after an hour,
and it never knew the config's path or the job's name here. The files hold no more than the database
does: secrets are masked before they are stored.

A file is called `<job id>.json`, and `<job id>.<prediction id>.json` once there is a prediction.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.store.records import JobRecord

LOG = logging.getLogger(__name__)

_FORMAT: Final = 1
_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
"""Ids that become names of files; Replicate's and our own are of this kind."""
_TEXTS: Final = (
    "api_base", "name", "config_name", "config_path", "model", "version", "model_family",
    "model_flavour", "model_type", "lora_type", "hardware", "delivery",
)  # fmt: skip
_NUMBERS: Final = ("rate_micros", "estimate_micros")
_OBJECTS: Final = ("config", "inputs")
_SUBMIT: Final = ("draft", "account", "cancel_after")
"""What of the submit's state describes the run; the rest is about packing and sending."""


class RescueFiles:
    """The files of all jobs.

    Args:
        folder: where they lie, with the logs.
        redact: masks secrets in what a field of a record holds; called with its name.
    """

    def __init__(self, folder: Path, redact: Callable[[str, Any], Any]) -> None:
        self._folder = folder
        self._redact = redact
        self._written: set[str] = set()
        self._found: dict[str, str] | None = None

    def keep(self, job: JobRecord) -> None:
        """Write the file of a job that was submitted here, if there is something new to keep.

        It is the copy of a copy, so that a failure is only logged.
        """
        name = _name(job.job_id, job.prediction_id)
        if not name or name in self._written or not (job.config_path or job.submit.get("draft")):
            return
        try:
            self._write(name, _content(job, self._redact))
            if job.prediction_id:
                (self._folder / _name(job.job_id, "")).unlink(missing_ok=True)
        except OSError as error:
            LOG.warning("%s cannot be written: %s", name, error.strerror or error)
            return
        self._written.add(name)
        if self._found is not None:
            self._found[job.prediction_id] = job.job_id

    def _write(self, name: str, content: JsonObject) -> None:
        fresh = self._folder / f"{name}.new"
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str)
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123  a handle of our mode
                file.write(text)
            fresh.replace(self._folder / name)
        except OSError:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise

    def forget(self, job_id: str) -> None:
        """Delete the file of a job."""
        for path in self._folder.glob(f"{job_id}*.json") if _ID.fullmatch(job_id) else ():
            if path.name.split(".")[0] == job_id:
                path.unlink(missing_ok=True)
                self._written.discard(path.name)
        self._found = None

    def restored(self, found: JobRecord) -> JobRecord:
        """Return a record that a sync made, with what is kept of the job that it was.

        Args:
            found: the record, with its API's address and its prediction.
        """
        job_id = self._index().get(found.prediction_id) if found.prediction_id else None
        if job_id is None:
            return found
        kept = _read(self._folder / _name(job_id, found.prediction_id))
        if kept.get("api_base") != found.api_base:
            return found
        values: dict[str, Any] = {"job_id": job_id}
        values |= {name: kept[name] for name in _TEXTS if isinstance(kept.get(name), str)}
        values |= {name: kept[name] for name in _NUMBERS if isinstance(kept.get(name), int)}
        values |= {name: kept[name] for name in _OBJECTS if isinstance(kept.get(name), dict)}
        if isinstance(kept.get("dataloader"), list):
            values["dataloader"] = kept["dataloader"]
        if isinstance(submit := kept.get("submit"), dict):
            values["submit"] = found.submit | submit
        return replace(found, **values)

    def _index(self) -> dict[str, str]:
        """Job ids by prediction, from the names of the files; listed once."""
        if self._found is None:
            self._found = {}
            with suppress(OSError), os.scandir(self._folder) as entries:
                for entry in entries:
                    job_id, _, rest = entry.name.partition(".")
                    prediction_id, _, end = rest.partition(".")
                    if end == "json" and _ID.fullmatch(job_id):
                        self._found[prediction_id] = job_id
        return self._found


def _content(job: JobRecord, redact: Callable[[str, Any], Any]) -> JsonObject:
    submit = {name: job.submit[name] for name in _SUBMIT if name in job.submit}
    return {
        "format": _FORMAT,
        "prediction_id": job.prediction_id,
        "created_at": job.created_at.isoformat(),
        **{name: getattr(job, name) for name in (*_TEXTS, *_NUMBERS)},
        **{name: redact(name, getattr(job, name)) for name in (*_OBJECTS, "dataloader")},
        "submit": redact("submit", submit),
    }


def _name(job_id: str, prediction_id: str) -> str:
    """The name of a job's file; empty for ids that cannot be one."""
    parts = [job_id, prediction_id] if prediction_id else [job_id]
    return ".".join([*parts, "json"]) if all(map(_ID.fullmatch, parts)) else ""


def _read(path: Path) -> JsonObject:
    """What a file holds; empty where it cannot be read, or is of a later version."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == _FORMAT else {}
