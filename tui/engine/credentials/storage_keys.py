"""Keys for who delivers here: a pair for each job, one for its webhooks, pairs for a person.

The secret half is derived from the public one with a key of this installation (`receiver.key`, mode
0600, made once: an identity of the receiver, as a server's host key is, and no account's token). So
no secret is ever stored, and one given out before a restart still works after it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
PERSONAL_FOLDER: Final = "personal"
"""Below the outputs folder: what a person's own S3 tools see and fill."""
_PREFIX: Final = "ST"
_PERSONAL: Final = re.compile(r"SP([0-9A-F]{10})[0-9A-F]{16}")
_HOOK_DIGITS: Final = 32
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
        return self._pair(f"{_PREFIX}{job_id.upper()}")

    def personal_pair(self, lifetime: timedelta) -> KeyPair:
        """A new key pair for a person's own S3 tools.

        The access key itself says how long it lives; one with another time has another secret.
        """
        until = int((self._now() + lifetime).timestamp())
        return self._pair(f"SP{until:010X}{secrets.token_hex(8).upper()}")

    def _pair(self, access_key: str) -> KeyPair:
        return KeyPair(access_key, base64.b64encode(self._derived(access_key)).decode()[:40])

    def _derived(self, label: str) -> bytes:
        return hmac.new(self._master, label.encode(), hashlib.sha256).digest()

    def hook_key(self, job_id: str) -> str:
        """What a job's webhook address carries as `?key=`; the same each time."""
        return f"{job_id}-{self._derived(f'webhook:{job_id}').hex()[:_HOOK_DIGITS]}"

    def job_of_hook_key(self, key: str) -> JobRecord | None:
        """The job that a webhook address belongs to, or None."""
        job_id = key.rpartition("-")[0]
        if not hmac.compare_digest(key.encode(), self.hook_key(job_id).encode()):
            return None
        try:
            return self._writer.job(job_id)
        except KeyError:
            return None

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        """The grant of an access key, or None when nobody has it."""
        if personal := _PERSONAL.fullmatch(access_key):
            return StorageGrant(
                job_id="",
                secret=self._pair(access_key).secret_key,
                prefix=PERSONAL_FOLDER,
                expires_at=datetime.fromtimestamp(int(personal[1], 16), UTC),
                bucket=BUCKET,
                may_delete=True,
            )
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
