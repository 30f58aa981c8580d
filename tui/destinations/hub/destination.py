"""A model repository on the Hugging Face Hub as a destination."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from tui.base.formatting import plural
from tui.destinations.card.model_card import CARD
from tui.destinations.common.contract import Item, LocalFile, Progress, Resume, TestReport, Verified
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
    disk_error,
)
from tui.destinations.common.meter import Meter, Throttle, check_names, describe_source, pieces
from tui.destinations.hub import download, upload
from tui.destinations.hub.client import open_api
from tui.destinations.hub.errors import explain, is_taken
from tui.destinations.hub.names import HubTarget, check_repo_id
from tui.destinations.hub.upload import CountingReader
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.hf_api import RepoFile

_COMMIT_FILES = 100
_COMMIT_BYTES = 64 * 1024 * 1024
_PATHS_AT_ONCE = 200


class HubDestination:
    """A repository, used with one token."""

    kind = "hub"
    keeps_history = True

    def __init__(
        self,
        target: HubTarget,
        token: Secret,
        *,
        network: NetworkSettings | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self._target = target
        self._repo = check_repo_id(target.repo_id)
        self._token = token
        self._network = network or NetworkSettings()
        self._throttle = throttle
        self._remote_files: dict[str, RepoFile] = {}
        self._card: tuple[str | None] | None = None
        self._sent_by_xet: set[tuple[str, str]] = set()
        self._xet_stalled = False

    @cached_property
    def _api(self) -> HfApi:
        return open_api(self._target.endpoint, self._token, self._network)

    @contextlib.contextmanager
    def _translated(self, cancel: threading.Event | None = None) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if cancel is not None and cancel.is_set():
                raise TransferCancelledError from None
            raise explain(error, self._repo, self._target.endpoint) from error

    def describe(self) -> str:
        """Return the repository's name."""
        return f"{self._repo} on the Hugging Face Hub"

    def test(self, cancel: threading.Event | None = None) -> TestReport:
        """Check the token, its rights, and whether the name is free, writable or taken."""
        from tui.destinations.hub.probe import probe

        return probe(self._api, self._repo, self._target, cancel)

    def prepare(self) -> None:
        """Create the repository if it does not exist; an existing one keeps its visibility."""
        from huggingface_hub.errors import HfHubHTTPError

        with self._translated():
            try:
                self._api.create_repo(self._repo, private=self._target.private)
            except HfHubHTTPError as error:
                # A token without the right to create may still write to an existing repository.
                # The library's `exist_ok` does not check that, and only knows the public Hub.
                if error.response.status_code == 403:
                    self._check_write_access(error)
                elif not is_taken(error):
                    raise

    def _check_write_access(self, refusal: Exception) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        try:
            self._api.auth_check(self._repo, write=True)
        except HfHubHTTPError:
            raise refusal from None

    def plan(self, files: Sequence[LocalFile], cancel: threading.Event | None = None) -> list[Item]:
        """Compare the files with those in the repository, which may not exist yet."""
        check_names(tuple(files))
        folder = self._target.folder.strip("/")
        prefix = f"{folder}/" if folder else ""
        store = f"{self._target.endpoint} {self._repo}"
        items = [
            replace(describe_source(file, prefix + file.name, cancel), store=store)
            for file in files
        ]
        try:
            remote_files = self._look_up([item.target for item in items])
        except PublishError as error:
            if error.kind is not Trouble.MISSING:
                raise
            remote_files = {}
        return [self._compare(item, remote_files.get(item.target), cancel) for item in items]

    def _look_up(self, paths: Sequence[str]) -> dict[str, RepoFile]:
        from huggingface_hub.hf_api import RepoFile

        files: dict[str, RepoFile] = {}
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            with self._translated():
                batch = self._api.get_paths_info(
                    self._repo, list(paths[start : start + _PATHS_AT_ONCE])
                )
            files |= {item.path: item for item in batch if isinstance(item, RepoFile)}
        return files

    def _compare(self, item: Item, remote: RepoFile | None, cancel: threading.Event | None) -> Item:
        if remote is None:
            return item
        same = remote.size == item.size and _remote_checksum(remote) == _local_checksum(
            item, remote, cancel
        )
        return replace(item, present=same, replaces=not same)

    def send(
        self,
        item: Item,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        resume: Resume | None = None,
    ) -> None:
        """Upload a large file to the Hub's storage; small ones are sent with the commit.

        Nothing is visible before `finish`. Content that the Hub already has is not sent.
        """
        item.check_source()
        self._remote_files.pop(item.target, None)
        meter = Meter(item.size, progress, cancel, self._throttle)
        meter.check()
        if self._uses_xet(item):
            try:
                upload.send(
                    self._api, self._repo, item.source, item.sha256, meter,
                    stalled_after=2 * self._network.timeout,
                )  # fmt: skip
                self._sent_by_xet.add((item.target, item.sha256))
            except TransferCancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - plain HTTP is the fallback for every failure; it
                # also keeps to a limit that was set meanwhile.
                self._xet_stalled |= isinstance(error, upload.StalledError)
                meter.restart()
                self._send_by_http(item, meter)
        else:
            self._send_by_http(item, meter)
        item.check_source()
        (resume or Resume()).clear()
        meter.finish()

    def _uses_xet(self, item: Item) -> bool:
        limit = self._throttle.limit if self._throttle is not None else None
        large = item.size >= upload.XET_FROM_BYTES
        wanted = large and self._target.xet and not self._xet_stalled
        return wanted and upload.is_usable(self._network, limit)

    def _send_by_http(self, item: Item, meter: Meter) -> None:
        with self._operation(item, meter) as operation, self._translated(meter.cancel):
            self._api.preupload_lfs_files(self._repo, [operation], num_threads=1)

    def copy(
        self,
        item: Item,
        source: str,  # noqa: ARG002 - part of the protocol
        cancel: threading.Event | None = None,
    ) -> Literal["", "there"]:
        """Ask whether the Hub has the content already: it stores content by hash, not by name."""
        item.check_source()
        read: list[int] = []  # `meter.done` is 0 again: the library goes back to the start
        meter = Meter(item.size, lambda done, _total: read.append(done), cancel, self._throttle)
        with self._operation(item, meter) as operation, self._translated(cancel):
            self._api.preupload_lfs_files(self._repo, [operation], num_threads=1)
            large = operation._upload_mode == "lfs"  # noqa: SLF001  nothing public tells it
        return "there" if large and not read else ""

    @contextlib.contextmanager
    def _operation(self, item: Item, meter: Meter) -> Iterator[CommitOperationAdd]:
        """Return an addition that counts its bytes and has the known hash, which saves a read."""
        from huggingface_hub import CommitOperationAdd

        try:
            reader = CountingReader(item.source, meter)
        except OSError as error:
            raise disk_error(error, f"{item.source} cannot be read") from error
        with reader:
            with self._translated(meter.cancel):
                operation = CommitOperationAdd(item.target, str(item.source))
            operation.upload_info.sha256 = bytes.fromhex(item.sha256)
            if operation.upload_info.size != item.size:
                raise SourceChangedError(item.name)
            operation.path_or_fileobj = reader
            yield operation

    def finish(self, items: Sequence[Item], message: str = "") -> None:
        """Commit the sent files, at most `_COMMIT_FILES` at a time."""
        batch: list[Item] = []
        size = 0
        for item in items:
            if item.present:
                continue
            item.check_source()
            if batch and (len(batch) >= _COMMIT_FILES or size + item.size > _COMMIT_BYTES):
                self._commit(batch, message)
                batch, size = [], 0
            batch.append(item)
            size += item.size
        if batch:
            self._commit(batch, message)
        self._remote_files |= self._look_up([item.target for item in items])

    def _commit(self, batch: Sequence[Item], message: str) -> None:
        from huggingface_hub import CommitOperationAdd

        title = message or f"Publish {plural(len(batch), 'file')}"
        with contextlib.ExitStack() as stack:
            operations: list[CommitOperationAdd] = []
            for item in batch:
                if (item.target, item.sha256) in self._sent_by_xet:
                    # The library finds the content in the storage and sends none of it, so no
                    # bandwidth limit applies.
                    with self._translated():
                        operation = CommitOperationAdd(item.target, str(item.source))
                    operation.upload_info.sha256 = bytes.fromhex(item.sha256)
                else:
                    operation = stack.enter_context(self._operation(item, Meter(item.size)))
                operations.append(operation)
            with self._translated():
                parent = self._card_parent(batch)
                self._commit_kinds(operations, title, parent)

    def _card_parent(self, batch: Sequence[Item]) -> str | None:
        """Return the parent commit for replacing the model card, in which it is as it was read.

        Hours may pass between reading a card and replacing it.

        Raises:
            PublishError: the card was changed meanwhile (`Trouble.BUSY`: the retry decides anew).
        """
        if self._card is None or all(item.target != CARD for item in batch):
            return None
        head = self._api.repo_info(self._repo).sha
        if download.read_text(self._api, self._repo, CARD, revision=head) != self._card[0]:
            raise PublishError(
                f"The model card of {self._repo} was changed while files were sent.",
                "It is looked at again before anything is written.",
                Trouble.BUSY,
            )
        return head

    def _commit_kinds(
        self, operations: list[CommitOperationAdd], title: str, parent: str | None
    ) -> None:
        """Create a commit; the library cannot mix paths and file objects in one upload."""
        by_path = [item for item in operations if isinstance(item.path_or_fileobj, str)]
        if by_path and len(by_path) < len(operations):
            self._api.preupload_lfs_files(self._repo, by_path)
        self._api.create_commit(self._repo, operations, commit_message=title, parent_commit=parent)

    def verify(
        self, item: Item, *, deep: bool = False, cancel: threading.Event | None = None
    ) -> Verified:
        """Compare size and SHA-256 (large files) or git hash (small ones) with the Hub's."""
        remote = self._remote_files.get(item.target) or self._look_up([item.target]).get(
            item.target
        )
        if remote is None:
            raise MismatchError(item.name, "the repository does not have it")
        if remote.size != item.size:
            raise MismatchError(
                item.name, f"{plural(remote.size, 'byte')} instead of {item.size:,}"
            )
        if deep:
            digest = self._read_back(item, cancel)
            if digest != item.sha256:
                raise MismatchError(item.name, "reading it back gives other bytes")
            return Verified(item.size, "read back", digest)
        checksum = _remote_checksum(remote)
        if checksum != _local_checksum(item, remote, cancel):
            raise MismatchError(item.name, "its checksum is another")
        return Verified(item.size, "sha256" if remote.lfs else "git", checksum)

    def _read_back(self, item: Item, cancel: threading.Event | None) -> str:
        meter, digest = Meter(item.size, None, cancel, self._throttle), hashlib.sha256()
        with (
            self._translated(cancel),
            download.opened(self._api, self._repo, item.target) as answer,
        ):
            for piece in answer.iter_bytes(1024 * 1024):
                meter.add(len(piece))
                digest.update(piece)
        return digest.hexdigest()

    def abandon(self, item: Item, resume: Resume) -> None:  # noqa: ARG002 - part of the protocol
        """Drop the state; the Hub deletes content without a commit by itself."""
        resume.clear()

    def link(self, item: Item) -> str | None:
        """Return the URL of the file's page."""
        return f"{self._target.endpoint}/{self._repo}/blob/main/{quote(item.target)}"

    def close(self) -> None:
        """Do nothing: the library has one connection pool for the whole process."""

    def read_text(self, path: str) -> str | None:
        """Return a small text file of the repository, such as its card; None if missing."""
        with self._translated():
            text = download.read_text(self._api, self._repo, path)
        if path == CARD:
            self._card = (text,)
        return text


def _remote_checksum(remote: RepoFile) -> str:
    return str(remote.lfs.sha256 if remote.lfs else remote.blob_id)


def _local_checksum(item: Item, remote: RepoFile, cancel: threading.Event | None) -> str:
    """Return the planned content's checksum of the kind that the Hub stores for it.

    Raises:
        SourceChangedError: it had to be computed, and the file no longer has the planned content.
    """
    if remote.lfs:
        return item.sha256
    sha256 = hashlib.sha256()
    name = git_hash(item.source, item.size, cancel, whole=sha256)
    if sha256.hexdigest() != item.sha256:
        raise SourceChangedError(item.name)
    return name


def git_hash(
    path: Path,
    size: int,
    cancel: threading.Event | None = None,
    *,
    whole: hashlib._Hash | None = None,
) -> str:
    """Return git's blob hash of a file; reads it once and updates `whole` as well."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    for piece in pieces(path, cancel):
        digest.update(piece)
        if whole is not None:
            whole.update(piece)
    return digest.hexdigest()
