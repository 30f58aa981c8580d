"""Keys of the listener: key pairs and a webhook key for each job, key pairs for a person.

A job has one key pair to deliver its results with, and one for each dataset that is staged on this
machine. None of them opens what another one opens.

The secret half is derived from the public one by HMAC with a key of this installation
(`receiver.key`, mode 0600, created once; it identifies the receiver as a host key does a server,
and is no account's token). So no secret has to be stored, and keys stay valid over restarts.
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

from tui.base.job_status import LOST
from tui.engine.credentials.personal_keys import PersonalKeys
from tui.listener.storage.grants import GIB, MIB, StorageGrant
from tui.listener.storage.overlay import StagedView
from tui.listener.storage.staged import StagedFolder
from tui.replicate.known_secrets import KNOWN
from tui.settings import write_atomically
from tui.store.job_folder import folder_of
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

GRACE: Final = timedelta(hours=6)
"""How long a job may deliver after its end: for late uploads and a listener that was down."""
LONGEST: Final = timedelta(days=7)
BUCKET: Final = "outputs"
PERSONAL_FOLDER: Final = "personal"
"""The folder below the outputs that a person's own S3 tools read and write."""
_PREFIX: Final = "ST"
_PERSONAL: Final = re.compile(r"SP([0-9A-F]{10})[0-9A-F]{16}")
_DATA: Final = re.compile(r"SD([0-9A-F]{8})([0-9A-Z]+)")
DATA_QUOTA: Final = 512 * MIB
"""Bytes that a trainer may write beside a staged dataset; its index files have less than 1 KiB for
each picture."""
USUAL_LIMIT: Final = 10 * GIB
"""Bytes that a key may keep where nothing tells how many it needs."""
LEAST_LIMIT: Final = GIB
"""Bytes that any job may deliver."""
_HOOK_DIGITS: Final = 32
_KEY_BYTES: Final = 32
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An S3 key pair; the secret goes only into an input of type Secret."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"KeyPair({self.access_key}, ***)"


class StorageKeys:
    """Derives keys, and verifies those of incoming requests."""

    def __init__(
        self,
        key_file: Path,
        writer: StoreWriter,
        now: Callable[[], datetime],
        staged: StagedFolder | None = None,
        limit: Callable[[], int] = lambda: USUAL_LIMIT,
    ) -> None:
        """Read the installation's key.

        Args:
            key_file: where it is; it is created if missing.
            writer: the store of jobs.
            now: the clock.
            staged: the staged datasets; without it no key for one is valid.
            limit: bytes that a key may keep where nothing tells how many it needs.
        """
        self._master = _read_or_make(key_file)
        self._staged = staged
        self._writer = writer
        self._now = now
        self._limit = limit
        self.personal = PersonalKeys(writer, now)

    def pair(self, job_id: str) -> KeyPair:
        """Return the key pair of a job; the same each time."""
        return _known(self._pair(f"{_PREFIX}{job_id.upper()}"))

    def data_pair(self, job_id: str, label: str) -> KeyPair:
        """Return the key pair for a staged dataset of a job; the same each time."""
        return _known(self._pair(f"SD{label.upper()}{job_id.upper()}"))

    def personal_pair(self, lifetime: timedelta) -> KeyPair:
        """Create a key pair for a person's own S3 tools, which `personal` does not list.

        The access key contains its expiry; with a changed expiry, its secret would not match.
        """
        expires_at = int((self._now() + lifetime).timestamp())
        return _known(self._pair(f"SP{expires_at:010X}{secrets.token_hex(8).upper()}"))

    def listed_pair(self, lifetime: timedelta) -> KeyPair:
        """Create such a key pair for a person, who finds it in the list."""
        pair = self.personal_pair(lifetime)
        self.personal.add(pair.access_key, _expiry_of(pair.access_key))
        return pair

    def revoke_pair(self, access_key: str) -> None:
        """Revoke a person's key pair.

        Raises:
            RefusedError: it is none, or does not work any more.
        """
        expiry = _expiry_of(access_key) if _PERSONAL.fullmatch(access_key) else _LONG_AGO
        self.personal.revoke(access_key, expiry)

    def _pair(self, access_key: str) -> KeyPair:
        return KeyPair(access_key, base64.b64encode(self._derived(access_key)).decode()[:40])

    def _derived(self, label: str) -> bytes:
        return hmac.new(self._master, label.encode(), hashlib.sha256).digest()

    def hook_key(self, job_id: str) -> str:
        """Return the value of `?key=` in a job's webhook URL; the same each time."""
        return f"{job_id}-{self._derived(f'webhook:{job_id}').hex()[:_HOOK_DIGITS]}"

    def job_of_hook_key(self, key: str) -> JobRecord | None:
        """Return the job that a webhook key belongs to, or None."""
        job_id = key.rpartition("-")[0]
        if not hmac.compare_digest(key.encode(), self.hook_key(job_id).encode()):
            return None
        try:
            return self._writer.job(job_id)
        except KeyError:
            return None

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        """Return the grant of an access key, or None for an unknown one."""
        if _PERSONAL.fullmatch(access_key):
            if self.personal.is_revoked(access_key):
                return None
            return StorageGrant(
                job_id="",
                secret=self._pair(access_key).secret_key,
                prefix=PERSONAL_FOLDER,
                expires_at=_expiry_of(access_key),
                quota_bytes=self._limit(),
                bucket=BUCKET,
                may_delete=True,
            )
        if data := _DATA.fullmatch(access_key):
            return self._data_grant(data[2].lower(), data[1].lower())
        if not access_key.startswith(_PREFIX):
            return None
        try:
            job = self._writer.job(access_key.removeprefix(_PREFIX).lower())
        except KeyError:
            return None
        return self.grant_of(job)

    def grant_of(self, job: JobRecord) -> StorageGrant:
        """Return what the key pair of a job permits.

        A trainer that went wrong, or was made to, must not fill the disk: it may keep twice what
        the job is expected to deliver. Estimates of small jobs are rough, so `LEAST_LIMIT` is
        always allowed; a result that is refused is lost.
        """
        expected = int(job.submit.get("expected_bytes") or 0)
        ends = (job.completed_at or self._now()) + GRACE
        return StorageGrant(
            job_id=job.job_id,
            secret=self.pair(job.job_id).secret_key,
            prefix=folder_of(job),
            expires_at=min(ends, job.created_at + LONGEST),
            quota_bytes=max(2 * expected, LEAST_LIMIT) if expected else self._limit(),
            bucket=BUCKET,
        )

    def data_grant(self, job: JobRecord, label: str) -> StorageGrant | None:
        """Return the grant for a staged dataset of a job; None when there is none.

        It ends with the job: nothing is read after that.
        """
        if self._staged is None or not self._staged.has_view(job.job_id, label):
            return None
        ended_at = (job.completed_at or self._now()) if _has_ended(job) else self._now() + GRACE
        return StorageGrant(
            job_id=job.job_id,
            secret=self.data_pair(job.job_id, label).secret_key,
            prefix=f"{job.job_id}-{label}",
            expires_at=min(ended_at, job.created_at + LONGEST),
            quota_bytes=DATA_QUOTA,
            bucket=data_bucket(job.job_id, label),
            view=StagedView(self._staged.root, job.job_id, label),
        )

    def may_read_data(self, job_id: str) -> bool:
        """Whether a job may still read its staged datasets."""
        try:
            return not _has_ended(self._writer.job(job_id))
        except KeyError:
            return False

    def _data_grant(self, job_id: str, label: str) -> StorageGrant | None:
        try:
            return self.data_grant(self._writer.job(job_id), label)
        except KeyError:
            return None


def _expiry_of(access_key: str) -> datetime:
    """The moment that a person's access key contains; the latest there is where it is beyond."""
    digits = _PERSONAL.fullmatch(access_key)
    try:
        return datetime.fromtimestamp(int(digits[1], 16) if digits else 0, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _has_ended(job: JobRecord) -> bool:
    """Whether a job reads no more; one that Replicate does not tell of may be running."""
    return job.status.is_terminal and job.provider_status != LOST


def data_label(dataset_id: str) -> str:
    """Return a dataset's label in names of buckets and keys: 8 hexadecimal digits."""
    return hashlib.sha256(dataset_id.encode()).hexdigest()[:8]


def data_bucket(job_id: str, label: str) -> str:
    """Return the name of the bucket that shows a job's staged dataset, and nothing else.

    The dataset has a bucket of its own because SimpleTuner 4.8.0 reads the whole bucket, whatever
    prefix its entry names.
    """
    return f"data-{job_id}-{label}"


def _read_or_make(path: Path) -> bytes:
    """Return the installation's key; a missing or truncated file is replaced by a new key."""
    try:
        master = base64.b64decode(path.read_bytes(), validate=True)
    except (FileNotFoundError, ValueError):
        master = b""
    if len(master) != _KEY_BYTES:
        master = secrets.token_bytes(_KEY_BYTES)
        write_atomically(path, base64.b64encode(master).decode())
    return master


def _known(pair: KeyPair) -> KeyPair:
    """The pair, after its secret was made known to all writers."""
    KNOWN.add(pair.secret_key)
    return pair
