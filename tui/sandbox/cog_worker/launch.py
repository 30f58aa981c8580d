"""Starts Cog's HTTP server and kills it when the parent process exits.

The parent holds the other end of standard input. When it closes, for any reason, the whole process
group is killed: Cog's server and its worker process.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def _exit_with_parent() -> None:
    while os.read(0, 1024):
        continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    runpy.run_module("cog.server.http", run_name="__main__")
