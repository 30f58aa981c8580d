"""The application: what all screens share, and the actions that every screen has."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.app import App
from textual.command import Provider
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import Notify, SeverityLevel
from textual.screen import Screen

from tui.app.engine_link import Attach, EngineLink
from tui.app.jobs.saved_filters import read_filters, written
from tui.app.jobs.screen import JobsScreen
from tui.app.keys.actions import APP
from tui.app.keys.choices import in_app
from tui.app.keys.keymap import KeyMap, bindings
from tui.app.keys.type_ahead import TypeAhead
from tui.app.navigation import Navigation
from tui.app.shell.away import Away
from tui.app.shell.jobs_model import JobsModel
from tui.app.shell.messages import AppSignals, EngineState, JobsChanged, Notice
from tui.app.shell.saved_view import SavedView, load_view, save_view
from tui.app.shell.status import AppStatus, read_status
from tui.app.shell.toasts import no_longer_shown
from tui.app.terminal import ending, first_frame
from tui.app.terminal.driver import has_job_control, own_driver
from tui.app.terminal.frame_diff import FrameDiff, TerminalCells
from tui.app.terminal.saved_frame import save_frame
from tui.app.terminal.sight import Sight
from tui.app.terminal.styles import style_sheet
from tui.app.terminal.text_lines import plain
from tui.app.terminal.theme import THEMES, AsciiFilter
from tui.base import tmux_client
from tui.base.ascii_glyphs import terminal_is_plain
from tui.base.clock import utc_now
from tui.base.formatting import plural
from tui.base.json_types import JsonObject
from tui.settings import Home, Settings, SettingsError, load_settings
from tui.store.reader import StoreReader

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tui.app.context import EngineCall
    from tui.client.client import ControlClient

_NOTICES_KEPT: Final = 200
_SEVERITY: Final[dict[str, SeverityLevel]] = {
    "info": "information",
    "warning": "warning",
    "error": "error",
}
_SIGNS: Final = {"warning": "! ", "error": "✗ "}
"""What a message begins with besides its colour."""
_SHOWN_LINES: Final = 8
"""Lines of a text that are shown where it could not be copied."""
_SAVE_FRAME_EVERY: Final = 60.0
"""Seconds between two saved frames while jobs change; the last one is saved when leaving."""


def _action_commands() -> type[Provider]:
    """Imports the palette's provider when the palette opens."""
    from tui.app.shell.palette import ActionCommands

    return ActionCommands


class SimpleTunerApp(FrameDiff, App[int]):
    """A window on the engine's work; it fulfils `AppContext`.

    `FrameDiff` is a mixin because it replaces a private step of Textual's `App`.

    Args:
        home: the state directory.
        settings: the user's settings.
        attach: finds or starts the engine.
        sandbox: whether this session is a demo, whatever the API base says.
        clock: returns the present, aware UTC; tests stop it.

    Attributes:
        reader: the store, read-only, for use in the event loop's thread.
        model: order, filter and marks of the job list.
        keymap: the keys of all actions, with the user's changes.
        signals: the signals that screens subscribe to.
        status: what the top bar shows.
        saved_view: where the user was in the last run.
        navigation: opens and closes screens.
        type_ahead: holds keys back that came before what they are meant for.
        sight: tells when a frame can have been read.
        link: the connection to the engine.
        notices: the messages so far, the newest last.
        last_key: monotonic time of the last key press, in seconds.
        mouse_on: whether the app has the mouse.
    """

    TITLE = "simpletuner-tui"
    CSS_PATH: ClassVar = [style_sheet("shared"), style_sheet("jobs")]
    BINDINGS: ClassVar = bindings(APP, over_sheets=("app.redraw", "app.suspend"))
    COMMANDS: ClassVar = {_action_commands}
    ENABLE_COMMAND_PALETTE = False  # ours opens by its own action, so that its keys can be changed

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        attach: Attach,
        sandbox: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.home = home
        self.settings = drawn_on_this_terminal(settings)
        self.sandbox = sandbox
        self.clock = clock
        self.reader = StoreReader(home.database)
        self.model = JobsModel(self.reader)
        self.keymap = KeyMap(settings.ui.keys)
        self.status = AppStatus()
        self.notices: list[Notice] = []
        self.last_key = 0.0
        self.mouse_on = settings.ui.mouse
        self.frame_diff_on = settings.ui.frame_diff
        self.terminal_cells = TerminalCells()
        self.sight = Sight(self)
        self._ascii = AsciiFilter() if self.settings.ui.ascii else None
        self._frame_saved = time.monotonic()
        self._welcomed = False
        self._ended_by = 0
        self._loop_running: asyncio.AbstractEventLoop | None = None
        super().__init__()
        self.animation_level = "none"
        self.signals = AppSignals(self)
        self.navigation = Navigation(self)
        self.type_ahead = TypeAhead(self)
        self.away = Away(
            self._to_terminal, self.set_timer, os.environ, clock(),
            settings=lambda: self.settings.notices,
        )  # fmt: skip
        self.link = EngineLink(self, attach, attached=self._attached)
        for theme in THEMES:
            self.register_theme(theme)
        self.saved_view = load_view(home)
        self._restore_view()
        self.set_keymap(self.keymap.textual_keymap())

    # -- start and end ------------------------------------------------------------------------

    def _restore_view(self) -> None:
        """Takes theme, order and filter over from the last run."""
        view, wanted = self.saved_view, self.settings.ui.theme
        if view.theme in self.available_themes and view.theme_set == wanted:
            wanted = view.theme
        self.theme = wanted if wanted in self.available_themes else THEMES[0].name
        self.model.resume(view.sort, view.descending, view.filter)
        self.model.columns = tuple(view.columns.split())
        self.model.charts = tuple(view.charts.splitlines())
        self.model.saved_filters = read_filters(view.filters)
        self.keymap.told |= set(view.told.split())

    def save_view(self) -> None:
        """Saves where the user is, and what was given a name, for the next run."""
        jobs = self.screen_stack[0] if self.screen_stack else None
        job_list = getattr(jobs, "list", None)
        self.saved_view = SavedView(
            screen=self.navigation.main_screen,
            sort=self.model.sort,
            descending=self.model.descending,
            filter=self.model.filter.text,
            job=str(getattr(job_list, "job_id", "") or ""),
            theme=str(self.theme),
            theme_set=self.settings.ui.theme,
            told=" ".join(sorted(self.keymap.told)),
            columns=" ".join(self.model.columns),
            filters=written(self.model.saved_filters),
            charts="\n".join(self.model.charts),
        )
        save_view(self.home, self.saved_view)

    def _save_frame(self) -> None:
        save_frame(self, self.home, self.clock())

    def get_default_screen(self) -> Screen[Any]:
        """Returns the Jobs screen, which lies below all others."""
        self.refresh_status()
        return JobsScreen()

    def on_mount(self) -> None:
        """Attaches to the engine once the first frame is out."""
        self._loop_running = asyncio.get_running_loop()
        ending.wake(self._loop_running)
        if self._ended_by:
            self._leave(ending.status_of(self._ended_by))
        self.call_after_refresh(self._begin)  # the first frame must not wait for the engine
        self.app_resume_signal.subscribe(self, lambda _: self.do_redraw(), immediate=True)

    def _begin(self) -> None:
        self.link.start()
        if self.saved_view.screen != "jobs":
            self.show(self.saved_view.screen)
        for wrong in self.settings.problems:
            self.tell(wrong.words(), f"Correct it in {self.home.settings_file}.", "warning")
        for problem in self.keymap.problems:
            self.tell(f"[ui.keys] {problem.action_id}: {problem.message}.",
                      f"Change it in {self.home.settings_file}.", "warning")  # fmt: skip

    def on_unmount(self) -> None:
        """Forgets the keys that wait."""
        self.type_ahead.stop()

    def get_driver_class(self) -> type[Driver]:
        """Returns the stock driver, made to share the terminal well."""
        return own_driver(super().get_driver_class())

    def get_line_filters(self) -> list[LineFilter]:
        """Returns the stock filters and, with the ASCII set, one that replaces every glyph."""
        filters = list(super().get_line_filters())
        return [*filters, self._ascii] if self._ascii is not None else filters

    def _handle_exception(self, error: Exception) -> None:
        """Ends the app, except after a worker's failed call: that is told, and the window stays.

        A worker reads fields of an answer also after its call, outside of what handles the call.
        """
        from textual.worker import WorkerFailed

        from tui.client.errors import ControlError

        if isinstance(error, WorkerFailed) and isinstance(error.error, ControlError):
            self.tell(error.error.message, error.error.advice, "error")
        else:
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Writes the traceback of an unhandled error to a file and tells the user where."""
        if self.is_headless:
            super()._fatal_error()
        else:
            self._crashed(traceback.format_exc())

    def panic(self, *renderables: RenderableType) -> None:
        """Reports an error of Textual's own threads in the same way."""
        if self.is_headless:
            super().panic(*renderables)
            return
        from rich.console import Console

        plain_text = Console(file=io.StringIO(), width=100, record=True)
        plain_text.print(*renderables)
        self._return_code = 1
        self._crashed(plain_text.export_text())

    def _crashed(self, details: str) -> None:
        from tui.app.terminal.control import crash_message

        self.save_view()
        self._exit_renderables.append(crash_message(self.home, details))
        self._close_messages_no_wait()

    def leave_by(self, number: int) -> None:
        """Leaves as `q` does, because of a signal; called between any two steps of the program."""
        if handover := sys.modules.get("tui.app.terminal.handover"):
            handover.end_running()
        modes = first_frame.modes_before() or getattr(self._driver, "attrs_before", None)
        ending.end_by(number, modes, self.save_view)
        self._ended_by = number
        if self._loop_running is not None:  # else it leaves as soon as it has begun
            self._loop_running.call_soon_threadsafe(self._leave, ending.status_of(number))

    def _leave(self, status: int) -> None:
        self._save_frame()
        self.save_view()
        self.exit(status)

    async def on_event(self, event: events.Event) -> None:
        """Notes when the last key came: lists do not re-sort while keys are being pressed.

        A key waits while something is opening that will have the focus.
        """
        if isinstance(event, events.Key):
            self.last_key = time.monotonic()
        elif isinstance(event, events.AppFocus | events.AppBlur):
            self.away.is_looking = isinstance(event, events.AppFocus)
        if (
            isinstance(event, events.Key | events.Paste)
            and not event.is_forwarded
            and not self.type_ahead.lets_through(event)
        ):
            return
        await super().on_event(event)

    # -- store and settings -------------------------------------------------------------------

    @property
    def outputs(self) -> Path:
        """The folder of the delivered files."""
        moved = self.settings.cloud.outputs_dir
        return Path(moved).expanduser() if moved else self.home.outputs

    def catch_up(self) -> None:
        """Reads the jobs that have changed in the store and publishes them."""
        news = self.model.catch_up()
        if time.monotonic() - self._frame_saved > _SAVE_FRAME_EVERY:
            self._frame_saved = time.monotonic()
            self._save_frame()
        self.away.show(self.model.running_row(), self.clock())
        if news.changed or news.order_stale:
            self.refresh_status()
            self.signals.jobs_changed.publish(JobsChanged(news.changed, news.order_stale))

    def refresh_status(self) -> None:
        """Reads again what the top bar shows."""
        status = read_status(
            self.reader, self.settings, self.engine, self.clock(), sandbox=self.sandbox
        )
        if status != self.status:
            self.status = status
            self.signals.status_changed.publish(None)

    def reload_settings(self) -> None:
        """Reads the settings file again; one that cannot be used changes nothing.

        The API base stays: it was decided when this window opened. The theme follows the file only
        when the file names another one than before, so that a theme chosen by key stays.
        """
        try:
            fresh = load_settings(self.home, {})
        except SettingsError:
            return
        theme_before = self.settings.ui.theme
        cloud = replace(fresh.cloud, api_base=self.settings.cloud.api_base)
        self.settings = drawn_on_this_terminal(replace(fresh, cloud=cloud))
        self.refresh_status()
        if fresh.ui.theme != theme_before and fresh.ui.theme in self.available_themes:
            self.theme = fresh.ui.theme

    # -- engine -------------------------------------------------------------------------------

    @property
    def control(self) -> ControlClient | None:
        """The client of the engine; None while there is no engine."""
        return self.link.control

    @property
    def engine(self) -> EngineState:
        """Whether the engine is there, and why it is not."""
        return self.link.state

    def _attached(self, control: ControlClient) -> None:
        """Shows the introduction to a new user, once."""
        if not (self.status.sandbox or self.model.total or self._welcomed):
            self._welcomed = True
            self.run_worker(self.navigation.welcome(control), group="welcome", exit_on_error=False)

    def call_engine(self, call: EngineCall) -> None:
        """Makes a call in a worker and shows its message, or the error."""
        self.link.call(call)

    # -- messages to the user -----------------------------------------------------------------

    def tell(self, message: str, advice: str = "", level: str = "info") -> None:
        """Shows a message and keeps it in the list of notices."""
        message, advice = in_app(message), in_app(advice)
        level = "warning" if level == "warn" else level  # the engine's word for it
        if level not in _SEVERITY:
            level = "info"
        self.notices.append(Notice(level, message, advice, self.clock()))
        del self.notices[:-_NOTICES_KEPT]
        said = f"{_SIGNS.get(level, '')}{message}\n{advice}"
        text = "\n".join(map(plain, said.strip().split("\n")))
        self.notify(
            text,
            severity=_SEVERITY[level],
            timeout=4 if level == "info" else 10,
            markup=False,
        )

    def on_notify(self, event: Notify) -> None:
        """Takes older messages away that would push the new one over the end of a log."""
        older = list(self._notifications)
        texts = [one.message for one in (*older, event.notification)]
        for old in older[: no_longer_shown(texts, self.size.height)]:
            self._unnotify(old, refresh=False)

    def _to_terminal(self, text: str) -> None:
        from tui.app.terminal.control import write

        write(self, text)

    def copy(self, text: str, said: str = "") -> None:
        """Puts text on the terminal's clipboard, over ssh as well, and shows it.

        Where no copy can arrive the text is shown, to be selected.
        """
        from tui.app.terminal.control import copy_text

        if copy_text(self, text):
            self.tell(f"Copied: {said or text}")
            return
        lines = text.split("\n")
        hidden = len(lines) - _SHOWN_LINES
        more = [f"… and {plural(hidden, 'more line')}"] if hidden > 0 else []
        self.tell(
            "\n".join([*lines[:_SHOWN_LINES], *more]),
            "This terminal takes no copies: m lets the mouse go, then select it. "
            "simpletuner-tui doctor says what would help.",
            "warning",
        )

    # -- screens ------------------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Goes to `cloud`, `jobs` or `publishing`."""
        self.navigation.show(name)

    def open_job(self, job_id: str, *, replace: bool = False, at_step: int | None = None) -> None:
        """Opens the page of a job, on top of the present screen or in its place."""
        self.navigation.open_job(job_id, replace=replace, at_step=at_step)

    def compare(self, job_id: str | None) -> None:
        """Opens the comparison of the marked jobs, or of a job and the one before it."""
        if not self.navigation.compare(self.model, job_id):
            self.tell("There is no other job of this model to compare with; space marks some.")

    def new_job(
        self,
        draft: JsonObject | None = None,
        refused: Mapping[str, str] | None = None,
        *,
        sweep: bool = False,
    ) -> None:
        """Opens the form for a new job."""
        self.navigation.new_job(draft, refused, sweep=sweep)

    # -- actions of every screen --------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leaves ctrl+z to a text of several lines: it undoes there."""
        if parameters == ("app.suspend",):
            from textual.widgets import TextArea  # not needed to start

            return not isinstance(self.focused, TextArea)
        return super().check_action(action, parameters)

    async def action_perform(self, action_id: str) -> None:
        """Does an action that works everywhere, over a dialog that has no actions of its own."""
        perform = getattr(self.screen, "action_perform", None)
        if perform is not None:
            await perform(action_id)
        else:
            getattr(self, f"do_{action_id.partition('.')[2]}")()

    def do_cloud(self) -> None:
        """Goes to the Cloud screen."""
        self.show("cloud")

    def do_jobs(self) -> None:
        """Goes to the Jobs screen."""
        self.show("jobs")

    def do_publishing(self) -> None:
        """Goes to the Publishing screen."""
        self.show("publishing")

    def do_staged(self) -> None:
        """Goes to the card of staged data on the Cloud screen."""
        self.navigation.show_card("staged")

    def do_palette(self) -> None:
        """Opens the command palette."""
        self.navigation.open_palette()

    def do_help(self) -> None:
        """Opens the list of keys."""
        self.navigation.open_help()

    def do_notices(self) -> None:
        """Opens the list of past notices."""
        self.navigation.open_notices(self.notices)

    def do_theme(self) -> None:
        """Changes to the next theme."""
        names = [theme.name for theme in THEMES]
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]
        self.tell(f"Theme: {self.theme.removeprefix('simpletuner-')}")

    def do_mouse(self) -> None:
        """Gives the mouse to the terminal, or takes it back."""
        from tui.app.terminal.control import set_mouse

        self.mouse_on = not self.mouse_on
        set_mouse(self, self.mouse_on)
        if self.mouse_on:
            self.tell("The mouse works in the app again.")
        else:
            self.tell("The mouse is the terminal's: select text as usual.", "m takes it back.")

    def do_redraw(self) -> None:
        """Sends the whole screen again, whatever the terminal shows."""
        self.terminal_cells.forget()
        self.refresh()

    def do_quit(self) -> None:
        """Leaves the app; the engine goes on."""
        self._leave(0)

    def do_suspend(self) -> None:
        """Stops the app until the shell lets it go on (`fg`)."""
        driver: Any = self._driver
        if self.is_headless or not has_job_control():
            self.tell("No shell is there to come back from.", "q leaves; jobs and transfers go on.")
            return
        self.app_suspend_signal.publish(self)
        driver.step_back()

    async def action_quit(self) -> None:
        """Leaves by ctrl+q as well."""
        self.do_quit()

    def action_help_quit(self) -> None:
        """Tells how to leave: ctrl+c never loses anything."""
        self.tell("Press q to leave; jobs and transfers go on.")


def drawn_on_this_terminal(settings: Settings) -> Settings:
    """The settings, with ASCII where the terminal has nothing else (`LANG=C`, the console)."""
    if settings.ui.ascii or not (terminal_is_plain() or tmux_client.draws_ascii_alone()):
        return settings
    return replace(settings, ui=replace(settings.ui, ascii=True))


def run(home: Home, settings: Settings, *, attach: Attach, sandbox: bool = False) -> int:
    """Runs the app until the user leaves.

    Args:
        home: the state directory.
        settings: the user's settings.
        attach: finds or starts the engine.
        sandbox: whether this session is a demo, whatever the API base says.

    Returns:
        The exit code; 128 and the signal's number when one ended it.
    """
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    app = SimpleTunerApp(home, settings, attach=attach, sandbox=sandbox)
    ending.catch(app.leave_by)
    try:
        code = app.run(mouse=settings.ui.mouse)
    finally:
        ending.release()
        app.reader.close()
        first_frame.restore()
        if words := app.away.farewell():
            sys.stdout.write(words)
            sys.stdout.flush()
    return app.return_code or code or 0
