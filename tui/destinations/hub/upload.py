"""Sending by Xet, the Hub's own storage protocol: it skips what is there and resumes by itself.

`hf_xet` does the work in native threads; we watch, report and stop it. It takes proxies and
authorities only from the environment and knows no bandwidth limit, so it is used only where none
of these is set, and given up when a limit comes into force on the way.
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

_LOOK_EVERY = 0.1
XET_FROM_BYTES = 10 * 1024 * 1024
"""The Hub keeps files from this size on outside of git whatever their name."""


def is_usable(network: NetworkSettings, limit: int | None) -> bool:
    """Whether Xet is installed, not switched off, and would respect the settings."""
    from huggingface_hub import constants

    if constants.HF_HUB_DISABLE_XET or limit is not None:
        return False
    if network.proxy or network.no_proxy or network.ca_bundle or not network.ssl_verify:
        return False
    from importlib.util import find_spec

    return find_spec("hf_xet") is not None


class LimitedError(Exception):
    """A bandwidth limit came into force."""


def send(api: HfApi, repo_id: str, path: Path, sha256: str, meter: Meter) -> None:
    """Bring a file's content into the storage of a repository.

    Raises:
        LimitedError: there is a bandwidth limit now, which Xet would ignore.
        TransferCancelledError: the meter's `cancel` was set.
        Exception: whatever `hf_xet` raises; the caller falls back to plain HTTP.
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
        whole = waiting.submit(commit.wait_to_finish)
        try:
            _watch(handle, whole, meter)
        except BaseException:
            commit.abort()
            raise
        whole.result()


def _watch(handle: Any, whole: Future[Any], meter: Meter) -> None:
    done = 0
    while not whole.done():
        if meter.cancel.is_set():
            raise TransferCancelledError
        if meter.is_limited:
            raise LimitedError
        state = handle.progress()
        now = int(state.bytes_completed) if state is not None else 0
        if now > done:
            meter.add(now - done, limited=False)
            done = now
        wait([whole], _LOOK_EVERY)


class CountingReader(io.BufferedReader):
    """What `CommitOperationAdd` takes as a file.

    The library reads a little of it to guess its kind, then seeks back and sends it; a broken
    request seeks back to where that part begins. What lies behind the position is not sent.
    """

    def __init__(self, path: Path, meter: Meter) -> None:
        super().__init__(io.FileIO(path, "rb"), 1024 * 1024)
        self._meter = meter
        self._counted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        piece = super().read(size)
        ahead = self.tell() - self._counted
        if ahead > 0:
            self._counted += ahead
            self._meter.add(ahead)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; looking up the end is no progress, going back takes progress off."""
        place = super().seek(offset, whence)
        if whence == os.SEEK_SET and place < self._counted:
            self._meter.back(self._counted - place)
            self._counted = place
        return place
