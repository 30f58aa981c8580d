"""The line to the engine: attaching, its events, and one calm stream of changes for screens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tui.app.shell.messages import EngineState, UploadProgress

if TYPE_CHECKING:
    from tui.app.engine_link import AttachedApp
    from tui.client.client import ControlClient, ControlEvent

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
