"""Whether an engine answers: one small call, from a module that loads quickly.

A process that is stopped or stuck still accepts connections (the kernel does), so that a connection
alone says nothing about it.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import time

ANSWERS = "answers"
SILENT = "silent"
ABSENT = "absent"

SILENT_SECONDS = 2.0
"""An engine answers within milliseconds; one that takes so long is said not to answer."""
_last: dict[str, tuple[str, int]] = {}
_REQUEST = b"GET /api/engine HTTP/1.0\r\nHost: engine\r\n\r\n"
_UCRED = struct.Struct("=iII")
"""Linux, `struct ucred` of unix(7): pid, uid, gid."""


def presence(path: str, limit: float = SILENT_SECONDS) -> tuple[str, int]:
    """Ask the engine at a socket for a sign of life.

    Args:
        path: the socket.
        limit: seconds to wait for it.

    Returns:
        `ANSWERS`, `SILENT` (a process holds the socket, but nothing came back in time) or `ABSENT`,
        and the process id of the one that holds it; 0 where the system does not tell.
    """
    deadline = time.monotonic() + limit
    pid = 0
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(limit)
        try:
            line.connect(path)
            pid = _holder(line)
            if pid and _is_stopped(pid):
                return SILENT, pid
            line.sendall(_REQUEST)
            line.settimeout(max(0.001, deadline - time.monotonic()))
            answered = bool(line.recv(1))
        except BlockingIOError:  # its queue of callers is full
            return SILENT, _owner_of_the_store(os.path.dirname(path))  # noqa: PTH120  pathlib is slow
        except TimeoutError:
            return SILENT, pid
        except OSError:
            return ABSENT, 0
    return (ANSWERS, pid) if answered else (ABSENT, 0)


def last_presence(path: str) -> tuple[str, int]:
    """The same, asked once: a command that waited for a silent engine does not wait again."""
    if path not in _last:
        _last[path] = presence(path)
    return _last[path]


def engine_version(path: str, limit: float) -> str | None:
    """The version of the engine at a socket; "" for a silent one, None where there is none.

    Args:
        path: the socket.
        limit: seconds to wait for it.
    """
    state, _ = presence(path, limit)
    if state != ANSWERS:
        return "" if state == SILENT else None
    deadline = time.monotonic() + limit
    answer = b""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.settimeout(limit)
            line.connect(path)
            line.sendall(_REQUEST)
            while piece := line.recv(1 << 16):
                answer += piece
                line.settimeout(max(0.001, deadline - time.monotonic()))
        except OSError:
            return ""
    found = re.search(rb'"version":\s*"([0-9A-Za-z.+-]{1,40})"', answer)
    return found[1].decode() if found else ""


def silent_words(pid: int) -> tuple[str, str]:
    """What to say of a silent engine, and what to do about it."""
    name = f"The engine (process {pid})" if pid else "The engine"
    if pid and _is_stopped(pid):
        return (
            f"{name} does not answer: it has been stopped.",
            f"Let it go on: kill -CONT {pid}",
        )
    end = f"kill -9 {pid}" if pid else "end it"
    return (
        f"{name} does not answer.",
        f"If it stays so: {end}. The next command starts another, and no job is lost.",
    )


def _holder(line: socket.socket) -> int:
    """The process that listens at the other end."""
    if sys.platform != "linux":
        return 0
    return int(
        _UCRED.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    )


def _owner_of_the_store(folder: str) -> int:
    """The process that holds the lock of a state folder, by proc(5), `/proc/locks`; 0 if unknown.

    A caller that the queue has no room for does not learn who holds the socket.
    """
    try:
        inode = os.stat(f"{folder}/engine.lock").st_ino  # noqa: PTH116  pathlib is slow
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123  likewise
            fields = [line.split() for line in locks]
    except OSError:
        return 0
    owners = (
        int(line[4])
        for line in fields
        if line[1] == "FLOCK" and line[5].rpartition(":")[2] == str(inode)
    )
    return next(owners, 0)


def _is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger has stopped a process (proc(5): states T and t)."""
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            return os.read(handle, 4096).rpartition(b") ")[2][:1] in (b"T", b"t")
        finally:
            os.close(handle)
    except OSError:
        return False
