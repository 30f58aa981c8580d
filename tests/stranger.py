"""Another user of this machine, who listens on the engine's socket. Needs root."""

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
received, connections = b"", []
while True:
    readable, _, _ = select.select([sys.stdin, listener, *connections], [], [])
    for source in readable:
        if source is listener:
            connections.append(listener.accept()[0])
        elif source is not sys.stdin:
            try:
                piece = source.recv(65536)
            except OSError:
                piece = b""
            received += piece
            if not piece:
                connections.remove(source)
            elif b"/api/events" not in piece:
                source.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
            else:
                source.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n: beat\\n")
    if readable == [sys.stdin]:
        break
sys.stdout.buffer.write(received)
"""


class Stranger:
    """The bytes that the other user received.

    Attributes:
        received: all bytes; complete after the end of the context.
    """

    def __init__(self) -> None:
        self.received = b""


@contextmanager
def stranger_listening(path: Path) -> Iterator[Stranger]:
    """Run a process of the user `nobody` that answers on a socket and records what it receives.

    Whoever owns the socket's folder, its owner and mode do not change.
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
