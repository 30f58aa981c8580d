"""The app's link to the engine: attaches, follows the events, and publishes them as signals."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tui.app.shell.messages import EngineState, JobsChanged, UploadProgress
from tui.store.lost_contact import ENGINE, SIGNS_OF_LIFE
from tui.store.lost_contact import FACT as UNHEARD
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.app.context import AppContext, EngineCall
    from tui.client.client import ControlClient, ControlEvent

Attach = Callable[[], Awaitable["ControlClient"]]
"""Finds or starts the engine.

Raises:
    ControlError: it cannot be reached, or must not be used.
    OSError: it cannot be started.
"""
"""Why no job is heard of, by the engine's state."""
_PERIOD: Final = 0.25
"""Seconds between two messages about jobs: at most four a second reach the screens."""
_RETRY: Final = (1.0, 2.0, 5.0, 15.0)
"""Seconds before each further attempt to attach; the last one repeats."""


class EngineLink:
    """Keeps the app attached to the engine.

    Args:
        context: the app; its store is read again and its signals are published.
        attach: finds or starts the engine.
        attached: called each time the engine is there.

    Attributes:
        control: the client of the engine; None while there is no engine.
        state: whether the engine is there.
    """

    def __init__(
        self,
        context: AppContext,
        attach: Attach,
        *,
        attached: Callable[[ControlClient], None],
    ) -> None:
        self.control: ControlClient | None = None
        self.state = EngineState("starting")
        self._context = context
        self._attach = attach
        self._attached = attached
        self._sent_at = 0.0
        self._waiting = False
        self._following = False
        self._succeeding = False
        self._client: ControlClient | None = None

    def start(self) -> None:
        """Attaches, and keeps attached until the app ends."""
        self._context.run_worker(self._run(), group="engine", exclusive=True)

    async def _run(self) -> None:
        """Attaches, follows, and attaches again when the connection breaks, until cancelled."""
        from tui.client.errors import ControlError, EngineSilentError

        failures = 0
        while True:
            try:
                self.control = self._client = await self._attach()
                self._following = False
                self._change_state(EngineState("ready"))
                self._attached(self.control)
                self._jobs_changed()
                if self.control.engine_version:
                    self._context.run_worker(
                        self._succeed(self.control), group="succession", exclusive=True
                    )
                async for event in self.control.events():
                    failures = 0
                    self._hear(event)
                if self._succeeding:
                    self._succeeding = False
                    self._change_state(EngineState("starting"))
                    continue  # the next one is started at once
                self._change_state(EngineState("gone", "The engine has stopped."))
            except EngineSilentError as error:
                self._change_state(EngineState("silent", error.message, error.advice))
                failures = 0  # asking again costs it nothing
            except ControlError as error:
                self._change_state(EngineState("gone", error.message, error.advice))
            except OSError as error:
                self._change_state(EngineState("gone", f"The engine cannot be used: {error}."))
            delay = _RETRY[min(failures, len(_RETRY) - 1)]
            failures += 1
            # The wait comes before the next attempt, so that a broken engine is not hammered.
            await asyncio.sleep(delay)

    async def _succeed(self, control: ControlClient) -> None:
        """Has an engine of an older version replaced."""
        from tui.app.succession import replace_older

        if await replace_older(self._context, control, lambda: self._client is control):
            self._succeeding = True

    def _change_state(self, state: EngineState) -> None:
        """Shows whether the engine is there; why it is not is told once, not at each attempt."""
        if state.state != "ready":
            self.control = None
            if state.message and self.state != state:
                self._context.tell(state.message, state.advice, "error")
        self.state = state
        self._context.model.engine_heard(ENGINE.get(state.state, ""), self._context.clock())
        self._context.refresh_status()
        self._context.signals.engine_changed.publish(state)

    # -- events -------------------------------------------------------------------------------

    def _hear(self, event: ControlEvent) -> None:
        """Takes an event, or the engine's silence, which ends with the next event."""
        if event.kind == "silence":
            words = (str(event.data.get(name, "")) for name in ("message", "advice"))
            self._change_state(EngineState("silent", *words))
            return
        if self.state.state == "silent":
            self.control = self._client
            self._following = False  # much may have happened before it went on
            self._change_state(EngineState("ready"))
        self._handle(event)

    def _handle(self, event: ControlEvent) -> None:
        if not self._following:
            # The first event proves that the stream stands. What the engine learned between the
            # attach and that moment comes with no event, so everything is read once more.
            self._following = True
            self._context.refresh_status()
            self._jobs_changed()
        data, signals = event.data, self._context.signals
        if event.kind == "job":
            self._jobs_changed()
            self._context.away.job_changed(data, self._context.reader)
        elif event.kind == "fact":
            self._fact_changed(str(data.get("name", "")))
        elif event.kind == "settings":
            self._context.reload_settings()
            self._fact_changed("settings")
        elif event.kind == "upload":
            signals.upload_progress.publish(_upload(data))
        elif event.kind == "transfer":
            signals.transfer_changed.publish(data)
        elif event.kind == "fetch":
            signals.fetch_changed.publish(data)
        elif event.kind == "resync":  # the engine dropped events: anything may have changed
            self._jobs_changed()
            signals.transfer_changed.publish({})
        elif event.kind == "notice":
            self._context.away.notice(data)
            self._context.tell(
                str(data.get("message", "")),
                str(data.get("advice", "")),
                str(data.get("level", "info")),
            )

    def _fact_changed(self, name: str) -> None:
        self._context.refresh_status()
        if name == UNHEARD or name in SIGNS_OF_LIFE:
            with contextlib.suppress(StoreError):  # the list says so at its next look
                changed = self._context.model.read_contacts()
                self._context.signals.jobs_changed.publish(JobsChanged(changed, order_stale=False))
        self._context.signals.fact_changed.publish(name)

    def _jobs_changed(self) -> None:
        """Reads the store again, at most four times a second."""
        if self._waiting:
            return
        wait = self._sent_at + _PERIOD - time.monotonic()
        if wait <= 0:
            self._read_jobs()
        else:
            self._waiting = True
            self._context.set_timer(wait, self._read_jobs)

    def _read_jobs(self) -> None:
        self._waiting = False
        self._sent_at = time.monotonic()
        self._context.catch_up()

    # -- calls --------------------------------------------------------------------------------

    def call(self, call: EngineCall) -> None:
        """Makes a call in a worker and shows its message, or the error."""
        from tui.client.client import ControlError

        control = self.control
        if control is None:
            self._context.tell(self.state.refusal)
            return

        async def work() -> None:
            try:
                message = await call(control)
            except ControlError as error:
                self._context.tell(error.message, error.advice, "error")
            else:
                if message:
                    self._context.tell(message)

        self._context.run_worker(work(), group="engine-call", exit_on_error=False)


def _upload(data: Mapping[str, Any]) -> UploadProgress:
    return UploadProgress(
        job_id=str(data.get("job_id", "")),
        phase=str(data.get("phase", "")),
        done=int(data.get("done") or 0),
        total=int(data.get("total") or 0),
    )
