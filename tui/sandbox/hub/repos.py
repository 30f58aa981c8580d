"""Repositories: a line of commits, each with the whole tree of its time."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree.

    Attributes:
        size: bytes of the content.
        oid: git's name of what is in the tree: the content, or the LFS pointer.
        sha256: of the content where it is stored outside of git (LFS), else None.
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
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The small file that git keeps instead of a large one."""
    spec = "https://git-lfs.github.com/spec/v1"
    return f"version {spec}\noid sha256:{sha256}\nsize {size}\n".encode()


@dataclass(slots=True)
class HubRepo:
    """One repository.

    Attributes:
        kind: `model`, `dataset` or `space`.
        gated: whether reading needs an accepted licence.
        accepted: users who accepted it.
        lfs: SHA-256 of every large content that was uploaded to this repository.
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
        """User or organisation."""
        return self.repo_id.partition("/")[0]

    @property
    def head(self) -> Commit:
        """The newest commit."""
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch or a hash names."""
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
    """All repositories by kind and id; ids differ by more than their case."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], HubRepo] = {}

    def get(self, kind: str, repo_id: str) -> HubRepo | None:
        """A repository, or None."""
        return self._all.get((kind, repo_id.lower()))

    def add(self, repo: HubRepo) -> HubRepo:
        """Put a new one in its place."""
        self._all[repo.kind, repo.repo_id.lower()] = repo
        return repo

    def remove(self, repo: HubRepo) -> None:
        """Forget one."""
        self._all.pop((repo.kind, repo.repo_id.lower()), None)
