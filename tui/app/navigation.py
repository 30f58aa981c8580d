"""What can be done everywhere: going to a screen, and the actions that every screen has."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from tui.app.engine_link import AttachedApp
from tui.app.jobs.screen import JobsScreen
from tui.app.saved_frame import save_frame
from tui.app.shell.messages import Notice
from tui.app.terminal.frame_diff import TerminalCells
from tui.app.terminal.theme import THEMES


class Everywhere(AttachedApp):
    """An app whose screens can be gone to and whose common actions can be done.

    Attributes:
        notices: what was said so far, the newest last.
        mouse_on: whether the app has the mouse.
        terminal_cells: what the terminal shows now.
    """

    notices: list[Notice]
    mouse_on: bool
    terminal_cells: TerminalCells

    def keep_place(self) -> None:
        """Remember where the user is, for the next run."""
        raise NotImplementedError  # Textual's metaclass leaves no room for an ABC's

    # -- screens ------------------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Go to one of the three screens; Jobs lies below and keeps what was open on it."""
        top = self.screen
        if name == "jobs":
            if self._is_side(top):
                self.pop_screen()
            else:
                while len(self.screen_stack) > 1 and not isinstance(self.screen, JobsScreen):
                    self.pop_screen()
            return
        if getattr(top, "HERE", "") == name:
            return
        screen = self._side_screen(name)
        if self._is_side(top):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def _is_side(self, screen: Screen[Any]) -> bool:
        return getattr(screen, "HERE", "") in ("cloud", "publishing")

    def _side_screen(self, name: str) -> Screen[Any]:
        if name == "cloud":
            from tui.app.cloud.screen import CloudScreen

            return CloudScreen()
        from tui.app.publishing.screen import PublishingScreen

        return PublishingScreen()

    def open_job(self, job_id: str) -> None:
        """Open a job's own page."""
        from tui.app.job.screen import JobScreen

        self.push_screen(JobScreen(job_id))

    def new_job(self) -> None:
        """Open the form for a new job."""
        from tui.app.new_job.screen import NewJobScreen

        self.push_screen(NewJobScreen())

    # -- what every screen can do -------------------------------------------------------------

    async def action_perform(self, action_id: str) -> None:
        """Keys that work everywhere, where the screen has no way of its own to run actions."""
        perform = getattr(self.screen, "action_perform", None)
        if perform is not None:
            await perform(action_id)
        else:
            getattr(self, f"do_{action_id.partition('.')[2]}")()

    def do_cloud(self) -> None:
        """To the Cloud screen."""
        self.show("cloud")

    def do_jobs(self) -> None:
        """To the Jobs screen."""
        self.show("jobs")

    def do_publishing(self) -> None:
        """To the Publishing screen."""
        self.show("publishing")

    def do_palette(self) -> None:
        """Open the command palette."""
        from tui.app.shell.palette import ActionPalette

        if not isinstance(self.screen, ActionPalette):
            self.push_screen(ActionPalette(id="--command-palette"))

    def do_help(self) -> None:
        """Open the list of keys."""
        from tui.app.shell.help import HelpScreen

        self.push_screen(HelpScreen.of(self.screen))

    def do_notices(self) -> None:
        """Open the list of past notices."""
        from tui.app.shell.notices import NoticesScreen

        self.push_screen(NoticesScreen(self.notices))

    def do_theme(self) -> None:
        """The next theme."""
        names = [theme.name for theme in THEMES]
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]
        self.tell(f"Theme: {self.theme.removeprefix('simpletuner-')}")

    def do_mouse(self) -> None:
        """Let the terminal have the mouse, or take it back."""
        from tui.app.terminal.control import set_mouse

        self.mouse_on = not self.mouse_on
        set_mouse(self, self.mouse_on)
        if self.mouse_on:
            self.tell("The mouse works in the app again.")
        else:
            self.tell("The mouse is the terminal's: select text as usual.", "m takes it back.")

    def do_redraw(self) -> None:
        """Send the whole screen again, whatever the terminal shows."""
        self.terminal_cells.forget()
        self.refresh()

    def do_quit(self) -> None:
        """Leave; the engine goes on."""
        save_frame(self)
        self.keep_place()
        self.exit(0)
