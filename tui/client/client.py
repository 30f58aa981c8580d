"""How windows and the command line talk to the engine: HTTP over its Unix socket.

Built on the standard library alone, because it is imported on the way to the first frame and an
HTTP library would double the program's start-up time and memory. Calls run in threads, so an event
loop never waits for the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tui.base.errors import ApiError
from tui.client.cloud import CloudCalls
from tui.client.peer import peer_uid
from tui.client.publishing import PublishingCalls
from tui.client.session_headers import to_headers
from tui.settings import HOME_VARIABLE, folder_problem

_FINE_STATUS: Final = 200
_GONE_STATUS: Final = 503
_TIMEOUT: Final = 120.0
_SILENCE: Final = 45.0  # the engine sends a comment every 15 s, so this much silence is a dead line


class ControlError(ApiError):
    """The engine refused or failed."""


class EngineGoneError(ControlError):
    """No engine answers on the socket."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The engine does not answer ({reason}).",
            "It is started again with the next command; engine.log in the state folder may say "
            "why it stopped.",
            status=503,
            code="engine_gone",
        )


class StrangerError(ControlError):
    """Another user controls the socket, or answers on it; nothing has been sent."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(
            f"{what}, so nothing was sent to the engine.",
            advice,
            status=503,
            code="engine_stranger",
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

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


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One message of the engine's event stream.

    Attributes:
        kind: `job`, `upload`, `notice`, `fact`, `resync` (some were missed: read all anew), `bye`,
            or `beat`: first when the stream stands, then every 15 s.
        data: its content; a `job` event has `job_id` and `rev`.
    """

    kind: str
    data: dict[str, Any]


class ControlClient:
    """Calls on one engine.

    Attributes:
        cloud: the calls of the Cloud screen.
        publishing: destinations, transfers, artifacts.

    Args:
        socket_path: the engine's Unix socket.
        api_base: the Replicate-compatible base URL that these calls are about; each call names it,
            so that two windows on one engine may look at two of them.
    """

    def __init__(self, socket_path: Path, api_base: str = "") -> None:
        self._path = socket_path
        self._headers = {"Content-Type": "application/json"}
        if api_base:
            self._headers["X-Api-Base"] = api_base
        self.cloud = CloudCalls(self)
        self.publishing = PublishingCalls(self)

    # -- calls --------------------------------------------------------------------------------

    def hand_in(self, session: Mapping[str, Any]) -> None:
        """Name an environment's tokens with every call from now on.

        They serve these calls even where the engine goes on using others for everybody.
        """
        told = {name: value for name, value in session.items() if isinstance(value, str)}
        self._headers |= to_headers(told)

    def request(
        self, method: str, path: str, body: Any = None, *, timeout: float = _TIMEOUT
    ) -> Any:
        """One call, blocking.

        Raises:
            EngineGoneError: nothing answers.
            StrangerError: another user would have been the one to read it.
            ControlError: the engine said no.
        """
        connection = _UnixConnection(self._path, timeout)
        try:
            payload = None if body is None else json.dumps(body, default=str).encode()
            connection.request(method, path, payload, self._headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineGoneError(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        try:
            data = json.loads(content) if content else {}
        except ValueError:
            data = None
        if answer.status == _GONE_STATUS:
            raise EngineGoneError("it is about to end")
        if data is None or (answer.status >= 400 and not isinstance(data, dict)):
            raise ControlError(
                f"The engine's answer ({answer.status}) cannot be understood.",
                "Restart the program; engine.log in the state folder may say more.",
                status=answer.status,
            )
        if answer.status >= 400:
            raise ControlError(
                data.get("message", f"The engine answered {answer.status}."),
                data.get("advice", ""),
                status=answer.status,
                code=data.get("error", ""),
                details=data.get("details"),
            )
        return data

    async def call(
        self, method: str, path: str, body: Any = None, *, timeout: float = _TIMEOUT
    ) -> Any:
        """One call, without blocking the event loop.

        Each has a thread of its own, which the program's end does not wait for: a check may take a
        minute, and the event loop's shared threads are few.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(value: Any, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(value)
            else:
                answer.set_exception(error)

        def work() -> None:
            value, failure = None, None
            try:
                value = self.request(method, path, body, timeout=timeout)
            except Exception as error:  # noqa: BLE001  handed to the caller
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(settle, value, failure)

        threading.Thread(target=work, name=f"engine {path}", daemon=True).start()
        return await answer

    def events_blocking(self) -> Generator[ControlEvent, None, None]:
        """The event stream; ends when the engine goes."""
        connection = _UnixConnection(self._path, _SILENCE)
        try:
            connection.request("GET", "/api/events", headers={"Accept": "text/event-stream"})
            answer = connection.getresponse()
            if answer.status != _FINE_STATUS:
                raise EngineGoneError(f"it answered {answer.status}")
            kind = "message"
            while line := answer.readline():
                text = line.decode("utf-8").rstrip("\n")
                if text.startswith("event: "):
                    kind = text[7:]
                elif text.startswith("data: "):
                    yield ControlEvent(kind, json.loads(text[6:]))
                elif text.startswith(":"):
                    yield ControlEvent("beat", {})
        except (OSError, http.client.HTTPException) as error:
            raise EngineGoneError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def events_until(self, ended: Callable[[], bool]) -> Iterator[ControlEvent]:
        """Events until `ended` says so; it is asked first, so what came before is not missed."""
        stream = self.events_blocking()
        try:
            while not ended():
                yield next(stream)
        except StopIteration:
            return
        finally:
            stream.close()

    async def events(self) -> AsyncIterator[ControlEvent]:
        """The event stream for an event loop; raises `EngineGoneError` when the line breaks."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[ControlEvent | ControlError | None] = asyncio.Queue()
        stopped = threading.Event()

        def hand_over(item: ControlEvent | ControlError | None) -> None:
            if not stopped.is_set():
                with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                    loop.call_soon_threadsafe(queue.put_nowait, item)

        def read() -> None:
            try:
                for event in self.events_blocking():
                    if stopped.is_set():
                        return
                    hand_over(event)
                hand_over(None)
            except ControlError as error:
                hand_over(error)

        threading.Thread(target=read, name="engine-events", daemon=True).start()
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, ControlError):
                    raise item
                yield item
        finally:
            stopped.set()

    # -- the calls by name --------------------------------------------------------------------

    async def info(self) -> dict[str, Any]:
        """`{pid, version, started_at, listener: {...}, active_jobs}`."""
        return _mapping(await self.call("GET", "/api/engine"))

    async def set_session(self, values: dict[str, Any]) -> dict[str, Any]:
        """Hand over what the environment holds: `replicate_token`, `hf_token`, `hf_endpoint`."""
        self.hand_in(values)
        return _mapping(await self.call("PUT", "/api/session", values))

    async def validate(self) -> dict[str, Any]:
        """`{valid, user_info: {username, name, ...} | None, error, token_source}`."""
        return _mapping(await self.call("GET", "/api/cloud/providers/replicate/validate"))

    async def versions(self, model: str) -> dict[str, Any]:
        """`{versions: [{id, created_at, model_id, full_version}], current_version, error}`."""
        path = f"/api/cloud/providers/replicate/versions?model_id={quote(model, safe='')}"
        return _mapping(await self.call("GET", path))

    async def configs(self) -> list[dict[str, Any]]:
        """Configs found under the roots: `[{name, path}]`."""
        data = _mapping(await self.call("GET", "/api/cloud/available-configs"))
        found: list[dict[str, Any]] = data["configs"]
        return found

    async def check(self, draft: dict[str, Any]) -> dict[str, Any]:
        """Everything that can be known before paying; see `engine.preflight`."""
        return _mapping(await self.call("POST", "/api/cloud/check", draft, timeout=600))

    async def submit(self, draft: dict[str, Any]) -> dict[str, Any]:
        """Start a job: `{job_id, status}`. Returns at once; upload and the rest are events."""
        return _mapping(await self.call("POST", "/api/cloud/jobs/submit", draft, timeout=600))

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job, its upload included."""
        return _mapping(await self.call("POST", f"/api/cloud/jobs/{job_id}/cancel"))

    async def collect(self, job_id: str) -> dict[str, Any]:
        """Fetch what a job produced: `{job_id, files: [{path, size, sha256}], missing: [...]}`."""
        return _mapping(await self.call("POST", f"/api/cloud/jobs/{job_id}/collect", timeout=3600))

    async def delete(self, job_id: str) -> dict[str, Any]:
        """Remove a finished job's record; delivered files stay."""
        return _mapping(await self.call("DELETE", f"/api/cloud/jobs/{job_id}"))

    async def sync(self) -> dict[str, Any]:
        """Bring in jobs started elsewhere: `{synced, message}`."""
        return _mapping(await self.call("POST", "/api/cloud/jobs/sync", timeout=600))

    async def focus(self, job_id: str | None) -> None:
        """Tell the engine which job is open, so that it is polled more often."""
        await self.call("PUT", "/api/focus", {"job_id": job_id})


def _mapping(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ControlError("The engine's answer cannot be understood.", "Restart the program.")
    return data
