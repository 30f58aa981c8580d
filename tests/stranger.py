"""Another user of this machine, who listens where an engine would. Needs root."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be a second user as well")

_LISTEN = """
import os, select, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen(16)
print("ready", flush=True)
found, lines = b"", []
while True:
    readable, _, _ = select.select([sys.stdin, listener, *lines], [], [])
    for one in readable:
        if one is listener:
            lines.append(listener.accept()[0])
        elif one is not sys.stdin:
            try:
                piece = one.recv(65536)
            except OSError:
                piece = b""
            found += piece
            if not piece:
                lines.remove(one)
            elif b"/api/events" not in piece:
                one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
            else:
                one.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n: beat\\n")
    if readable == [sys.stdin]:
        break
sys.stdout.buffer.write(found)
"""


class Stranger:
    """What the other user was sent.

    Attributes:
        received: every byte; complete once the context has been left.
    """

    def __init__(self) -> None:
        self.received = b""


@contextmanager
def stranger_listening(path: Path) -> Iterator[Stranger]:
    """A process of the user `nobody` that answers on a socket and keeps what it is sent.

    The socket is put into its folder whoever owns that; owner and mode of the folder stay.
    """
    stranger, folder = Stranger(), path.parent
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0o777)
    process = subprocess.Popen(
        [sys.executable, "-c", _LISTEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        folder.chmod(mode)
        yield stranger
    finally:
        stranger.received = process.communicate(timeout=30)[0]
