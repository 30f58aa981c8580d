"""A private dataset repository that holds staged training data.

Its `main` only grows: each content has a folder of its own, named by its digest, and the card names
the newest. A job reads the commit that its content was completed with, so staging something else
changes nothing for a job that waits. Beside the pictures lies `metadata.jsonl` with their captions;
files without a row would be left out by the loader, and rows without a file would fail it, so both
are written by one commit after all pictures.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from tui.base.formatting import plural
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
    disk_error,
)
from tui.destinations.common.meter import Meter
from tui.destinations.hub import download
from tui.destinations.hub.destination import git_hash
from tui.destinations.hub.errors import explain
from tui.destinations.hub.upload import CountingReader
from tui.simpletuner.staging.convert import converted
from tui.simpletuner.staging.manifest import StagedDataset, StagedFile
from tui.simpletuner.staging.rewrite import hub_rows, row_name

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.hf_api import RepoFile

_T = TypeVar("_T")

_KIND: Final = "dataset"
_CARD: Final = "README.md"
_TABLE: Final = "metadata.jsonl"
_FILES_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 256 * 1024 * 1024
_BUFFER: Final = 64 * 1024
"""Bytes in memory of each file of a batch, all of which are open at once."""
_COMMIT_FILES: Final = 2_000
"""Files of one commit; the Hub limits commits per hour, and each file is one line of it."""
_COMMIT_BYTES: Final = 32 * 1024 * 1024
"""Bytes of small files in one commit: they travel inside it."""
_TRIES: Final = 6
"""Tries of one request, the first included."""
_LONGEST_PAUSE: Final = 20.0


class StagedRepository:
    """One repository, used with one token. All calls block."""

    def __init__(self, api: HfApi, repo_id: str, installation: str) -> None:
        """Use a repository that need not exist.

        Args:
            api: the Hub and the token.
            repo_id: `owner/name`.
            installation: identifies this program's state folder; only a repository whose card
                carries it is written to or deleted.
        """
        self._api = api
        self.repo_id = repo_id
        self._mark = f"<!-- simpletuner-tui staged data {installation} -->"

    # -- what is there --------------------------------------------------------------------------

    def state(self) -> Literal["free", "empty", "ours"]:
        """Return whether the name is free, a private repository without files, or holds our data.

        Raises:
            PublishError: the name is somebody else's, the repository is public, or the Hub cannot
                be asked.
        """
        try:
            info = self._call(lambda: self._api.dataset_info(self.repo_id))
        except PublishError as error:
            if error.kind is Trouble.MISSING:
                return "free"
            raise
        names = {item.rfilename for item in info.siblings or ()}
        card = self._call(
            lambda: download.read_text(self._api, self.repo_id, _CARD, kind=_KIND) or ""
        )
        if self._mark not in card and names - {".gitattributes"}:
            raise PublishError(
                f"The dataset {self.repo_id} exists on the Hub and was not made by this program.",
                "Rename or delete it there, or rename the dataset in the config.",
                Trouble.TAKEN,
            )
        if not info.private:
            raise PublishError(
                f"The dataset {self.repo_id} on the Hub is public.",
                "Make it private in its settings; staged data are never sent to a public one.",
                Trouble.PERMISSION,
            )
        return "ours" if self._mark in card else "empty"

    def holds(self, commit: str) -> bool:
        """Return whether a commit that was verified before is still there."""
        try:
            self._call(lambda: self._api.dataset_info(self.repo_id, revision=commit))
        except PublishError as error:
            if error.kind in (Trouble.MISSING, Trouble.BUSY) and not error.retry_after:
                return False
            raise
        return True

    # -- sending --------------------------------------------------------------------------------

    def send(self, dataset: StagedDataset, meter: Meter) -> str:
        """Send what is missing of a dataset, verify all of it, and return the commit to read.

        Raises:
            SourceChangedError: a file is not what was planned.
            TransferCancelledError: the meter's `cancel` was set.
            PublishError: it failed; a second call goes on from here.
        """
        state = self._retried(self.state, meter.cancel)
        if state == "free":
            self._retried(self._create, meter.cancel)
        if state != "ours":  # the card of a repository in use must go on naming its data
            self._commit([self._content(_CARD, self._card(None))], "Mark as staged data", meter)
        present = self._listing(dataset, "main", meter.cancel)
        missing = [
            (number, file)
            for number, file in enumerate(dataset.files)
            if row_name(number, file) not in present
        ]
        meter.add(dataset.bytes - sum(file.size for _, file in missing), limited=False)
        waiting: list[CommitOperationAdd] = []
        inline = 0
        for batch in _batches(missing):
            sent = self._upload(dataset, batch, meter)
            waiting += sent
            inline += sum(item.upload_info.size for item in sent if not item._is_uploaded)  # noqa: SLF001  nothing public tells it
            if len(waiting) >= _COMMIT_FILES or inline >= _COMMIT_BYTES:
                self._commit(waiting, f"Stage {plural(len(waiting), 'file')}", meter)
                waiting, inline = [], 0
        if waiting:
            self._commit(waiting, f"Stage {plural(len(waiting), 'file')}", meter)
        return self._complete(dataset, meter)

    def _create(self) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        def create() -> None:
            try:
                self._api.create_repo(self.repo_id, repo_type=_KIND, private=True)
            except HfHubHTTPError as error:
                if error.response.status_code != 409:
                    raise

        self._call(create)
        self.state()  # it may have come into being meanwhile

    def _upload(
        self, dataset: StagedDataset, batch: Sequence[tuple[int, StagedFile]], meter: Meter
    ) -> list[CommitOperationAdd]:
        """Upload a batch; large files are stored, small ones wait for the commit."""
        from huggingface_hub import CommitOperationAdd

        before = meter.done

        def once() -> list[CommitOperationAdd]:
            meter.back(meter.done - before)
            operations: list[CommitOperationAdd] = []
            with contextlib.ExitStack() as stack:
                paths = [stack.enter_context(_sent_file(file)) for _, file in batch]
                for (number, file), path in zip(batch, paths, strict=True):
                    name = f"{folder_of(dataset)}/{row_name(number, file)}"
                    operation = CommitOperationAdd(name, str(path))
                    operation.upload_info.sha256 = bytes.fromhex(file.sha256)
                    if operation.upload_info.size != file.size:
                        raise SourceChangedError(Path(file.source).name)
                    reader = CountingReader(path, meter, _BUFFER)
                    stack.callback(reader.close)
                    operation.path_or_fileobj = reader
                    operations.append(operation)
                for distinct in _without_repeats(batch, operations):
                    self._api.preupload_lfs_files(
                        self.repo_id, distinct, repo_type=_KIND, num_threads=4
                    )
                for operation, path in zip(operations, paths, strict=True):
                    if not operation._is_uploaded:  # noqa: SLF001  nothing public tells it
                        operation.path_or_fileobj = path.read_bytes()
            for _, file in batch:
                check_unchanged(file)
            return operations

        operations = self._retried(lambda: self._call(once, meter.cancel), meter.cancel)
        # What the Hub had already was not read.
        meter.add(before + sum(file.size for _, file in batch) - meter.done, limited=False)
        return operations

    def _complete(self, dataset: StagedDataset, meter: Meter) -> str:
        """Write table and card, verify everything at the commit, and return it."""
        folder = folder_of(dataset)
        table = f"{folder}/{_TABLE}"
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in hub_rows(dataset)]
        files = {table: "".join(lines).encode(), _CARD: self._card(folder)}
        operations = [self._content(name, content) for name, content in files.items()]
        commit = self._commit(operations, f"Complete {folder}", meter)
        self.verify(dataset, commit, meter.cancel)
        written = self._paths(list(files), commit, meter.cancel)
        for name, content in files.items():
            found = written.get(name)
            if found is None or _checksum(found) not in _checksums(content):
                raise MismatchError(name, "the repository has something else")
        return commit

    def verify(self, dataset: StagedDataset, commit: str, cancel: threading.Event) -> None:
        """Compare every file of a dataset with the Hub's listing of a commit, by checksum.

        Raises:
            MismatchError: a file is missing or differs.
        """
        present = self._listing(dataset, commit, cancel)
        for number, file in enumerate(dataset.files):
            if row_name(number, file) not in present:
                raise MismatchError(Path(file.source).name, "the repository does not have it")

    def _listing(
        self, dataset: StagedDataset, revision: str, cancel: threading.Event
    ) -> frozenset[str]:
        """Names in a dataset's folder whose size and checksum are as planned."""
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        folder = folder_of(dataset)

        def listed() -> list[RepoFile]:
            try:
                tree = self._api.list_repo_tree(
                    self.repo_id, folder, recursive=True, revision=revision, repo_type=_KIND
                )
                return [item for item in tree if isinstance(item, RepoFile)]
            except EntryNotFoundError:
                return []

        remote = {
            item.path.removeprefix(f"{folder}/"): item
            for item in self._retried(lambda: self._call(listed, cancel), cancel)
        }
        return frozenset(
            name
            for number, file in enumerate(dataset.files)
            if (found := remote.get(name := row_name(number, file))) is not None
            and found.size == file.size
            and _checksum(found) == _planned_checksum(file, found, cancel)
        )

    def _paths(
        self, names: list[str], revision: str, cancel: threading.Event
    ) -> dict[str, RepoFile]:
        from huggingface_hub.hf_api import RepoFile

        found = self._retried(
            lambda: self._call(
                lambda: self._api.get_paths_info(
                    self.repo_id, names, revision=revision, repo_type=_KIND
                ),
                cancel,
            ),
            cancel,
        )
        return {item.path: item for item in found if isinstance(item, RepoFile)}

    def _commit(self, operations: Sequence[CommitOperationAdd], title: str, meter: Meter) -> str:
        meter.check()

        def once() -> str:
            answer = self._api.create_commit(
                self.repo_id, list(operations), commit_message=title, repo_type=_KIND
            )
            return str(answer.oid)

        return self._retried(lambda: self._call(once, meter.cancel), meter.cancel)

    def _content(self, name: str, content: bytes) -> CommitOperationAdd:
        from huggingface_hub import CommitOperationAdd

        return CommitOperationAdd(name, io.BytesIO(content))

    def _card(self, folder: str | None) -> bytes:
        """The card; without its `configs` folder names like `test` would become splits."""
        head = ["---", "viewer: false"]
        if folder is not None:
            head += ["configs:", "- config_name: default", "  data_files:", "  - split: train"]
            head += [f"    path: {folder}/**"]
        text = (
            "# Staged training data\n\nA private copy of pictures and captions that "
            "simpletuner-tui made for a training job. It is deleted after the last job that reads "
            "it, unless it was to be kept."
        )
        return "\n".join([*head, "---", "", text, "", self._mark, ""]).encode()

    # -- ending ---------------------------------------------------------------------------------

    def delete(self) -> None:
        """Delete the repository with its history; one that is gone is no error.

        Raises:
            PublishError: it is not ours, or the token may not delete it.
        """
        if self.state() == "free":
            return
        self._call(lambda: self._api.delete_repo(self.repo_id, repo_type=_KIND, missing_ok=True))

    # -- calls ----------------------------------------------------------------------------------

    def _call(self, call: Callable[[], _T], cancel: threading.Event | None = None) -> _T:
        try:
            return call()
        except Exception as error:
            if cancel is not None and cancel.is_set():
                raise TransferCancelledError from None
            raise explain(error, self.repo_id, self._api.endpoint) from error

    def _retried(self, call: Callable[[], _T], cancel: threading.Event) -> _T:
        """Repeat a call after passing failures; every call here may be repeated."""
        pause = 0.25
        for number in count(1):
            if cancel.is_set():
                raise TransferCancelledError
            try:
                return call()
            except PublishError as error:
                if not error.retryable or number >= _TRIES:
                    raise
                if cancel.wait(max(pause, min(error.retry_after or 0, 60.0))):
                    raise TransferCancelledError from None
                pause = min(pause * 3, _LONGEST_PAUSE)
        raise AssertionError("unreachable")


def folder_of(dataset: StagedDataset) -> str:
    """Return the folder of a content in its repository."""
    return f"v{dataset.digest[:16]}"


def check_unchanged(file: StagedFile) -> None:
    """Raise SourceChangedError when a file has another size or time than in the manifest."""
    try:
        state = Path(file.source).stat()
    except OSError as error:
        raise SourceChangedError(Path(file.source).name) from error
    if (state.st_size, state.st_mtime_ns) != (file.source_size, file.source_mtime_ns):
        raise SourceChangedError(Path(file.source).name)


@contextlib.contextmanager
def _sent_file(file: StagedFile) -> Iterator[Path]:
    """A file with the bytes to send: the source, or its conversion in a temporary file."""
    check_unchanged(file)
    if file.transform == "as-is":
        yield Path(file.source)
        return
    content = converted(file.source)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise SourceChangedError(Path(file.source).name)
    try:
        with tempfile.NamedTemporaryFile(suffix=".png") as temporary:
            temporary.write(content)
            temporary.flush()
            yield Path(temporary.name)
    except OSError as error:
        raise disk_error(error, "a picture cannot be converted") from error


def _batches(
    files: Sequence[tuple[int, StagedFile]],
) -> Iterator[list[tuple[int, StagedFile]]]:
    batch: list[tuple[int, StagedFile]] = []
    size = 0
    for item in files:
        if batch and (len(batch) >= _FILES_AT_ONCE or size + item[1].size > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item[1].size
    if batch:
        yield batch


def _without_repeats(
    batch: Sequence[tuple[int, StagedFile]], operations: Sequence[CommitOperationAdd]
) -> list[list[CommitOperationAdd]]:
    """Split additions so that no part has two of the same content.

    The Hub answers with an upload for each name, and the library gives all of those with the same
    content to the same reader, in threads of its own: each would send what the others left. In the
    next part the Hub has the content already.
    """
    parts: list[list[CommitOperationAdd]] = []
    times: Counter[str] = Counter()
    for (_, file), operation in zip(batch, operations, strict=True):
        if times[file.sha256] == len(parts):
            parts.append([])
        parts[times[file.sha256]].append(operation)
        times[file.sha256] += 1
    return parts


def _checksum(remote: RepoFile) -> str:
    return str(remote.lfs.sha256 if remote.lfs else remote.blob_id)


def _checksums(content: bytes) -> tuple[str, str]:
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return hashlib.sha256(content).hexdigest(), git.hexdigest()


def _planned_checksum(file: StagedFile, remote: RepoFile, cancel: threading.Event) -> str:
    """The planned content's checksum of the kind that the Hub has: SHA-256, or git's for small."""
    if remote.lfs:
        return file.sha256
    with _sent_file(file) as path:
        return git_hash(path, file.size, cancel)
