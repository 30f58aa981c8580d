"""A stand-in for the engine: real HTTP on a Unix socket, which notes what it was asked."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from tui.client.client import ControlClient

_POLL_SECONDS = 0.02
"""How often the server looks whether it shall end, which each test waits for."""


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: StandInEngine

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("engine", 0)


class StandInEngine:
    """Answers every call with what `answers` holds for it, and sends events on demand."""

    def __init__(self, socket: Path) -> None:
        socket.parent.mkdir(parents=True, exist_ok=True)
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.hold: dict[tuple[str, str], threading.Event] = {}
        """By method and path without its query: what an answer waits for."""
        self.listeners: list[queue.Queue[bytes | None]] = []
        self.version = ""
        self.before_stream: Callable[[], object] = lambda: None
        self._socket = socket
        self._server = _Server(str(socket), _Handler)
        self._server.engine = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    async def attach(self) -> ControlClient:
        """What the app is given to find its engine."""
        client = ControlClient(self._socket)
        client.engine_version = self.version
        return client

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Tell all windows something."""
        text = f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
        for listener in self.listeners:
            listener.put(text)

    def calls(self, method: str) -> list[str]:
        """Paths asked for with a method."""
        return [path for one, path, _ in self.asked if one == method]

    def close(self) -> None:
        """Hang up on everybody."""
        for held in self.hold.values():
            held.set()
        for listener in self.listeners:
            listener.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._socket.unlink(missing_ok=True)


def _next(messages: queue.Queue[bytes | None]) -> bytes | None:
    """The next message; a sign of life where none comes within a second."""
    try:
        return messages.get(timeout=1.0)
    except queue.Empty:
        return b": still here\n\n"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        return

    def _answer(self) -> None:
        engine = self.server.engine
        if self.path == "/api/events":
            self._events(engine)
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        engine.asked.append((self.command, self.path, body))
        plain = (self.command, self.path.partition("?")[0])
        if plain in engine.hold:
            engine.hold[plain].wait()
        without_query = engine.answers.get(plain, (200, {}))
        status, data = engine.answers.get((self.command, self.path), without_query)
        content = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _events(self, engine: StandInEngine) -> None:
        mine: queue.Queue[bytes | None] = queue.Queue()
        engine.before_stream()
        engine.listeners.append(mine)  # whoever reads the answer can be sent events
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b": hello\n\n")
            while (text := _next(mine)) is not None:
                self.wfile.write(text)
        except OSError:
            return
        finally:
            engine.listeners.remove(mine)


for _method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._answer)
