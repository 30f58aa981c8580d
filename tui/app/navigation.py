"""Which screen is on top: the three main screens, the pages over them, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tui.app.jobs.screen import JobsScreen
from tui.base.json_types import JsonObject

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    from tui.app.shell.jobs_model import JobsModel
    from tui.app.shell.messages import Notice
    from tui.client.client import ControlClient

_SIDES = ("cloud", "publishing")
"""The main screens that lie over Jobs."""


class Navigation:
    """Opens and closes the screens of an app.

    Each screen is imported when it is first opened: the first frame must not wait for it.

    Args:
        app: its stack of screens is changed. Jobs lies at the bottom.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app

    # -- the three main screens ---------------------------------------------------------------

    @property
    def main_screen(self) -> str:
        """The main screen that is open: `cloud`, `jobs` or `publishing`."""
        names = (_name(screen) for screen in reversed(self._app.screen_stack))
        return next((name for name in names if name in _SIDES), "jobs")

    def show(self, name: str) -> None:
        """Goes to a main screen; Jobs keeps the pages that were open over it.

        Args:
            name: `cloud`, `jobs` or `publishing`.
        """
        top = self._app.screen
        over_jobs = _name(top) in _SIDES
        if name == "jobs":
            if over_jobs:
                self._app.pop_screen()
                return
            while len(self._app.screen_stack) > 1 and not isinstance(self._app.screen, JobsScreen):
                self._app.pop_screen()
        elif _name(top) != name:
            screen = _make_side(name)
            if over_jobs:
                self._app.switch_screen(screen)
            else:
                self._app.push_screen(screen)

    def show_card(self, name: str) -> None:
        """Goes to a card of the Cloud screen."""
        from tui.app.cloud.screen import CloudScreen

        self.show("cloud")
        screen = self._app.screen
        if isinstance(screen, CloudScreen):
            # A new screen makes its cards when it is composed, which is after this call.
            self._app.call_after_refresh(lambda: screen.go_to_card(name))

    # -- pages --------------------------------------------------------------------------------

    def open_job(self, job_id: str, *, replace: bool = False, at_step: int | None = None) -> None:
        """Opens the page of a job, on top of the present screen or in its place.

        Args:
            job_id: the job.
            replace: whether the page comes in the place of the present screen.
            at_step: a training step that its metrics are opened at.
        """
        from tui.app.job.screen import JobScreen

        screen, jobs = JobScreen(job_id, at_step), self._app.screen_stack[0]
        if replace and self._app.screen is not jobs:
            self._app.switch_screen(screen)
        else:
            self._app.push_screen(screen)
        if replace and isinstance(jobs, JobsScreen):
            jobs.go_to(job_id)

    def compare(self, model: JobsModel, job_id: str | None) -> bool:
        """Opens the comparison of the marked jobs, or of a job and the one before it.

        Returns:
            Whether there is anything to compare.
        """
        from tui.app.compare.choice import runs_to_compare
        from tui.app.compare.screen import CompareScreen
        from tui.store.comparison import FEWEST

        job_ids = runs_to_compare(model, job_id)
        if len(job_ids) < FEWEST:
            return False
        self._app.push_screen(CompareScreen(job_ids))
        return True

    def new_job(
        self,
        draft: JsonObject | None = None,
        refused: Mapping[str, str] | None = None,
        *,
        sweep: bool = False,
    ) -> None:
        """Opens the form for a new job.

        Args:
            draft: the values to begin with.
            refused: messages by field, where an earlier job was refused.
            sweep: whether to go on to the sheet of a sweep.
        """
        from tui.app.new_job.screen import NewJobScreen

        self._app.push_screen(NewJobScreen(draft, refused, sweep=sweep))

    def open_palette(self) -> None:
        """Opens the command palette."""
        from tui.app.shell.palette import ActionPalette

        if not isinstance(self._app.screen, ActionPalette):
            self._app.push_screen(ActionPalette(id="--command-palette"))

    def open_help(self) -> None:
        """Opens the list of the keys of the present screen."""
        from tui.app.shell.help import HelpScreen

        self._app.push_screen(HelpScreen.of(self._app.screen))

    def open_notices(self, notices: Sequence[Notice]) -> None:
        """Opens the list of past notices."""
        from tui.app.shell.notices import NoticesScreen

        self._app.push_screen(NoticesScreen(notices))

    async def welcome(self, control: ControlClient) -> None:
        """Opens the introduction over the Cloud screen, for a user who has done nothing yet.

        Args:
            control: the engine; it remembers whether the introduction was finished.
        """
        from tui.app.cloud.first_run import FirstRun
        from tui.app.cloud.screen import CloudScreen
        from tui.client.client import ControlError

        try:
            known = await control.cloud.onboarding()
        except ControlError:
            return  # the checklist on the Cloud screen offers it as well
        states = {str(step.get("id")): step.get("state") for step in known.get("steps") or ()}
        is_new = not known.get("finished") and states.get("first_job") == "open"
        if not is_new or len(self._app.screen_stack) > 2:
            return
        self.show("cloud")
        screen = self._app.screen
        if isinstance(screen, CloudScreen):
            # The screen makes its state when it is composed, which is after this call.
            self._app.call_after_refresh(lambda: self._app.push_screen(FirstRun(screen.data)))


def _name(screen: Screen[Any]) -> str:
    """The main screen that a screen is, or belongs to."""
    return str(getattr(screen, "HERE", ""))


def _make_side(name: str) -> Screen[Any]:
    if name == "cloud":
        from tui.app.cloud.screen import CloudScreen

        return CloudScreen()
    from tui.app.publishing.screen import PublishingScreen

    return PublishingScreen()
