"""The sheet of the delivery settings, over the new-job form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.app.new_job.editing import FieldEditor
from tui.app.new_job.form import sheet_of
from tui.app.new_job.form_list import FormList
from tui.app.new_job.submission import DraftSubmission
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.input_line import PromptLine
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot
from tui.app.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from tui.app.context import AppContext


class PublishSheet(ModalScreen[None], PromptFrames):
    """Lists the settings; each changes the draft at once.

    Args:
        flow: the draft and its newest check.
    """

    CSS = """
    PublishSheet { align: center middle; background: transparent; }
    PublishSheet > Vertical { width: 100; max-width: 98%; height: auto; max-height: 94%;
                              background: $surface; }
    PublishSheet PanelFoot { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back"),
        Binding("enter,l,right,space", "edit", "change"),
        Binding("delete,backspace", "clear", "clear"),
        Binding("b", "recommend", "recommended"),
    ]

    def __init__(self, flow: DraftSubmission) -> None:
        super().__init__()
        self.flow = flow

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    def compose(self) -> ComposeResult:
        """Yields title, lines and the edge above which a line to type in appears."""
        self.sheet_title, self.form, self.foot = PanelTitle(), FormList(), PanelFoot()
        self.editor = FieldEditor(self.context, self, self.flow, self.foot)
        with Vertical():
            yield self.sheet_title
            yield self.form
            yield self.foot

    def on_mount(self) -> None:
        """Shows the draft and follows its changes."""
        self.flow.watchers.append(self.update)
        self.form.focus()
        self.update()

    def on_unmount(self) -> None:
        """Ends following."""
        self.flow.watchers.remove(self.update)

    def update(self) -> None:
        """Shows the draft and its newest check."""
        if not self.form.is_attached:
            return
        flow = self.flow
        fields = sheet_of(flow.draft, flow.answer, flow.errors)
        self.form.set(fields)
        self.form.styles.height = max(1, min(len(fields), self.app.size.height - 6))
        state = "checking…" if flow.checking else "b recommended"
        self.sheet_title.set(("Publishing",), ("enter change", "del clear", state, "esc back"))

    @on(VirtualList.Opened)
    def action_edit(self) -> None:
        """Changes the field under the cursor."""
        if self.form.current is not None and not self.query(PromptLine):
            self.editor.edit(self.form.current)

    def action_clear(self) -> None:
        """Clears the field, so that the config's own value counts again."""
        if self.form.current is not None:
            self.editor.clear(self.form.current)

    def action_recommend(self) -> None:
        """Fills in the delivery that is most likely to work."""
        self.editor.names.recommend()

    @on(PromptLine.Answered)
    async def _answered(self, event: PromptLine.Answered) -> None:
        event.stop()
        if await self.editor.answered(event.purpose, event.value):
            self.form.focus()

    def action_leave(self) -> None:
        """Goes back to the form."""
        self.dismiss()
