"""The app's side of the engine: what it hears, what it reads then, and who is told.

Screens follow by subscribing to a signal; nothing here knows what a screen shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from textual.app import App
from textual.signal import Signal

from tui.app.saved_frame import save_frame
from tui.app.shell.jobs_model import JobsModel
from tui.app.shell.messages import EngineState, JobsChanged, UploadProgress
from tui.app.shell.status import WorldStatus, world_status
from tui.app.terminal.frame_diff import FrameDiff
from tui.settings import Home, Settings, SettingsError, load_settings
from tui.store.reader import StoreReader
from tui.store.schema import StoreError
from tui.store.unheard import FACT as UNHEARD

if TYPE_CHECKING:
    from tui.client.client import ControlClient, ControlEvent


_SAVE_FRAME_EVERY: Final = 60.0
"""Seconds between two saved frames while jobs change; the last one is saved when leaving."""


class AttachedApp(FrameDiff, App[int]):
    """An app with a store to read and an engine to talk to.

    Attributes:
        reader: the store, read-only, for use in the event loop's thread.
        model: order, filter and marks of the job list.
        settings: as they are in force; read again when somebody changes them.
        control: the engine, or None while there is none.
        engine: whether it is there.
        status: what the top bar says.
        jobs_changed, fact_changed, upload_progress, transfer_told, fetch_told, engine_changed,
            status_changed: signals for screens; `fact_changed` tells the fact's name,
            `transfer_told` what the engine said of one transfer, empty where anything may have
            changed, `fetch_told` what it said of a file that it fetches.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        attach: Attach,
        sandbox: bool,
        clock: Callable[[], datetime],
    ) -> None:
        self.home = home
        self.settings = settings
        self.sandbox = sandbox
        self.clock = clock
        self.reader = StoreReader(home.database)
        self.model = JobsModel(self.reader)
        self.control: ControlClient | None = None
        self.engine = EngineState("starting")
        self.status = WorldStatus()
        self._frame_saved = time.monotonic()
        super().__init__()
        self.feed = EngineFeed(self, attach)
        self.jobs_changed: Signal[JobsChanged] = Signal(self, "jobs-changed")
        self.fact_changed: Signal[str] = Signal(self, "fact-changed")
        self.upload_progress: Signal[UploadProgress] = Signal(self, "upload-progress")
        self.transfer_told: Signal[Mapping[str, Any]] = Signal(self, "transfer-told")
        self.fetch_told: Signal[Mapping[str, Any]] = Signal(self, "fetch-told")
        self.engine_changed: Signal[EngineState] = Signal(self, "engine-changed")
        self.status_changed: Signal[None] = Signal(self, "status-changed")

    def tell(self, message: str, advice: str = "", level: str = "info") -> None:
        """Say something to the user."""
        raise NotImplementedError  # Textual's metaclass leaves no room for an ABC's

    def follow_engine(self) -> None:
        """Attach, and keep attached until the app ends."""
        self.run_worker(self.feed.run(), group="engine", exclusive=True)

    def attached(self, control: ControlClient) -> None:
        """The engine is there."""
        self.control = control
        self.engine_state(EngineState("ready"))

    def engine_state(self, state: EngineState) -> None:
        """Show whether the engine is there; why it is gone is said once, not at each retry."""
        if state.state == "gone":
            self.control = None
            if state.message and self.engine != state:
                self.tell(state.message, state.advice, "error")
        self.engine = state
        self.refresh_status()
        self.engine_changed.publish(state)
        self.keys_changed()

    def keys_changed(self) -> None:
        """Other keys may work now."""

    def catch_up(self) -> None:
        """Read what changed in the store and tell the screens."""
        found = self.model.catch_up()
        if time.monotonic() - self._frame_saved > _SAVE_FRAME_EVERY:
            self._frame_saved = time.monotonic()
            save_frame(self)
        if found.changed or found.order_stale:
            self.refresh_status()
            self.jobs_changed.publish(JobsChanged(found.changed, found.order_stale))

    def fact_heard(self, name: str) -> None:
        """The engine learned something about the world."""
        self.refresh_status()
        if name == UNHEARD:
            with contextlib.suppress(StoreError):  # the list says so at its next look
                changed = self.model.read_unheard()
                self.jobs_changed.publish(JobsChanged(changed, order_stale=False))
        self.fact_changed.publish(name)

    def reload_settings(self) -> None:
        """Read the settings file again; one that cannot be used changes nothing.

        The API base stays: it was decided when this window opened.
        """
        try:
            found = load_settings(self.home, {})
        except SettingsError:
            return
        cloud = replace(found.cloud, api_base=self.settings.cloud.api_base)
        self.settings = replace(found, cloud=cloud)
        self.refresh_status()

    def refresh_status(self) -> None:
        """Read again what the top bar says."""
        status = world_status(
            self.reader, self.settings, self.engine, self.clock(), sandbox=self.sandbox
        )
        if status != self.status:
            self.status = status
            self.status_changed.publish(None)


Attach = Callable[[], Awaitable["ControlClient"]]
_PERIOD: Final = 0.25
"""Seconds between two messages about jobs: at most four a second reach the screens."""
_RETRY: Final = (1.0, 2.0, 5.0, 15.0)


class EngineFeed:
    """Keeps attached and passes on what the engine tells."""

    def __init__(self, app: AttachedApp, attach: Attach) -> None:
        self._app = app
        self._attach = attach
        self._sent_at = 0.0
        self._waiting = False
        self._standing = False

    async def run(self) -> None:
        """Attach, follow, and attach again when the line breaks. Ends by being cancelled."""
        from tui.client.client import ControlError

        failures = 0
        while True:
            try:
                control = await self._attach()
                self._standing = False
                self._app.attached(control)
                self.changed()
                async for event in control.events():
                    failures = 0
                    self._handle(event)
                self._app.engine_state(EngineState("gone", "The engine has stopped."))
            except ControlError as error:
                self._app.engine_state(EngineState("gone", error.message, error.advice))
            except OSError as error:
                self._app.engine_state(EngineState("gone", f"The engine cannot be used: {error}."))
            delay = _RETRY[min(failures, len(_RETRY) - 1)]
            failures += 1
            await asyncio.sleep(
                delay
            )  # before the next try, so that a broken engine is not hammered

    def _handle(self, event: ControlEvent) -> None:
        if not self._standing:  # what was learned before the line stood, no event tells
            self._standing = True
            self._app.refresh_status()
            self.changed()
        data = event.data
        if event.kind == "job":
            self.changed()
        elif event.kind == "fact":
            self._app.fact_heard(str(data.get("name", "")))
        elif event.kind == "settings":
            self._app.reload_settings()
            self._app.fact_heard("settings")
        elif event.kind == "upload":
            self._app.upload_progress.publish(_upload(data))
        elif event.kind == "transfer":
            self._app.transfer_told.publish(data)
        elif event.kind == "fetch":
            self._app.fetch_told.publish(data)
        elif event.kind == "resync":  # more happened than could be told
            self.changed()
            self._app.transfer_told.publish({})
        elif event.kind == "notice":
            self._app.tell(
                str(data.get("message", "")),
                str(data.get("advice", "")),
                str(data.get("level", "info")),
            )

    def changed(self) -> None:
        """Something about jobs changed: pass it on, at most four times a second."""
        if self._waiting:
            return
        wait = self._sent_at + _PERIOD - time.monotonic()
        if wait <= 0:
            self._send()
        else:
            self._waiting = True
            self._app.set_timer(wait, self._send)

    def _send(self) -> None:
        self._waiting = False
        self._sent_at = time.monotonic()
        self._app.catch_up()


def _upload(data: dict[str, Any]) -> UploadProgress:
    return UploadProgress(
        job_id=str(data.get("job_id", "")),
        phase=str(data.get("phase", "")),
        done=int(data.get("done") or 0),
        total=int(data.get("total") or 0),
    )
