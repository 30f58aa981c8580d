"""Starts Cog's HTTP server and ends it with whoever started it.

The starter holds the other end of standard input. When that closes, however it came about, the
whole process group goes: Cog's server, and the worker process below it.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def _follow_starter() -> None:
    while os.read(0, 1024):
        continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_follow_starter, daemon=True).start()
    runpy.run_module("cog.server.http", run_name="__main__")
