"""Fetching the images archive and unpacking it safely, with the guard's defect on request."""

from __future__ import annotations

import base64
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote_to_bytes

import httpx

from tui.base.hosts import is_loopback
from tui.sandbox.worker import ProgramError, RunContext

MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_MEMBERS = 200_000
_CHUNK = 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def fetch(run: RunContext, url: str, target: Path) -> None:
    """Download an archive to `target`; a data address is decoded.

    Raises:
        ProgramError: the address does not give the bytes.
    """
    if url.startswith("data:"):
        head, _, body = url.partition(",")
        plain = base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
        target.write_bytes(plain)
        return
    shown = url.partition("?")[0]
    try:
        with (
            httpx.Client(
                follow_redirects=True, timeout=_TIMEOUT, trust_env=not is_loopback(url)
            ) as client,
            client.stream("GET", url) as answer,
            target.open("wb") as file,
        ):
            if not answer.is_success:
                raise ProgramError(f"Could not download images: {shown}: HTTP {answer.status_code}")
            for chunk in answer.iter_bytes(_CHUNK):
                run.check()
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise ProgramError(f"Could not download images: {shown}: {reason}") from error


def unpack(run: RunContext, archive: Path, target: Path) -> int:
    """Unpack a zip or tar archive into `target` and return the number of files.

    Members that would land outside, links and devices are refused or skipped; sizes are bounded.

    Raises:
        ProgramError: not an archive, a damaged one, or a member that points outside.
    """
    target.mkdir(parents=True, exist_ok=True)
    room = _Room(run, target)
    try:
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, room)
        if tarfile.is_tarfile(archive):
            return _unpack_tar(archive, room)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError) as error:
        raise ProgramError(f"Could not unpack the images archive: {error}") from error
    raise ProgramError("Unsupported archive format: images must be a zip or tar file")


class _Room:
    """The folder that is unpacked into, with its limits."""

    def __init__(self, run: RunContext, target: Path) -> None:
        self._run = run
        self._root = target
        self._bytes = 0
        self.files = 0

    def place(self, kind: str, name: str) -> Path:
        """Where a member goes; ProgramError when that is outside."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        unsafe = not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0]
        if unsafe or self._run.release.refuses_archive_members:
            raise ProgramError(f"Unsafe {kind} path detected: {name}")
        return self._root.joinpath(*parts)

    def write(self, path: Path, source: IO[bytes]) -> None:
        """Copy one member out, counting its real bytes."""
        self.files += 1
        if self.files > MAX_MEMBERS:
            raise ProgramError("The images archive has too many members")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while chunk := source.read(_CHUNK):
                self._run.check()
                self._bytes += len(chunk)
                if self._bytes > MAX_UNPACKED_BYTES:
                    raise ProgramError("The images archive is too large unpacked")
                file.write(chunk)


def _unpack_zip(archive: Path, room: _Room) -> int:
    with zipfile.ZipFile(archive) as source:
        for member in source.infolist():
            path = room.place("zip", member.filename)
            is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
            if member.is_dir() or is_link:
                continue
            with source.open(member) as stream:
                room.write(path, stream)
    return room.files


def _unpack_tar(archive: Path, room: _Room) -> int:
    with tarfile.open(archive, "r:*") as source:
        for member in source:
            path = room.place("tar", member.name)
            stream = source.extractfile(member) if member.isreg() else None
            if stream is not None:
                with stream:
                    room.write(path, stream)
    return room.files


def free(folder: Path) -> None:
    """Give the space of unpacked data back."""
    shutil.rmtree(folder, ignore_errors=True)
