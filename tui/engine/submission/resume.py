"""Lets a job go on from a checkpoint that an earlier job delivered to this machine."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tui.base.errors import RefusedError
from tui.simpletuner.errors import SimpleTunerError
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.resume_point import MANIFEST, local_key

LOG: Final = logging.getLogger(__name__)

Share = Callable[[JobRecord, JobRecord, str], Awaitable[int]]


class CheckpointSharing:
    """Finds the job of a checkpoint, and shares the files with the job that needs them."""

    def __init__(self, reader: StoreReader, share: Share) -> None:
        """Take the services it works with.

        Args:
            reader: the store.
            share: lets a job read a checkpoint of another one; returns the number of files.
        """
        self._reader = reader
        self._share = share

    def check(self, delivery: str, address: object) -> None:
        """Refuse a job whose checkpoint is not here.

        Args:
            delivery: the kind of the job's delivery.
            address: its `resume_from_checkpoint`.

        Raises:
            RefusedError: the address is in our own storage, and nothing is there.
        """
        key = local_key(str(address or "")) if delivery == "local" else ""
        if key and self._source(key) is None:
            raise RefusedError(
                f"No complete checkpoint {key} is on this machine.",
                "Go on from a checkpoint that arrived, or start from the beginning.",
                status=409,
            )

    async def share(self, job: JobRecord) -> None:
        """Let a job read the checkpoint that it goes on from. A second call changes nothing.

        Raises:
            SimpleTunerError: the files cannot be read any more.
        """
        address = str(job.config.get("resume_from_checkpoint") or "")
        key = local_key(address) if job.delivery == "local" else ""
        if not key:
            return
        source, shared = self._source(key), 0
        if source is not None:
            try:
                shared = await self._share(source, job, key)
            except OSError as error:
                LOG.warning("%s cannot be shared: %s", key, error)
        if shared == 0:
            raise SimpleTunerError(
                f"The checkpoint {key} cannot be read any more.",
                "Its files were moved, changed or deleted; start from the beginning.",
            )

    def _source(self, key: str) -> JobRecord | None:
        job_id = self._reader.job_with_file(f"{key}/{MANIFEST}")
        return self._reader.job(job_id) if job_id else None
