"""A sandbox for code that blocks."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.conftest import FAST
from tests.wished import wished
from tui.sandbox.server import serve


class Background:
    """A sandbox on a loop of its own, so that plain synchronous code can call it."""

    def __init__(self, work_dir: Path, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        values: dict[str, Any] = {"speed": 1e5, "work_dir": work_dir}
        config = wished(**FAST | values | settings)
        self.sandbox = self._run(serve(config))
        self.http = httpx.Client(
            base_url=self.sandbox.base_url,
            headers={"Authorization": f"Bearer {self.sandbox.token}"},
            trust_env=False,
            timeout=20,
        )

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.http.close()
        self._run(self.sandbox.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
