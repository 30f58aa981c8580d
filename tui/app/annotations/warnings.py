"""The sheet of a run's warnings, from which one is put away."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.entry_list import Entry, EntryList, entry
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot, sheet_css
from tui.app.widgets.virtual_list import VirtualList
from tui.store.run_warnings import warning_words

if TYPE_CHECKING:
    from tui.api.jobs import WarningKind
    from tui.app.context import AppContext
    from tui.client.client import ControlClient
    from tui.store.records import JobRecord


class WarningSheet(ModalScreen[int | None], PromptFrames):
    """Lists what is wrong with a run; answers the step to go to, or None.

    Args:
        job: the run, with at least one warning.
    """

    CSS = sheet_css("WarningSheet", "84")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back"),
        Binding("enter,l,right", "go", "go to the step"),
        Binding("d", "put_away", "put away"),
    ]

    def __init__(self, job: JobRecord) -> None:
        super().__init__()
        self._job = job
        self._warnings = list(job.warnings)

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    def compose(self) -> ComposeResult:
        """Yields title and warnings."""
        title = PanelTitle()
        title.set((f"Warnings of {self._job.name}",), ("d put away", "enter step", "esc back"))
        self.list = EntryList()
        self.list.styles.height = len(self._warnings)
        with Vertical():
            yield title
            yield self.list
            yield PanelFoot()

    def on_mount(self) -> None:
        """Gives the keys to the list."""
        self._fill()
        self.list.focus()

    def _fill(self) -> None:
        now = self.context.clock()
        lines: list[Entry] = []
        for warning in self._warnings:
            words = warning_words(warning, self._job.rate_micros, now)
            away = " · put away" if warning["dismissed"] else ""
            tone = "dim" if warning["dismissed"] else "warn"
            lines.append(entry(f"{'  ' if away else '! '}{words}{away}", tone))
        self.list.set(lines)

    def action_leave(self) -> None:
        """Closes the sheet."""
        self.dismiss(None)

    @on(VirtualList.Opened)
    def action_go(self) -> None:
        """Answers the step that the warning under the cursor is about."""
        step = self._warnings[self.list.index]["step"]
        if step is None:
            self.context.tell("This warning is not about one step.")
        else:
            self.dismiss(step)

    def action_put_away(self) -> None:
        """Puts the warning under the cursor away, for as long as the run lasts."""
        at = self.list.index
        kind: WarningKind = self._warnings[at]["kind"]

        async def call(control: ControlClient) -> str:
            answer = await control.change_job(self._job.job_id, {"dismiss": [kind]})
            self._warnings = list(answer["warnings"])
            if self.is_attached:
                self._fill()
            return "Put away for this run."

        if not self._warnings[at]["dismissed"]:
            self.context.call_engine(call)
