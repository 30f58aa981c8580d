"""Repositories, which are lists of commits with whole trees, and their contents on disk.

`Blobs` stores each content under its hash. An upload becomes visible only when its hash is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

MAIN = "main"
_READ_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Layout of a Xet shard, https://huggingface.co/docs/xet/shard
_SHARD_RECORD_BYTES = 48
_SHARD_HAS_CHECKS = 1 << 31
_SHARD_HAS_SHA256 = 1 << 30
_SHARD_END = b"\xff" * 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree.

    Attributes:
        size: size of the content in bytes.
        oid: git hash of the tree's blob: the content, or the LFS pointer.
        sha256: hash of the content when it is stored outside of git (LFS), else None.
    """

    size: int
    oid: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit."""

    oid: str
    title: str
    date: datetime
    tree: dict[str, Entry]


def git_oid(content: bytes) -> str:
    """The git hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The LFS pointer, which git stores instead of a large file."""
    spec = "https://git-lfs.github.com/spec/v1"
    return f"version {spec}\noid sha256:{sha256}\nsize {size}\n".encode()


@dataclass(slots=True)
class HubRepo:
    """One repository.

    Attributes:
        kind: `model`, `dataset` or `space`.
        gated: whether reading requires an accepted licence.
        accepted: users who accepted the licence.
        lfs: SHA-256 hashes of the large files that were uploaded to this repository.
    """

    repo_id: str
    kind: str = "model"
    private: bool = False
    gated: bool = False
    accepted: set[str] = field(default_factory=set)
    lfs: set[str] = field(default_factory=set)
    commits: list[Commit] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.commits:
            self.commit("initial commit", {})

    @property
    def namespace(self) -> str:
        """The user or organisation."""
        return self.repo_id.partition("/")[0]

    @property
    def head(self) -> Commit:
        """The newest commit."""
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch or a hash; None when it does not exist."""
        if revision == MAIN:
            return self.head
        return next((item for item in self.commits if item.oid == revision), None)

    def commit(self, title: str, tree: dict[str, Entry]) -> Commit:
        """Add a commit with this tree."""
        state = {path: entry.oid for path, entry in sorted(tree.items())}
        seed = json.dumps([self.repo_id, len(self.commits), time.time_ns(), title, state])
        oid = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        self.commits.append(Commit(oid, title, datetime.now(UTC), dict(tree)))
        return self.head


class Repos:
    """All repositories by kind and id. Ids are case-insensitive, as on the Hub."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], HubRepo] = {}

    def get(self, kind: str, repo_id: str) -> HubRepo | None:
        """A repository, or None."""
        return self._all.get((kind, repo_id.lower()))

    def add(self, repo: HubRepo) -> HubRepo:
        """Add a repository."""
        self._all[repo.kind, repo.repo_id.lower()] = repo
        return repo

    def remove(self, repo: HubRepo) -> None:
        """Remove a repository."""
        self._all.pop((repo.kind, repo.repo_id.lower()), None)


class Blobs:
    """Files named by the hash of their content: SHA-256 for large ones, git's hash for small."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.cas = root / "cas"
        for folder in (self._root, self._root / "lfs", self._root / "git", self._root / "incoming"):
            folder.mkdir(parents=True, exist_ok=True)

    def small(self, oid: str) -> Path:
        """The path of a small file's content."""
        return self._root / "git" / oid

    def large(self, sha256: str) -> Path | None:
        """The path of a large file's content; None when it is not stored."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._root / "lfs" / sha256
        return path if path.is_file() else None

    def incoming(self, name: str = "") -> Path:
        """A path for an upload that is being received."""
        return self._root / "incoming" / (name or secrets.token_hex(8))

    def keep_small(self, oid: str, content: bytes) -> None:
        """Store the content of a small file."""
        path = self.small(oid)
        if not path.exists():
            path.write_bytes(content)

    def keep_large(self, received: Path, sha256: str) -> None:
        """Move a received upload to the path of its hash."""
        received.replace(self._root / "lfs" / sha256)

    def join(self, parts: list[Path], to: Path) -> str:
        """Concatenate the parts of an upload, delete them, and return the SHA-256 of the result."""
        digest = hashlib.sha256()
        with to.open("wb") as target:
            for part in parts:
                with part.open("rb") as source:
                    while piece := source.read(_READ_BYTES):
                        digest.update(piece)
                        target.write(piece)
                part.unlink()
        return digest.hexdigest()

    def from_xet(self, sha256: str) -> Path | None:
        """Store a content that a client put into the local Xet folder; None if it is not there."""
        file_hashes = next((item for item in self._shards() if item[0] == sha256), None)
        if file_hashes is None:
            return None
        from hf_xet import (  # type: ignore[import-untyped]  # compiled, without stubs
            XetFileInfo,
            XetSession,
        )

        target = self.incoming()
        group = XetSession().new_file_download_group(endpoint=f"local://{self.cas}")
        group.start_download_file(XetFileInfo(file_hashes[1], None), str(target))
        group.wait_to_finish()
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                target.unlink()
                return None
        self.keep_large(target, sha256)
        return self.large(sha256)

    def _shards(self) -> Iterator[tuple[str, str]]:
        """SHA-256 and Xet hash of every file in the local Xet folder."""
        shards = sorted((self.cas / "xet" / "xorbs" / "shards").glob("*.mdb"), key=os.path.getmtime)
        for path in reversed(shards):
            yield from read_shard(path.read_bytes())


def read_shard(data: bytes) -> Iterator[tuple[str, str]]:
    """SHA-256 and Xet hash of the files that a shard describes."""
    place = _SHARD_RECORD_BYTES
    while place + _SHARD_RECORD_BYTES <= len(data) and data[place : place + 32] != _SHARD_END:
        name = data[place : place + 32]
        flags, entries = struct.unpack_from("<II", data, place + 32)
        place += _SHARD_RECORD_BYTES * (1 + entries * (2 if flags & _SHARD_HAS_CHECKS else 1))
        if flags & _SHARD_HAS_SHA256:
            yield _hash_text(data[place : place + 32]), _hash_text(name)
            place += _SHARD_RECORD_BYTES


def _hash_text(raw: bytes) -> str:
    """Hashes are four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw.ljust(32, b"\0")[:32]))
