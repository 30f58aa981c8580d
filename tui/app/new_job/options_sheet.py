"""The sheet of every option of the config: found by name, changed for the job, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from tui.app.new_job import form, options
from tui.app.new_job.options import OptionRow
from tui.app.new_job.submission import DraftSubmission
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.entry_list import Entry, EntryList
from tui.app.widgets.input_line import PromptLine
from tui.app.widgets.panel_title import PanelTitle, StatusLine
from tui.app.widgets.picker import PanelFoot, Picker
from tui.app.widgets.virtual_list import VirtualList
from tui.base import formatting
from tui.simpletuner.config.training_config import TrainingConfig

if TYPE_CHECKING:
    from tui.app.context import AppContext

_AS_FILE: Final = "\0file"
_LEFT_OUT: Final = "\0out"
_OTHER: Final = "\0other"
_AROUND: Final = 8
"""Lines of the sheet and the screen that are not the list's."""


class OptionsSheet(ModalScreen[None], PromptFrames):
    """Lists the options of a config; each change is one of the draft at once.

    Args:
        flow: the draft and its newest check.
        config: the config as its file has it.
    """

    CSS = """
    OptionsSheet { align: center middle; background: transparent; }
    OptionsSheet > Vertical { width: 110; max-width: 98%; height: auto; max-height: 96%;
                              background: $surface; }
    OptionsSheet PanelFoot { height: 1; }
    OptionsSheet #find { height: 1; padding: 0 1; border-left: solid $border;
                         border-right: solid $border; }
    OptionsSheet #find Label { width: auto; color: $primary; padding: 0 1 0 0; }
    OptionsSheet #find Input { width: 1fr; border: none; height: 1; padding: 0;
                               background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("slash", "find", "find"),
        Binding("enter,l,right", "edit", "change"),
        Binding("delete,backspace", "clear", "as the file"),
        Binding("d", "leave_out", "leave out"),
        Binding("q", "leave", "back", show=False),
    ]

    def __init__(self, flow: DraftSubmission, config: TrainingConfig) -> None:
        super().__init__()
        self.flow = flow
        self._config = config
        self._rows: list[OptionRow] = []
        self.shown: list[OptionRow] = []

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    @property
    def current(self) -> OptionRow | None:
        """The option under the cursor."""
        return self.shown[self.list.index] if 0 <= self.list.index < len(self.shown) else None

    def compose(self) -> ComposeResult:
        """Yields the line to search in, the options, and what is known of the cursor's."""
        self.sheet_title, self.list, self.foot = PanelTitle(), EntryList(), PanelFoot()
        self.about, self.choices = StatusLine(), StatusLine()
        self.query_line = Input(
            placeholder="part of a name, such as rank or val step", compact=True
        )
        self.query_line.cursor_blink = False
        self.edge = PanelTitle(joined=True)
        self.edge.set(("This option",))
        with Vertical():
            yield self.sheet_title
            with Horizontal(id="find"):
                yield Label("Find")
                yield self.query_line
            yield self.list
            yield self.edge
            yield self.about
            yield self.choices
            yield self.foot

    def on_mount(self) -> None:
        """Shows the draft and follows its changes."""
        self.flow.watchers.append(self.update)
        self.query_line.focus()
        self.update()

    def on_unmount(self) -> None:
        """Ends following."""
        self.flow.watchers.remove(self.update)

    def on_resize(self) -> None:
        """Uses the room there is."""
        self.call_after_refresh(self._show)

    # -- drawing ------------------------------------------------------------------------------

    def update(self) -> None:
        """Shows the draft as it is now; the cursor stays on its option."""
        here = self.current.name if self.current else ""
        self._rows = self.read_rows()
        self._show()
        names = [row.name for row in self.shown]
        if here in names:
            self.list.move_to(names.index(here), tell=False)
            self._about()

    def _show(self) -> None:
        if not self.list.is_attached:
            return
        self.shown = options.matching(self._rows, self.query_line.value)
        width = max(60, self.list.size.width - 6)
        self.list.set([self.row_entry(row, width) for row in self.shown])
        self.list.styles.height = max(3, self.app.size.height - _AROUND - 2)
        self.sheet_title.set(*self.title_words())
        self._about()

    def read_rows(self) -> list[OptionRow]:
        """Returns the options as the draft has them now."""
        return options.option_rows(self._config, self.flow.draft)

    def row_entry(self, row: OptionRow, width: int) -> Entry:
        """Returns the line of an option."""
        return options.row_entry(row, width)

    def title_words(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns what the title says, and the keys."""
        changed = sum(row.changed for row in self._rows)
        found = f"{len(self.shown)} of {formatting.plural(len(self._rows), 'option')}"
        what = (self._config.name, found, *([f"{changed} changed"] if changed else []))
        keys = ("enter change", "del as the file", "d leave out", "/ find", "esc back")
        return ("Options", *what), keys

    def _about(self) -> None:
        row = self.current
        what, choices = options.about(row) if row else ("No option has such a name.", "")
        self.about.set([(what, "base")])
        level, words = options.judge(row.name, row.value) if row and row.value else ("", "")
        tone = {"error": "bad", "warn": "warn"}.get(level)
        self.choices.set([(words, tone)] if tone else [(choices, "dim")])

    # -- keys ---------------------------------------------------------------------------------

    @on(VirtualList.Moved)
    def _moved(self) -> None:
        self._about()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.input is self.query_line:
            event.stop()
            self._show()
            self.list.move_to(0, tell=False)  # last: a list of one line would go on to the end
            self._about()

    @on(Input.Submitted)
    def _found(self, event: Input.Submitted) -> None:
        if event.input is self.query_line:
            event.stop()
            self.list.focus()

    def key_down(self) -> None:
        """Goes from the search to what it found."""
        if self.query_line.has_focus:
            self.list.focus()

    def action_find(self) -> None:
        """Goes to the search."""
        self.query_line.focus()

    @on(VirtualList.Opened)
    def action_edit(self) -> None:
        """Changes the option under the cursor."""
        row = self.current
        if row is None or self.query(PromptLine):
            return
        if row.choices:
            self._pick(row)
        else:
            self._ask(row)

    def action_clear(self) -> None:
        """Takes a change back, so that the file's value counts again."""
        if self.current is not None:
            self._clear(self.current.name)

    def action_leave_out(self) -> None:
        """Leaves the option out of the job, so that the trainer's default counts."""
        row = self.current
        if row is not None and not row.file and not row.changed:
            self.context.tell(f"{row.name} is not in the file: the trainer's default counts.")
        elif row is not None:
            self._leave_out(row)

    def action_leave(self) -> None:
        """Goes back: from the search to the list, then to the form."""
        if self.query_line.has_focus and self.query_line.value:
            self.list.focus()
        else:
            self.dismiss()

    # -- changing -----------------------------------------------------------------------------

    def _clear(self, name: str) -> None:
        if form.clear_option(self.flow.draft, name):
            self.flow.draft_changed()

    def _leave_out(self, row: OptionRow) -> None:
        form.clear_option(self.flow.draft, row.name)
        if row.file:
            form.change_options(self.flow.draft, {row.name: None})
        self.flow.draft_changed()

    def _pick(self, row: OptionRow) -> None:
        file = f"the file: {row.file}" if row.file else "not in the file"
        choices = [(_AS_FILE, file, "take the change back")] if row.changed else []
        choices += [(one, one, "the trainer's default" if one == row.default else "")
                    for one in row.choices]  # fmt: skip
        if not row.closed:
            choices.append((_OTHER, "another value…", "type it"))
        if row.file:
            choices.append((_LEFT_OUT, "left out", f"the trainer takes {row.default or 'nothing'}"))

        def picked(value: str | None) -> None:
            if value == _AS_FILE:
                self._clear(row.name)
            elif value == _LEFT_OUT:
                self._leave_out(row)
            elif value == _OTHER:
                self._ask(row)
            elif value is not None:
                self._take(row.name, value)

        self.context.push_screen(Picker(row.name, choices, row.value or row.default), picked)

    def _ask(self, row: OptionRow) -> None:
        def typed(text: str) -> None:
            level, words = options.judge(row.name, text)
            for line in self.query(PromptLine):
                line.say(words, "warn" if level == "warn" else "bad")

        self.mount(PromptLine(row.name, row.name, row.value, typed=typed), before=self.foot)

    def _take(self, name: str, text: str) -> str:
        """Puts a value into the draft; returns why it was not taken."""
        level, words = options.judge(name, text)
        if level == "error":
            return words
        before = repr(self.flow.draft)
        problem = form.set_field(self.flow.draft, f"{form.OPTION}{name}", text)
        if not problem and repr(self.flow.draft) != before:
            self.flow.draft_changed()
        return problem

    @on(PromptLine.Answered)
    async def _answered(self, event: PromptLine.Answered) -> None:
        event.stop()
        name, text = event.purpose, event.value.strip()
        if name and not text:
            self._clear(name)
        elif name and (problem := self._take(name, text)):
            for line in self.query(PromptLine):
                line.say(problem)
            return
        await self.query(PromptLine).remove()
        self.list.focus()
