"""What has been staged where: files in the state directory, one pair for each manifest and place.

The small file is what is known about it, the large one the manifest itself. Both are written before
anything is sent, so that a killed engine knows what may lie at the far end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tui.replicate.known_secrets import KNOWN
from tui.simpletuner.staging.manifest import Manifest

LOG: Final = logging.getLogger(__name__)
_FACTS: Final = ".json"
_MANIFEST: Final = ".manifest.json"
_TYPES: Final = {"str": str, "int": int, "bool": bool, "tuple": tuple, "dict": dict}


@dataclass(frozen=True, slots=True)
class StagedRecord:
    """Staged datasets in one place.

    Attributes:
        key: name of the record: letters and digits.
        place: the place's name.
        api_base: the API whose jobs read it.
        digest: the manifest's.
        datasets: ids of the datasets.
        images: number of files.
        bytes: their size.
        created_at: when it was planned, as ISO 8601.
        started: whether anything may have been sent.
        there: whether all of it was verified at the far end.
        keep: whether it stays when the last job that reads it has ended.
        where: what the place calls it, for the screen.
        facts: what the place has to remember, such as commits; no secrets.
        problem: why it could not be removed when it was last tried; "" if it was not tried.
        home: in which of the homes of a place's data it lies; see `Receiver.home`.
        damage: what was lost when the record could not be read; "" for one that never was.
    """

    key: str
    place: str
    api_base: str
    digest: str
    datasets: tuple[str, ...]
    images: int
    bytes: int
    created_at: str
    started: bool = False
    there: bool = False
    keep: bool = False
    where: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    home: str = ""
    damage: str = ""


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be read. What it was about may still lie in its place.

    Attributes:
        key: its name.
        reason: why it cannot be read.
        written_at: when its file was written.
        fields: those that could be read.
    """

    key: str
    reason: str
    written_at: datetime
    fields: dict[str, Any]


def record_key(place: str, api_base: str, digest: str, home: str = "") -> str:
    """Return the key of a manifest in a place, and in the home of its data that it lies in."""
    name = "\n".join((place, api_base, digest, *([home] if home else [])))
    return hashlib.sha256(name.encode()).hexdigest()[:16]


class StagedRecords:
    """The records of one state directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: dict[str, StagedRecord] | None = None
        self._damaged: dict[str, DamagedRecord] = {}

    def all(self) -> list[StagedRecord]:
        """All records, oldest first."""
        return sorted(self._loaded().values(), key=lambda one: one.created_at)

    def get(self, key: str) -> StagedRecord | None:
        """Return a record, or None."""
        return self._loaded().get(key)

    def used(self, key: str) -> StagedRecord | None:
        """Return a record for a job that reads its data; its file is made whole again if it is not.

        The file may have been damaged since this process read or wrote it. What is known here is
        the truth then, and would be lost with the process.

        Raises:
            OSError: the disk is full or may not be written.
        """
        record = self.get(key)
        if record is None or self._stored(key) == record:
            return record
        LOG.warning("the record %s of staged data was damaged; it is written again", key)
        return self.put(record)

    def _stored(self, key: str) -> StagedRecord | None:
        """The record as its file has it; None when it cannot be read."""
        try:
            content = json.loads((self._folder / f"{key}{_FACTS}").read_bytes())
            return _complete(*_known_fields(content), key)
        except (OSError, ValueError, TypeError):
            return None

    def damaged(self) -> dict[str, DamagedRecord]:
        """The records that cannot be read, by their keys; `put` repairs one, `drop` forgets it."""
        self._loaded()
        return dict(self._damaged)

    def put_manifest(self, key: str, manifest: Manifest) -> None:
        """Write the manifest of a record, which may be large; from any thread.

        Raises:
            OSError: the disk is full or may not be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self._folder / f"{key}{_MANIFEST}", manifest.to_dict())

    def put(self, record: StagedRecord) -> StagedRecord:
        """Write a record. Only the event loop writes them, so that none is written from old facts.

        Raises:
            OSError: the disk is full or may not be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self._folder / f"{record.key}{_FACTS}", asdict(record))
        self._loaded()[record.key] = record
        self._damaged.pop(record.key, None)
        return record

    def change(self, key: str, **values: Any) -> StagedRecord | None:
        """Change fields of a record; None when it is gone."""
        record = self.get(key)
        return None if record is None else self.put(replace(record, **values))

    def manifest(self, key: str) -> Manifest | None:
        """Read the manifest of a record; None when it is gone or of another version."""
        try:
            return Manifest.from_dict(json.loads((self._folder / f"{key}{_MANIFEST}").read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def drop(self, key: str) -> None:
        """Delete a record."""
        for suffix in (_FACTS, _MANIFEST):
            with contextlib.suppress(OSError):
                (self._folder / f"{key}{suffix}").unlink(missing_ok=True)
        self._loaded().pop(key, None)
        self._damaged.pop(key, None)

    def _loaded(self) -> dict[str, StagedRecord]:
        if self._records is None:
            self._records = {record.key: record for record in self._read()}
        return self._records

    def _read(self) -> Iterator[StagedRecord]:
        for path in self._folder.glob(f"*{_FACTS}"):
            if path.name.endswith(_MANIFEST):
                continue
            key = path.name.removesuffix(_FACTS)
            fields: dict[str, Any] = {}
            try:
                fields, wrong = _known_fields(json.loads(path.read_bytes()))
                yield _complete(fields, wrong, key)
            except (OSError, ValueError, TypeError) as error:
                reason = _reason(error)
                with contextlib.suppress(OSError):
                    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    self._damaged[key] = DamagedRecord(key, reason, written_at, fields)


def _reason(error: Exception) -> str:
    """Why a record cannot be read, for people."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it is cut off or overwritten"
    return "fields are missing" if isinstance(error, TypeError) else str(error)


def _complete(fields: dict[str, Any], wrong: list[str], key: str) -> StagedRecord:
    """Make a record of its fields.

    Raises:
        ValueError: some are wrong.
        TypeError: some are missing.
    """
    if wrong or fields.get("key") != key:
        raise ValueError(f"not what they should be: {', '.join(wrong) or 'key'}")
    return StagedRecord(**fields)


def _known_fields(raw: object) -> tuple[dict[str, Any], list[str]]:
    """The fields of a record, and the names of those of a wrong type; later ones are left out."""
    if not isinstance(raw, dict):
        return {}, ["all"]
    found: dict[str, Any] = {}
    wrong = []
    for one in dataclass_fields(StagedRecord):
        value = raw.get(one.name)
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            value = tuple(value)
        if type(value) is _TYPES[str(one.type).partition("[")[0]]:
            found[one.name] = value
        elif one.name in raw:
            wrong.append(one.name)
    return found, wrong


def _write(path: Path, content: Mapping[str, object]) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            os.chmod(part, 0o600)  # noqa: PTH101  the path is open already
            text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            file.write(KNOWN.redact_data(text))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
