"""Programs that `bench_app` starts in a pseudo terminal; each imports only what it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tui.client.client import ControlClient


def app(folder: str) -> None:
    """The app on a state folder, started as the command does, without an engine."""
    from tui.app.terminal import ending, first_frame
    from tui.settings import Home, load_settings

    root = Path(folder)
    home = Home(root, root / "cloud_outputs")
    settings = load_settings(home, {})
    ending.catch()
    first_frame.paint(home)
    from tui.app.app import run

    async def attach() -> ControlClient:
        if home.socket.exists():
            from tui.client.client import ControlClient

            return ControlClient(home.socket)
        import asyncio

        await asyncio.Event().wait()
        raise AssertionError

    try:
        sys.exit(run(home, settings, attach=attach))
    finally:
        first_frame.restore()
        ending.release()


def app256(folder: str) -> None:
    """The same in a terminal of 256 colours."""
    os.environ["COLORTERM"] = ""
    app(folder)


def faulty(folder: str, secret: str) -> None:
    """The app, whose thread for keys crashes at `m`, and which stands still at ctrl+l."""
    from threading import Event

    from textual.driver import Driver
    from textual.drivers.linux_driver import LinuxDriver
    from textual.message import Message

    from tui.app.app import SimpleTunerApp
    from tui.replicate.known_secrets import KNOWN

    def crash(self: LinuxDriver, message: Message) -> None:
        if getattr(message, "key", "") == "m":
            raise RuntimeError(f"a fault that quotes {secret}")
        Driver.process_message(self, message)

    def stand_still(self: SimpleTunerApp) -> None:
        Path(folder, "stands still").touch()
        Event().wait()

    KNOWN.add(secret)
    LinuxDriver.process_message = crash  # type: ignore[method-assign]  # the fault
    SimpleTunerApp.do_redraw = stand_still  # type: ignore[method-assign]  # the fault
    app(folder)


def skeleton() -> None:
    """A bare Textual app: header, tabs, empty table, footer."""
    from textual.app import App, ComposeResult
    from textual.widgets import DataTable, Footer, Header, TabbedContent, TabPane

    class Skeleton(App[None]):
        BINDINGS: ClassVar = [("q", "quit", "Quit")]

        def compose(self) -> ComposeResult:
            yield Header()
            with TabbedContent():
                with TabPane("Cloud"):
                    yield DataTable(id="one")
                with TabPane("Jobs"):
                    yield DataTable(id="two")
            yield Footer()

        def on_mount(self) -> None:
            self.query_one("#one", DataTable).add_columns("NAME", "STATE", "PROGRESS", "COST")

    Skeleton().run()


def table() -> None:
    """A DataTable with 1 000 rows, the peer for keys."""
    from textual.app import App, ComposeResult
    from textual.widgets import DataTable

    class Table(App[None]):
        BINDINGS: ClassVar = [("q", "quit", "Quit"), ("j", "down", "Down"), ("k", "up", "Up")]

        def compose(self) -> ComposeResult:
            yield DataTable(cursor_type="row")

        def on_mount(self) -> None:
            rows = self.query_one(DataTable)
            rows.add_columns("NAME", "MODEL", "STATE", "PROGRESS", "STEP", "LOSS", "ETA", "COST")
            for number in range(1000):
                rows.add_row(
                    f"cat-lora-{number}", "flux dev", "done", "3 files, 220 MiB", "1000/1000",
                    "0.142", "21 m", "$1.84",
                )  # fmt: skip

        def action_down(self) -> None:
            self.query_one(DataTable).action_cursor_down()

        def action_up(self) -> None:
            self.query_one(DataTable).action_cursor_up()

    Table().run()


def nothing() -> None:
    """The lower bound for any Python program: print a word."""
    import time

    print("ready", flush=True)
    time.sleep(0.3)


if __name__ == "__main__":
    children: dict[str, Callable[..., None]] = {
        "app": app, "app256": app256, "faulty": faulty, "skeleton": skeleton, "table": table,
        "nothing": nothing,
    }  # fmt: skip
    children[sys.argv[1]](*sys.argv[2:])
