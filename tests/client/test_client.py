"""The engine's client against a socket that is in no hurry."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.engine.conftest import home  # noqa: F401  a short path for the socket
from tui.client.client import ControlClient, EngineGoneError
from tui.settings import Home

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ok": true}'


@pytest.fixture
def full(home: Home) -> socket.socket:  # noqa: F811  the fixture
    """A listening socket whose queue of waiting callers is full."""
    path = home.root / "full.sock"
    home.root.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    return listener


def fill(path: str) -> list[socket.socket]:
    """Callers until no more are taken."""
    callers: list[socket.socket] = []
    while True:
        caller = socket.socket(socket.AF_UNIX)
        caller.setblocking(False)
        try:
            caller.connect(path)
        except BlockingIOError:
            caller.close()
            return callers
        callers.append(caller)


def test_a_call_waits_in_the_queue_of_the_socket(full: socket.socket) -> None:
    callers = fill(full.getsockname())
    answered = threading.Event()

    def answer() -> None:
        for _ in callers:
            full.accept()[0].close()
        taken, _ = full.accept()
        taken.recv(65536)
        taken.sendall(ANSWER)
        taken.close()
        answered.set()

    thread = threading.Timer(0.2, answer)
    thread.start()
    try:
        assert ControlClient(Path(full.getsockname())).request("GET", "/api/x") == {"ok": True}
    finally:
        thread.join()
        for one in (*callers, full):
            one.close()
    assert answered.is_set()


def test_a_call_ends_after_its_timeout(full: socket.socket) -> None:
    callers = fill(full.getsockname())
    began = time.monotonic()
    try:
        with pytest.raises(EngineGoneError, match="many callers"):
            ControlClient(Path(full.getsockname())).request("GET", "/api/x", timeout=0.2)
    finally:
        for one in (*callers, full):
            one.close()
    assert time.monotonic() - began < 10
