"""Fetching what a job produced, before it is gone."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tui.engine.book import Book, Clock
from tui.engine.clients import Clients
from tui.engine.storage_keys import folder_of
from tui.replicate.errors import ReplicateError
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.writer import Change

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a job produced that is not here."""

    what: str
    why: str
    advice: str


class Collector:
    """Brings a job's results to the outputs folder and knows what is missing."""

    def __init__(
        self, book: Book, clients: Clients, reader: StoreReader, outputs: Path, now: Clock
    ) -> None:
        self._book = book
        self._clients = clients
        self._reader = reader
        self._outputs = outputs
        self._now = now

    async def collect(self, job: JobRecord) -> dict[str, Any]:
        """Fetch what can be fetched.

        Returns:
            `{job_id, folder, files: [{path, size, sha256}], missing: [{what, why, advice}]}`;
            paths are absolute.
        """
        missing: list[Missing] = []
        known = {file.path: file for file in self._reader.files(job.job_id)}
        for url in _links(job.output, job.api_base):
            name = Path(unquote(urlsplit(url).path)).name or "output"
            relative = f"{folder_of(job)}/{name}"
            if relative in known and await self._is_whole(known[relative]):
                continue
            problem = await self._fetch(job, url, relative)
            if problem is not None:
                missing.append(problem)
        missing += [
            Missing(file.path, "the file was moved, changed or deleted", "")
            for file in known.values()
            if not await self._is_whole(file)
        ]
        files = self._reader.files(job.job_id)
        if not files and not missing and job.status.is_terminal:
            missing.append(_nothing(job))
        if files and not missing and job.data_expires_at is not None:
            self._book.write(job.job_id, Change(values={"data_expires_at": None}))
        return {
            "job_id": job.job_id,
            "folder": str(self._outputs / folder_of(job)),
            "files": [file_row(file, self._outputs) for file in files],
            "missing": [
                {"what": item.what, "why": item.why, "advice": item.advice} for item in missing
            ],
        }

    async def _fetch(self, job: JobRecord, url: str, relative: str) -> Missing | None:
        target = self._outputs / relative
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            client = await self._clients.get(job.api_base)
            got = await client.download(url, target)
        except ReplicateError as error:
            return Missing(relative, error.message, error.advice)
        except OSError as error:
            return Missing(
                relative, f"it cannot be written: {error.strerror or error}", "Free some space."
            )
        self._book.write(
            job.job_id,
            Change(
                files=[FileRecord(relative, got.size, got.sha256, "downloaded", self._now())],
                events=[(self._now(), "local", "file", f"{relative} fetched, {got.size:,} bytes")],
            ),
        )
        return None

    async def _is_whole(self, file: FileRecord) -> bool:
        path = self._outputs / file.path
        try:
            if path.stat().st_size != file.size:
                return False
            return await asyncio.to_thread(_sha256, path) == file.sha256
        except OSError:
            return False


def file_row(file: FileRecord, outputs: Path) -> dict[str, Any]:
    """A file as commands print it: where it is, its size and its SHA-256."""
    return {"path": str(outputs / file.path), "size": file.size, "sha256": file.sha256}


def _links(output: Any, api_base: str) -> list[str]:
    """File outputs: Replicate's delivery hosts over https, or the API's own host (a sandbox)."""
    items = output if isinstance(output, list) else [output]
    own = urlsplit(api_base).netloc
    found = []
    for item in items:
        if not isinstance(item, str):
            continue
        parts = urlsplit(item)
        host = parts.hostname or ""
        theirs = host == "replicate.delivery" or host.endswith(".replicate.delivery")
        if (theirs and parts.scheme == "https") or (own and parts.netloc == own):
            found.append(item)
    return found


def _nothing(job: JobRecord) -> Missing:
    if job.delivery == "hub":
        return Missing(
            "results", "they were delivered to the Hub", f"They are at {job.output_url}."
        )
    if job.delivery == "local":
        return Missing(
            "results",
            "the trainer sent nothing",
            "Its log says why; with validation switched off some trainers upload no final files.",
        )
    return Missing("results", "the job was told to deliver elsewhere", "Look at its output.")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
