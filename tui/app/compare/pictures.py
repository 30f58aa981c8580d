"""The pictures of several runs below each other, at the steps they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.widget import Widget

from tui.app.job.tab_bar import TabStatus
from tui.app.keys.actions import PICTURES, RUNS
from tui.app.pictures.panel import PicturesPanel
from tui.app.shell.messages import JobsChanged
from tui.app.shell.screen import AppScreen
from tui.app.terminal.control import show_picture
from tui.app.terminal.styles import style_sheet
from tui.app.widgets.panel_title import PanelTitle
from tui.base.formatting import plural
from tui.store.comparison import labels
from tui.store.schema import StoreError


class RunPicturesScreen(AppScreen):
    """Shows which run draws what: a row for each run and prompt, a column for each common step.

    Args:
        job_ids: the runs, in the order of the comparison.
    """

    CSS_PATH = style_sheet("compare")
    ACTIONS: ClassVar = (*PICTURES, *RUNS)
    HERE: ClassVar = "jobs"
    HAS_STEPS: ClassVar = True
    AUTO_FOCUS = "PicturesPanel"

    def __init__(self, job_ids: Sequence[str]) -> None:
        super().__init__()
        self.job_ids = list(job_ids)

    def body(self) -> Iterable[Widget]:
        """Makes the title and the pictures."""
        context = self.context
        self.head = PanelTitle()
        self.panel = PicturesPanel(
            context.outputs, context.clock, painted=not context.settings.ui.ascii
        )
        return (self.head, self.panel)

    def on_mount(self) -> None:
        """Shows the pictures and follows the runs."""
        super().on_mount()
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self._show()
        self._title(())

    def _jobs_changed(self, change: JobsChanged) -> None:
        if change.job_ids.intersection(self.job_ids):
            self._show()

    def _show(self) -> None:
        reader = self.context.reader
        try:
            jobs = [job for job_id in self.job_ids if (job := reader.job(job_id)) is not None]
            names = labels(jobs, self.context.clock())
            self.panel.set_runs(
                [
                    (f"{at} {name}", reader.files(job.job_id))
                    for at, (job, name) in enumerate(zip(jobs, names, strict=True), start=1)
                ]
            )
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")

    @on(TabStatus)
    def _told(self, event: TabStatus) -> None:
        self._title(event.words)

    def _title(self, words: Sequence[str]) -> None:
        self.head.set(("Pictures", plural(len(self.job_ids), "run")), tuple(words))

    # -- what can be done ---------------------------------------------------------------------

    async def action_perform(self, action_id: str) -> None:
        """Passes the actions of the pictures on to them."""
        if action_id.startswith("pictures."):
            self.panel.action_perform(action_id)
        else:
            await super().action_perform(action_id)

    async def go_to_step(self, step: int) -> None:
        """Goes to the pictures of a step, or the last ones before it."""
        self.panel.show_step(step, asked=True)

    def do_compare(self) -> None:
        """Sets the marked picture beside that of the cursor, or no more."""
        self.panel.compare()

    def do_outside(self) -> None:
        """Shows the picture in a viewer."""
        picture = self.panel.file
        if picture is None:
            self.context.tell("There is no picture under the cursor.")
        else:
            self.context.tell(show_picture(picture) or f"Opening {picture.name}.")

    def do_copy(self) -> None:
        """Copies the path of the picture."""
        picture = self.panel.file
        if picture is None:
            self.context.tell("There is no picture under the cursor.")
        else:
            self.context.copy(str(picture))

    def do_back(self) -> None:
        """Undoes beside, enlarged and marked, else goes back to the runs."""
        if not self.panel.step_back():
            self.context.pop_screen()
