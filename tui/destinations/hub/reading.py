"""Reads the files of a repository at one revision, from any byte on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from tui.destinations.common.contract import Reading, RemoteFile
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub import download
from tui.destinations.hub.client import open_api
from tui.destinations.hub.errors import explain
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_BLOCK = 1024 * 1024
_GIT_FILES = frozenset({".gitattributes", ".gitignore"})


class RepoReader:
    """A repository whose files are listed and read at one revision."""

    def __init__(
        self, repo_id: str, *, endpoint: str, token: Secret | None, network: NetworkSettings
    ) -> None:
        self.repo_id = repo_id
        self._endpoint = endpoint
        self._token = token
        self._network = network

    @cached_property
    def _api(self) -> HfApi:
        return open_api(self._endpoint, self._token, self._network)

    def revision(self, name: str = "main") -> str:
        """Return the commit of a branch, tag or commit.

        Raises:
            PublishError: there is none, or the Hub does not answer.
        """
        try:
            return str(self._api.model_info(self.repo_id, revision=name).sha or name)
        except Exception as error:
            raise explain(error, self.repo_id, self._endpoint) from error

    def list(self, revision: str) -> list[RemoteFile]:
        """Return all files of a revision, without git's own."""
        from huggingface_hub.hf_api import RepoFile

        files = []
        try:
            for item in self._api.list_repo_tree(self.repo_id, recursive=True, revision=revision):
                if isinstance(item, RepoFile) and item.path not in _GIT_FILES:
                    sha256 = str(item.lfs.sha256) if item.lfs else ""
                    git = "" if item.lfs else str(item.blob_id)
                    files.append(RemoteFile(item.path, item.size, sha256 or git, sha256, git))
        except Exception as error:
            raise explain(error, self.repo_id, self._endpoint) from error
        return files

    @contextlib.contextmanager
    def opened(self, name: str, revision: str, start: int, stop: int | None) -> Iterator[Reading]:
        """Open a file of a revision from byte `start` on."""
        import httpx2

        opening = download.opened(
            self._api, self.repo_id, name, revision=revision, start=start, stop=stop
        )
        try:
            answer = opening.__enter__()
        except Exception as error:
            raise explain(error, self.repo_id, self._endpoint) from error
        pieces = answer.iter_bytes(_BLOCK)

        def read(_size: int) -> bytes:
            try:
                return next(pieces, b"")
            except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
                raise PublishError(
                    f"The connection to {self._endpoint} broke while {name} was read.",
                    "It will be tried again.",
                    Trouble.NETWORK,
                ) from error

        try:
            yield Reading(start if answer.status_code == 206 else 0, read)
        finally:
            opening.__exit__(None, None, None)
