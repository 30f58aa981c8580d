"""How windows and the command line talk to the engine: HTTP over its Unix socket.

Built on the standard library alone, because it is imported on the way to the first frame and an
HTTP library would double the program's start-up time and memory. Calls of an event loop run in
threads, so that it never waits for the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tui.api import paths, routes
from tui.base.json_types import JsonObject
from tui.client.answer import Answer
from tui.client.call import CALL_SECONDS, AnswerT, BodyT, Call, QueryT, run_in_thread
from tui.client.cloud import CloudCalls
from tui.client.connection import UnixConnection
from tui.client.errors import ControlError, EngineGoneError, StrangerError
from tui.client.presence import SILENT, presence, silent_words
from tui.client.publishing import PublishingCalls
from tui.client.session_headers import to_headers
from tui.client.sweeps import SweepCalls

if TYPE_CHECKING:
    from tui.api.base import Empty
    from tui.api.check_report import CheckQuery, CheckReport, LaterQuery
    from tui.api.engine import (
        ApiKeyMade,
        ApiKeyRevoked,
        ApiKeys,
        EngineInfo,
        Focus,
        NewApiKey,
        NewStorageKey,
        Session,
        StorageKeyList,
        StorageKeyMade,
        StorageKeyRevoked,
        Succession,
    )
    from tui.api.jobs import (
        Collected,
        Job,
        JobCancelled,
        JobChange,
        JobDeleted,
        JobMoved,
        JobsSynced,
        MoveRequest,
        QueueStanding,
        RerunPlan,
    )
    from tui.api.planning import AvailableConfig, ConfigsQuery
    from tui.api.providers import AccountValidation, ModelQuery, ModelVersions
    from tui.api.routes import Endpoint
    from tui.api.scopes import Scope
    from tui.api.staging import StagedData, StagedRemoved
    from tui.api.submission import Draft, JobSubmitted, RerunRequest

__all__ = [
    "ControlClient",
    "ControlError",
    "ControlEvent",
    "EngineGoneError",
    "StrangerError",
]

_FINE_STATUS: Final = 200
_GONE_STATUS: Final = 503
_REPLICATE_SECONDS: Final = 120.0
"""The limit of calls behind which Replicate is asked."""
_UPLOAD_SECONDS: Final = 600.0
"""The limit of calls that read datasets or a long list of jobs."""
_DOWNLOAD_SECONDS: Final = 3600.0
"""The limit of calls that fetch a job's results."""
_SILENCE: Final = 45.0
"""Seconds without a byte after which a command takes its event stream to be dead."""
_QUIET: Final = 2.5
"""Seconds after which a window asks whether the engine is silent; it sends a sign each second."""
_LAST_CHANCE: Final = 0.5
_ONE_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One message of the engine's event stream.

    Attributes:
        kind: one of `tui.api.events.EventKind`; `beat`, first when the stream stands and then each
            second in which nothing else comes; or, in `events` alone, `silence`: the engine is
            there and does not answer.
        data: its content; `tui.api.events.EVENTS` has the shape for each kind, and `silence` has
            `message` and `advice`.
    """

    kind: str
    data: JsonObject


class ControlClient:
    """Calls on one engine.

    Attributes:
        cloud: the calls of the Cloud screen.
        publishing: destinations, transfers, artifacts.
        sweeps: groups of jobs.
        engine_version: of the engine when this client attached to it; empty where not known.

    Args:
        socket_path: the engine's Unix socket.
        api_base: the Replicate-compatible base URL that these calls are about; each call names it,
            so that two windows on one engine may look at two of them.
    """

    def __init__(self, socket_path: Path, api_base: str = "") -> None:
        self._path = socket_path
        self.engine_version = ""
        self._headers = {"Content-Type": "application/json"}
        if api_base:
            self._headers["X-Api-Base"] = api_base
        self.cloud = CloudCalls(self)
        self.publishing = PublishingCalls(self)
        self.sweeps = SweepCalls(self)

    # -- calls --------------------------------------------------------------------------------

    def hand_in(self, session: Mapping[str, Any]) -> None:
        """Name an environment's tokens with every call from now on.

        They serve these calls even where the engine goes on using others for everybody.
        """
        tokens = {name: value for name, value in session.items() if isinstance(value, str)}
        self._headers |= to_headers(tokens)

    def call(
        self,
        endpoint: Endpoint[BodyT, QueryT, AnswerT],
        body: BodyT | None = None,
        query: QueryT | None = None,
        *,
        timeout: float = CALL_SECONDS,
        **parts: str,
    ) -> Call[AnswerT]:
        """A call of one operation, to be awaited or waited for.

        Args:
            endpoint: the operation, one that answers a JSON object.
            body: the request's body; None sends none.
            query: the parameters of its query; None sends none.
            timeout: seconds.
            parts: the variable parts of its path, by name.

        Raises:
            ValueError: a part of the path is missing or empty.
        """
        address = routes.url(endpoint, cast("Mapping[str, Any] | None", query), **parts)

        def send() -> AnswerT:
            answer = self.request(endpoint.method, address, body, timeout=timeout)
            if not isinstance(answer, dict):
                raise _unreadable(endpoint.status)
            return cast("AnswerT", answer)

        return Call(send, f"engine {endpoint.path}")

    def request(
        self, method: str, path: str, body: Any = None, *, timeout: float = _REPLICATE_SECONDS
    ) -> Any:
        """Send a call of any method and path, and wait for its answer, blocking.

        Raises:
            EngineGoneError: nothing answers.
            StrangerError: another user would have read it.
            ControlError: the engine refused or failed.
        """
        connection = UnixConnection(self._path, timeout)
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
            data: Any = json.loads(content, object_hook=Answer) if content else Answer()
        except ValueError:
            data = None
        if answer.status == _GONE_STATUS:
            raise EngineGoneError("it is about to end")
        if data is None or (answer.status >= 400 and not isinstance(data, dict)):
            raise _unreadable(answer.status)
        if answer.status >= 400:
            raise ControlError(
                data.get("message", f"The engine answered {answer.status}."),
                data.get("advice", ""),
                status=answer.status,
                code=data.get("error", ""),
                details=data.get("details"),
            )
        return data

    # -- events -------------------------------------------------------------------------------

    def events_blocking(self, limit: float = _SILENCE) -> Generator[ControlEvent, None, None]:
        """The event stream; ends when the engine goes, or with an error `limit` seconds silent."""
        connection = UnixConnection(self._path, limit)
        try:
            events, headers = paths.EVENTS, {"Accept": paths.EVENTS.content}
            connection.request(events.method, events.path, headers=headers)
            with connection.getresponse() as answer:
                yield from _parsed(answer)
        except (OSError, http.client.HTTPException) as error:
            raise EngineGoneError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def events_until(self, ended: Callable[[], bool]) -> Iterator[ControlEvent]:
        """Events until `ended` is true; it is asked first, so that no end is missed."""
        stream = self.events_blocking()
        try:
            while not ended():
                yield next(stream)
        except StopIteration:
            return
        finally:
            stream.close()

    async def _silence(self) -> ControlEvent | None:
        """The event of an engine that does not answer; None where it does, or has gone."""
        state, pid = await run_in_thread(
            lambda: presence(str(self._path), _LAST_CHANCE), "engine presence"
        )
        if state != SILENT:
            return None
        message, advice = silent_words(pid)
        return ControlEvent("silence", {"message": message, "advice": advice})

    async def events(self) -> AsyncIterator[ControlEvent]:
        """The event stream for an event loop; raises `EngineGoneError` when the line breaks.

        A silent engine does not end it: that it is silent comes as an event of its own.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[ControlEvent | ControlError | None] = asyncio.Queue()
        stopped = threading.Event()

        def hand_over(item: ControlEvent | ControlError | None) -> None:
            if not stopped.is_set():
                with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                    loop.call_soon_threadsafe(queue.put_nowait, item)

        def read() -> None:
            try:
                for event in self.events_blocking(_ONE_DAY):
                    if stopped.is_set():
                        return
                    hand_over(event)
                hand_over(None)
            except ControlError as error:
                hand_over(error)

        threading.Thread(target=read, name="engine-events", daemon=True).start()
        try:
            while True:
                try:
                    async with asyncio.timeout(_QUIET):
                        item = await queue.get()
                except TimeoutError:
                    yield await self._silence() or ControlEvent("beat", {})
                    continue
                if item is None:
                    break
                if isinstance(item, ControlError):
                    raise item
                yield item
        finally:
            stopped.set()

    # -- the engine ---------------------------------------------------------------------------

    def info(self, *, timeout: float = CALL_SECONDS) -> Call[EngineInfo]:
        """The engine that answers, and its listener."""
        return self.call(paths.ENGINE_INFO, timeout=timeout)

    def set_session(self, values: Session, *, timeout: float = CALL_SECONDS) -> Call[EngineInfo]:
        """Hand over what the environment holds, with this call and every later one."""
        self.hand_in(values)
        return self.call(paths.SET_SESSION, values, timeout=timeout)

    def focus(self, job_id: str | None) -> Call[Empty]:
        """Tell the engine which job is open, so that it is polled more often."""
        body: Focus = {"job_id": job_id}
        return self.call(paths.SET_FOCUS, body)

    def ask_to_give_way(self) -> Call[Succession]:
        """End the engine if the next one could go on at once with all that this one does."""
        return self.call(paths.GIVE_WAY)

    def shut_down(self, *, timeout: float = CALL_SECONDS) -> Call[Empty]:
        """End the engine."""
        return self.call(paths.SHUT_DOWN, timeout=timeout)

    def api_keys(self) -> Call[ApiKeys]:
        """Keys for the HTTP API that are valid now, without the keys themselves."""
        return self.call(paths.API_KEYS)

    def make_api_key(
        self, name: str = "", scope: Scope = "read", ttl_seconds: int | None = None
    ) -> Call[ApiKeyMade]:
        """Make a key for the HTTP API; its answer is the only one that holds it.

        Args:
            name: what it is for.
            scope: what it may do.
            ttl_seconds: for how long it is good; None: until it is revoked.
        """
        body: NewApiKey = {"name": name, "scope": scope, "ttl_seconds": ttl_seconds}
        return self.call(paths.NEW_API_KEY, body)

    def revoke_api_key(self, key_id: str) -> Call[ApiKeyRevoked]:
        """Make a key invalid."""
        return self.call(paths.REVOKE_API_KEY, id=key_id)

    def make_storage_key(self, ttl_seconds: int) -> Call[StorageKeyMade]:
        """Make a key pair for the user's own S3 tools."""
        body: NewStorageKey = {"ttl_seconds": ttl_seconds}
        return self.call(paths.NEW_STORAGE_KEY, body)

    def storage_keys(self) -> Call[StorageKeyList]:
        """Key pairs for the user's own S3 tools that are valid now, without their secrets."""
        return self.call(paths.STORAGE_KEYS)

    def revoke_storage_key(self, access_key: str) -> Call[StorageKeyRevoked]:
        """Make a key pair invalid."""
        return self.call(paths.REVOKE_STORAGE_KEY, id=access_key)

    # -- the account and its trainers ---------------------------------------------------------

    def validate(self) -> Call[AccountValidation]:
        """Whether the Replicate token works, and whose it is."""
        return self.call(paths.VALIDATE_ACCOUNT, provider="replicate", timeout=_REPLICATE_SECONDS)

    def versions(self, model: str) -> Call[ModelVersions]:
        """The versions of a trainer, newest first."""
        query: ModelQuery = {"model_id": model}
        return self.call(
            paths.MODEL_VERSIONS, None, query, provider="replicate", timeout=_REPLICATE_SECONDS
        )

    # -- jobs ---------------------------------------------------------------------------------

    def configs(self, cwd: str = "") -> Call[list[AvailableConfig]]:
        """Training configs below the config roots and below the caller's folder `cwd`."""
        query: ConfigsQuery | None = {"cwd": cwd} if cwd else None
        call = self.call(paths.AVAILABLE_CONFIGS, query=query, timeout=_REPLICATE_SECONDS)
        return call.then(lambda answer: answer["configs"])

    def check(self, draft: Draft) -> Call[CheckReport]:
        """Everything that can be known about a job before it costs anything."""
        return self.call(paths.CHECK_JOB, draft, timeout=_UPLOAD_SECONDS)

    def check_at_once(self, draft: Draft) -> Call[CheckReport]:
        """The same without waiting for the network; `asking` names what is not proved yet."""
        query: CheckQuery = {"proofs": "later"}
        return self.call(paths.CHECK_JOB, draft, query, timeout=_UPLOAD_SECONDS)

    def check_later(self, report: CheckReport) -> Call[CheckReport]:
        """A check once more is known than in an earlier report of it."""
        query: LaterQuery = {"after": report["rev"]}
        return self.call(
            paths.CHECK_LATER, None, query, check_id=report["check_id"], timeout=_UPLOAD_SECONDS
        )

    def submit(self, draft: Draft) -> Call[JobSubmitted]:
        """Start a job; packing, upload and the start go on after the answer, as events."""
        return self.call(paths.SUBMIT_JOB, draft, timeout=_UPLOAD_SECONDS)

    def staged(self) -> Call[list[StagedData]]:
        """Copies of local datasets that jobs read from elsewhere, oldest first."""
        return self.call(paths.STAGED).then(lambda answer: answer["staged"])

    def remove_staged(self, key: str) -> Call[StagedRemoved]:
        """Delete staged data that no queued or running job reads."""
        return self.call(paths.REMOVE_STAGED, key=key, timeout=_REPLICATE_SECONDS)

    def change_job(self, job_id: str, change: JobChange) -> Call[Job]:
        """Change name, note, tags or pin of a job; answers with the job."""
        call = self.call(paths.CHANGE_JOB, change, job_id=job_id)
        return call.then(lambda answer: answer["job"])

    def cancel(self, job_id: str) -> Call[JobCancelled]:
        """Cancel a job, its upload included."""
        return self.call(paths.CANCEL_JOB, job_id=job_id, timeout=_REPLICATE_SECONDS)

    def queue_standing(self, job_id: str) -> Call[QueueStanding]:
        """How long a job waits for a machine, and what others would cost."""
        return self.call(paths.JOB_QUEUE, job_id=job_id, timeout=_REPLICATE_SECONDS)

    def move(self, job_id: str, hardware: str) -> Call[JobMoved]:
        """Move a waiting job to other hardware."""
        body: MoveRequest = {"hardware": hardware}
        return self.call(paths.MOVE_JOB, body, job_id=job_id, timeout=_UPLOAD_SECONDS)

    def rerun_plan(self, job_id: str) -> Call[RerunPlan]:
        """How a job can be run again, and what is different today."""
        return self.call(paths.RERUN_PLAN, job_id=job_id, timeout=_UPLOAD_SECONDS)

    def rerun(self, job_id: str, request: RerunRequest) -> Call[JobSubmitted]:
        """Run a job again; without consent in the request nothing is started."""
        return self.call(paths.RERUN_JOB, request, job_id=job_id, timeout=_UPLOAD_SECONDS)

    def collect(self, job_id: str) -> Call[Collected]:
        """Fetch and verify what a job produced."""
        return self.call(paths.COLLECT_JOB, job_id=job_id, timeout=_DOWNLOAD_SECONDS)

    def delete(self, job_id: str) -> Call[JobDeleted]:
        """Remove a finished job's record; delivered files stay."""
        return self.call(paths.DELETE_JOB, job_id=job_id)

    def sync(self) -> Call[JobsSynced]:
        """Bring in jobs of the account that were started elsewhere."""
        return self.call(paths.SYNC_JOBS, timeout=_UPLOAD_SECONDS)


def _parsed(answer: http.client.HTTPResponse) -> Iterator[ControlEvent]:
    """The events of an event stream."""
    if answer.status != _FINE_STATUS:
        raise EngineGoneError(f"it answered {answer.status}")
    kind = "message"
    while line := answer.readline():
        try:
            text = line.decode("utf-8").rstrip("\n")
            data = json.loads(text[6:]) if text.startswith("data: ") else {}
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise _unreadable(answer.status)
        if text.startswith("event: "):
            kind = text[7:]
        elif text.startswith("data: "):
            yield ControlEvent(kind, data)
        elif text.startswith(":"):
            yield ControlEvent("beat", {})


def _unreadable(status: int) -> ControlError:
    return ControlError(
        f"The engine's answer ({status}) cannot be understood.",
        "Restart the program; engine.log in the state folder may say more.",
        status=status,
    )
