"""Uploads to the Hub: by Xet, its storage protocol, and as a counted file for plain HTTP.

Xet skips content that the Hub has and resumes by itself. `hf_xet` works in native threads; this
module reports its progress and cancels it. It reads proxies and certificate authorities only from
the environment and has no bandwidth limit, so it is used only when none of these is set, and
aborted when a limit is set meanwhile.
"""

from __future__ import annotations

import io
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tui.destinations.common.errors import TransferCancelledError
from tui.destinations.common.meter import Meter
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
    if network.proxy or network.no_proxy or network.ca_bundle or not network.ssl_verify:
        return False
    from importlib.util import find_spec

    return find_spec("hf_xet") is not None


class LimitedError(Exception):
    """A bandwidth limit was set during the upload."""


def send(api: HfApi, repo_id: str, path: Path, sha256: str, meter: Meter) -> None:
    """Upload a file to the storage of a repository by Xet.

    Raises:
        LimitedError: a bandwidth limit was set, which Xet would ignore.
        TransferCancelledError: the meter's `cancel` was set.
        Exception: any error of `hf_xet`; the caller falls back to plain HTTP.
    """
    import hf_xet  # type: ignore[import-untyped]  # compiled, without stubs

    headers = {"authorization": f"Bearer {api.token}"} if api.token else {}
    owner = quote(repo_id)
    commit = hf_xet.XetSession().new_upload_commit(
        token_refresh_url=f"{api.endpoint}/api/models/{owner}/xet-write-token/main",
        token_refresh_headers=headers,
    )
    handle = commit.start_upload_file(str(path), sha256=sha256)
    with ThreadPoolExecutor(1, thread_name_prefix="xet") as waiting:
        finished = waiting.submit(commit.wait_to_finish)
        try:
            _report_progress(handle, finished, meter)
        except BaseException:
            commit.abort()
            raise
        finished.result()


def _report_progress(handle: Any, finished: Future[Any], meter: Meter) -> None:
    done = 0
    while not finished.done():
        if meter.cancel.is_set():
            raise TransferCancelledError
        if meter.is_limited:
            raise LimitedError
        state = handle.progress()
        now = int(state.bytes_completed) if state is not None else 0
        if now > done:
            meter.add(now - done, limited=False)
            done = now
        wait([finished], _POLL_SECONDS)


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
