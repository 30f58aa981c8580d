"""Uploads to the Hub: by Xet, its storage protocol, and as a counted file for plain HTTP.

Xet skips content that the Hub has and resumes by itself. `hf_xet` works in native threads; this
module reports its progress and cancels it. It reads proxies and certificate authorities only from
the environment and has no bandwidth limit, so it is used only when none of these is set, and
aborted when a limit is set meanwhile.
"""

from __future__ import annotations

import io
import os
import threading
import time
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.destinations.common.errors import TransferCancelledError
from tui.destinations.common.meter import Meter
from tui.destinations.hub.xet_access import XetAccess, ask_for_access
from tui.replicate.environment_proxies import caller_proxies
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_POLL_SECONDS = 0.1
XET_FROM_BYTES = 10 * 1024 * 1024
"""Size from which the Hub stores files outside of git, whatever their name."""


def is_usable(network: NetworkSettings, limit: int | None) -> bool:
    """Whether Xet is installed, not disabled, and would respect the settings."""
    from huggingface_hub import constants

    if constants.HF_HUB_DISABLE_XET or limit is not None:
        return False
    if caller_proxies() is not None:  # its native code reads this process's environment
        return False
    if network.proxy or network.no_proxy or network.ca_bundle or not network.ssl_verify:
        return False
    from importlib.util import find_spec

    return find_spec("hf_xet") is not None


class LimitedError(Exception):
    """A bandwidth limit was set during the upload."""


class StalledError(Exception):
    """The upload made no progress for a while."""


def send(
    api: HfApi, repo_id: str, path: Path, sha256: str, meter: Meter, *, stalled_after: float
) -> None:
    """Upload a file to the storage of a repository by Xet.

    Args:
        api: the Hub and the token.
        repo_id: the repository.
        path: the file.
        sha256: its checksum, which is not computed again.
        meter: counts its bytes and cancels.
        stalled_after: seconds without a byte after which it is given up. `hf_xet` itself waits and
            repeats for many minutes.

    Raises:
        LimitedError: a bandwidth limit was set, which Xet would ignore.
        StalledError: see `stalled_after`.
        TransferCancelledError: the meter's `cancel` was set.
        Exception: any error of `hf_xet`; the caller falls back to plain HTTP.
    """
    upload = _XetUpload(api, repo_id, path, sha256)
    # A daemon thread: native calls that hang must not keep the program from ending.
    threading.Thread(target=upload.run, name="xet", daemon=True).start()
    try:
        _report_progress(upload, meter, stalled_after)
    except BaseException:
        upload.abort()
        raise
    upload.finished.result()


class _XetUpload:
    """An upload by `hf_xet` in a thread of its own; every native call may block."""

    def __init__(self, api: HfApi, repo_id: str, path: Path, sha256: str) -> None:
        self.finished: Future[None] = Future()
        self._api = api
        self._repo_id = repo_id
        self._path = path
        self._sha256 = sha256
        self._lock = threading.Lock()
        self._aborted = False
        self._commit: Any = None
        self._handle: Any = None

    def run(self) -> None:
        """Upload the file."""
        try:
            self._upload()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self.finished.set_exception(error)
        else:
            self.finished.set_result(None)

    def _upload(self) -> None:
        while True:
            access = ask_for_access(self._api, self._repo_id)
            begun = time.time()
            try:
                self._upload_with(access)
            except Exception:
                # A token ends after a while. What has arrived by then is not sent again.
                if self._aborted or not begun < access.ends_at <= time.time():
                    raise
            else:
                return

    def _upload_with(self, access: XetAccess) -> None:
        import hf_xet  # type: ignore[import-untyped]  # compiled, without stubs

        commit = hf_xet.XetSession().new_upload_commit(
            endpoint=access.endpoint,
            token=access.token.reveal(),
            token_expiry_unix_secs=access.ends_at,
        )
        with self._lock:
            if self._aborted:
                commit.abort()
                return
            self._commit = commit
        self._handle = commit.start_upload_file(str(self._path), sha256=self._sha256)
        commit.wait_to_finish()

    def abort(self) -> None:
        """Stop it, now or as soon as it has begun."""
        with self._lock:
            self._aborted = True
            if self._commit is not None:
                self._commit.abort()

    def progress(self) -> tuple[int, int]:
        """Bytes of the file that are done, and bytes that went over the network."""
        if self._handle is None:
            return 0, 0
        item, group = self._handle.progress(), self._commit.progress()
        done = int(item.bytes_completed) if item is not None else 0
        return done, int(group.total_transfer_bytes_completed) if group is not None else 0


def _report_progress(upload: _XetUpload, meter: Meter, stalled_after: float) -> None:
    done, last = 0, (0, 0)
    moved_at = time.monotonic()
    while not upload.finished.done():
        if meter.cancel.is_set():
            raise TransferCancelledError
        if meter.is_limited:
            raise LimitedError
        progress = upload.progress()
        if progress != last:
            last, moved_at = progress, time.monotonic()
        elif time.monotonic() - moved_at > stalled_after:
            raise StalledError
        if last[0] > done:
            meter.add(last[0] - done, limited=False)
            done = last[0]
        wait([upload.finished], _POLL_SECONDS)


class CountingReader(io.BufferedReader):
    """A file for `CommitOperationAdd` that counts the bytes sent.

    The library reads the start of it to guess its type, then seeks back and sends it; after a
    failed request it seeks back to the start of that part. So the position is the progress.
    """

    def __init__(self, path: Path, meter: Meter, buffer: int = 1024 * 1024) -> None:
        """Open a file; `buffer` bytes of it stay in memory until it is closed."""
        super().__init__(io.FileIO(path, "rb"), buffer)
        self._meter = meter
        self._counted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read and count the next bytes."""
        piece = super().read(size)
        ahead = self.tell() - self._counted
        if ahead > 0:
            self._counted += ahead
            self._meter.add(ahead)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Seek; going back reduces the progress, looking up the end does not change it."""
        position = super().seek(offset, whence)
        if whence == os.SEEK_SET and position < self._counted:
            self._meter.back(self._counted - position)
            self._counted = position
        return position
