"""Which user is at the other end of a Unix socket. Standard library only."""

from __future__ import annotations

import socket
import struct
import sys

_XUCRED = struct.Struct("=II2x2x64x")
"""macOS and FreeBSD, `struct xucred` of sys/ucred.h: version, uid, number of groups, groups."""
_SOL_LOCAL = 0  # sys/un.h
_LOCAL_PEERCRED = 1  # sys/un.h
_UCRED = struct.Struct("=iII")
"""Linux, `struct ucred` of unix(7): pid, uid, gid."""


def peer_uid(line: socket.socket) -> int:
    """The effective user id with which the process at the other end listened or connected.

    Raises:
        OSError: the system does not say.
    """
    if sys.platform == "linux":
        told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(told)[1])
    else:  # noqa: RET505  mypy calls it unreachable without the branch
        told = line.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        return int(_XUCRED.unpack(told)[1])
