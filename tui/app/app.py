"""The application: screens, the line to the engine, and what all screens share."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.command import Provider
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.screen import Screen

from tui.app.engine_link import Attach
from tui.app.jobs.actions import Deeds
from tui.app.jobs.screen import JobsScreen
from tui.app.keys.actions import APP
from tui.app.keys.keymap import KeyMap, bindings
from tui.app.navigation import Everywhere
from tui.app.saved_frame import own_driver
from tui.app.shell.messages import Notice
from tui.app.shell.saved_view import Place, load_place, save_place
from tui.app.terminal import first_frame
from tui.app.terminal.frame_diff import TerminalCells
from tui.app.terminal.text_lines import plain
from tui.app.terminal.theme import THEMES, AsciiFilter, style_sheet
from tui.base.clock import utc_now
from tui.settings import Home, Settings

if TYPE_CHECKING:
    from rich.text import Text

    from tui.client.client import ControlClient
    from tui.settings import Home


_NOTICES_KEPT: Final = 200
_SEVERITY: Final[dict[str, SeverityLevel]] = {
    "info": "information",
    "warning": "warning",
    "error": "error",
}


def _action_commands() -> type[Provider]:
    """The palette's provider, imported when the palette opens."""
    from tui.app.shell.palette import ActionCommands

    return ActionCommands


class SimpleTunerApp(Everywhere):
    """A window on the engine's work.

    Attributes:
        clock: the present; tests stop it.
        keymap: the keys after the user's settings.
        deeds: cancel, delete, collect, sync.
        notices: what was said so far, the newest last.
        last_key: monotonic time of the last key press.
    """

    TITLE = "simpletuner-tui"
    CSS_PATH: ClassVar = [style_sheet("shared"), style_sheet("jobs")]
    BINDINGS: ClassVar = bindings(APP)
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
        self.keymap = KeyMap(settings.ui.keys)
        self.notices: list[Notice] = []
        self.last_key = 0.0
        self._greeted = False
        self.mouse_on = settings.ui.mouse
        self._ascii = AsciiFilter() if settings.ui.ascii else None
        self.frame_diff_on = settings.ui.frame_diff
        self.terminal_cells = TerminalCells()
        super().__init__(home, settings, attach=attach, sandbox=sandbox, clock=clock)
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.place = load_place(home)
        self._resume()
        self.set_keymap(self.keymap.textual_keymap())
        self.deeds = Deeds(self)

    # -- start and end ------------------------------------------------------------------------

    def _resume(self) -> None:
        """Theme, order and filter of the last run."""
        place, wanted = self.place, self.settings.ui.theme
        if place.theme in self.available_themes and place.theme_set == wanted:
            wanted = place.theme
        self.theme = wanted if wanted in self.available_themes else THEMES[0].name
        self.model.resume(place.sort, place.descending, place.filter)

    def keep_place(self) -> None:
        """Remember where the user is, for the next run."""
        jobs = self.screen_stack[0] if self.screen_stack else None
        here = [getattr(screen, "HERE", "") for screen in self.screen_stack]
        side = next((name for name in reversed(here) if name in ("cloud", "publishing")), "jobs")
        list_ = getattr(jobs, "list", None)
        self.place = Place(
            screen=side,
            sort=self.model.sort,
            descending=self.model.descending,
            filter=self.model.filter.text,
            job=str(getattr(list_, "job_id", "") or ""),
            theme=str(self.theme),
            theme_set=self.settings.ui.theme,
        )
        save_place(self.home, self.place)

    def get_default_screen(self) -> Screen[Any]:
        """Jobs is home."""
        self.refresh_status()
        return JobsScreen()

    @property
    def outputs(self) -> Path:
        """Where delivered files lie."""
        moved = self.settings.cloud.outputs_dir
        return Path(moved).expanduser() if moved else self.home.outputs

    def on_mount(self) -> None:
        """Attach once the first frame is out."""
        self.call_after_refresh(self._begin)
        self.app_resume_signal.subscribe(self, lambda _: self.do_redraw(), immediate=True)

    def _begin(self) -> None:
        self.follow_engine()
        if self.place.screen != "jobs":
            self.show(self.place.screen)
        for wrong in self.settings.problems:
            self.tell(wrong.words(), f"Correct it in {self.home.settings_file}.", "warning")
        for problem in self.keymap.problems:
            self.tell(f"[ui.keys] {problem.action_id}: {problem.message}.",
                      f"Change it in {self.home.settings_file}.", "warning")  # fmt: skip

    def get_driver_class(self) -> type[Driver]:
        """The stock driver, drawing on standard output."""
        return own_driver(super().get_driver_class())

    def get_line_filters(self) -> list[LineFilter]:
        """With the ASCII set, every glyph is replaced on its way to the screen."""
        filters = list(super().get_line_filters())
        return [*filters, self._ascii] if self._ascii is not None else filters

    def attached(self, control: ControlClient) -> None:
        """The engine is there; somebody new is shown the way."""
        super().attached(control)
        if not (self.status.sandbox or self.model.total or self._greeted):
            from tui.app.cloud.first_run import greet

            self._greeted = True
            self.run_worker(greet(self, control), group="greet", exit_on_error=False)

    def keys_changed(self) -> None:
        """Say which keys work now."""
        if isinstance(self.screen, JobsScreen):
            self.screen.update_footer()

    def reload_settings(self) -> None:
        """Also the colours follow the file, when it names others than before."""
        before = self.settings.ui.theme
        super().reload_settings()
        wanted = self.settings.ui.theme
        if wanted != before and wanted in self.available_themes:
            self.theme = wanted

    async def action_quit(self) -> None:
        """Ctrl+q leaves as well."""
        self.do_quit()

    def action_help_quit(self) -> None:
        """Ctrl+c never loses anything: it says how to leave."""
        self.tell("Press q to leave; jobs and transfers go on.")

    def tell(self, message: str, advice: str = "", level: str = "info") -> None:
        """Say something to the user; it is kept in the list of notices."""
        if level not in _SEVERITY:
            level = "info"
        self.notices.append(Notice(level, message, advice, self.clock()))
        del self.notices[:-_NOTICES_KEPT]
        text = "\n".join(map(plain, f"{message}\n{advice}".strip().split("\n")))
        self.notify(
            text,
            severity=_SEVERITY[level],
            timeout=4 if level == "info" else 10,
            markup=False,
        )

    def copy(self, text: str) -> None:
        """Copy through the terminal (OSC 52, so over ssh as well), and show what was copied."""
        from tui.app.terminal.control import copy_text

        copy_text(self, text)
        self.tell(f"Copied: {text}")

    def _fatal_error(self) -> None:
        """An error nobody handled: the traceback goes to a file, the user is told where."""
        if self.is_headless:
            super()._fatal_error()
            return
        self._exit_renderables.append(crash_words(self.home))
        self._close_messages_no_wait()

    async def on_event(self, event: events.Event) -> None:
        """Remember when the last key came: lists do not re-sort under busy hands."""
        if isinstance(event, events.Key):
            self.last_key = time.monotonic()
        await super().on_event(event)


def run(home: Home, settings: Settings, *, attach: Attach, sandbox: bool = False) -> int:
    """Run the app until the user leaves.

    Args:
        home: where state lives.
        settings: the user's settings.
        attach: finds or starts the engine.
        sandbox: whether this session is a demo, whatever the API base says.

    Returns:
        The exit code.
    """
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    app = SimpleTunerApp(home, settings, attach=attach, sandbox=sandbox)
    try:
        code = app.run(mouse=settings.ui.mouse)
    finally:
        app.reader.close()
        first_frame.restore()
    return app.return_code or code or 0


def crash_words(home: Home) -> Text:
    """Write the traceback to `app.log`, without values and so without secrets; what to say."""
    from rich.text import Text

    path = home.root / "app.log"
    try:
        home.create()
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(f"{datetime.now(UTC).isoformat()}\n{traceback.format_exc()}\n")
        where = f"Details are in {path}."
    except OSError as error:
        where = f"The details could not be written to {path}: {error.strerror}."
    return Text(
        "The window stopped because of an error in simpletuner-tui. Jobs and transfers go on.\n"
        f"{where} Start it again to go on; please report the error."
    )
