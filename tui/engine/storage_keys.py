"""A key pair for each job that delivers to this machine.

The secret half is derived from the job's id with a key of this installation (`receiver.key`, mode
0600, made once: an identity of the receiver, as a server's host key is, and no account's token). So
no job's secret is ever stored, and one given out before a restart still works after it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tui.listener.storage.grants import StorageGrant
from tui.settings import write_atomically
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

GRACE: Final = timedelta(hours=6)
"""How long after its end a job may still deliver: late uploads, a listener that was down."""
LONGEST: Final = timedelta(days=7)
BUCKET: Final = "outputs"
_PREFIX: Final = "ST"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What a trainer needs to deliver; the secret goes into a Secret input only."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"KeyPair({self.access_key}, ***)"


class StorageKeys:
    """Gives out key pairs and recognises them again."""

    def __init__(self, key_file: Path, writer: StoreWriter, now: Callable[[], datetime]) -> None:
        self._master = _read_or_make(key_file)
        self._writer = writer
        self._now = now

    def pair(self, job_id: str) -> KeyPair:
        """The key pair of a job; the same each time."""
        access_key = f"{_PREFIX}{job_id.upper()}"
        digest = hmac.new(self._master, access_key.encode(), hashlib.sha256).digest()
        return KeyPair(access_key, base64.b64encode(digest).decode()[:40])

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        """The grant of an access key, or None when no job has it."""
        if not access_key.startswith(_PREFIX):
            return None
        try:
            job = self._writer.job(access_key.removeprefix(_PREFIX).lower())
        except KeyError:
            return None
        ends = (job.completed_at or self._now()) + GRACE
        return StorageGrant(
            job_id=job.job_id,
            secret=self.pair(job.job_id).secret_key,
            prefix=folder_of(job),
            expires_at=min(ends, job.created_at + LONGEST),
            bucket=BUCKET,
        )


def folder_of(job: JobRecord) -> str:
    """The job's folder below the outputs root: its name as file systems like it, and its id."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60]
    return f"{name or 'job'}-{job.job_id}"


def _read_or_make(path: Path) -> bytes:
    """The installation's key. A file cut short (a power loss) is no key: a new one is made."""
    try:
        master = base64.b64decode(path.read_bytes(), validate=True)
    except FileNotFoundError:
        master = b""
    except ValueError:
        master = b""
    if len(master) != _KEY_BYTES:
        master = secrets.token_bytes(_KEY_BYTES)
        write_atomically(path, base64.b64encode(master).decode())
    return master
