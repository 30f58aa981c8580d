"""HTTP over the engine's Unix socket, after a check of who listens there. Standard library only."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

from tui.client.errors import StrangerError
from tui.settings import HOME_VARIABLE, folder_problem

_XUCRED: Final = struct.Struct("=II2x2x64x")
"""macOS and FreeBSD, `struct xucred` of sys/ucred.h: version, uid, number of groups, groups."""
_SOL_LOCAL: Final = 0  # sys/un.h
_LOCAL_PEERCRED: Final = 1  # sys/un.h
_UCRED: Final = struct.Struct("=iII")
"""Linux, `struct ucred` of unix(7): pid, uid, gid."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket.

    Args:
        path: the socket.
        timeout: seconds for connecting and for each read and write.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host, waiting for a place in its queue.

        With a time limit set, Python's sockets do not block, and a Unix socket that does not block
        refuses at once where many call at the same moment (connect(2), EAGAIN). Blocking with
        the kernel's own limit waits instead (unix(7): SO_SNDTIMEO).

        Calls carry tokens, so this is where the other end is checked: before the first byte.

        Raises:
            StrangerError: another user controls the socket or listens on it.
            OSError: nobody listens.
        """
        folder = self._path.parent
        if problem := folder_problem(folder):
            raise StrangerError(f"{folder} {problem}", f"Set {HOME_VARIABLE} to a folder of yours.")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        limit = max(float(self.timeout or 0), 0.001)
        seconds, part = divmod(limit, 1)
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(part * 1e6))
        )
        try:
            self.sock.connect(str(self._path))
        except BlockingIOError as error:
            raise TimeoutError("too many callers at once") from error
        if peer_uid(self.sock) != os.geteuid():
            raise StrangerError(
                f"Another user listens on {self._path}", f"Remove it: rm {self._path}"
            )
        self.sock.settimeout(self.timeout)


def peer_uid(connection: socket.socket) -> int:
    """The effective user id with which the process at the other end listened or connected.

    Raises:
        OSError: the system does not tell.
    """
    if sys.platform == "linux":
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(credentials)[1])
    else:  # noqa: RET505  mypy calls it unreachable without the branch
        credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        return int(_XUCRED.unpack(credentials)[1])
