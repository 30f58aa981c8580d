"""The sheet of what a user writes about a job: name, tags, note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static, TextArea

from tui.app.annotations.edit import change_of, completed, tags_text
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.styles import style_sheet
from tui.app.terminal.text_lines import plain
from tui.app.terminal.theme import palette
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot
from tui.base.formatting import size
from tui.base.text_fields import FieldError
from tui.client.client import ControlError

if TYPE_CHECKING:
    from tui.api.jobs import JobChange
    from tui.app.context import AppContext
    from tui.store.annotations import Annotation
    from tui.store.records import JobRecord

_MOST_HERE: Final = 100_000
"""Characters of a note that can be changed here; the widget wraps all of a text at each key."""
_HINTS: Final = "tab next field · → takes the completion"
_KEYS: Final = ("ctrl+s save", "esc back")


class TagSuggester(Suggester):
    """Completes the last word to a tag in use.

    Args:
        in_use: the tags, the usual ones first.
    """

    def __init__(self, in_use: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._in_use = in_use

    async def get_suggestion(self, value: str) -> str | None:
        """Returns the completed line."""
        return completed(value, self._in_use)


class AnnotationSheet(ModalScreen[None], PromptFrames):
    """Changes what is written about a job; it stays open until the engine has stored it.

    Args:
        job: the job.
        written: what is written about it, with its note.
    """

    CSS_PATH = style_sheet("annotations")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "save"),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, job: JobRecord, written: Annotation) -> None:
        super().__init__()
        self._job, self._written = job, written
        self._asked = self._saving = False

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    def compose(self) -> ComposeResult:
        """Yields the fields and a line for messages."""
        title = PanelTitle()
        title.set((self._job.name, "name, tags, note"), _KEYS)
        self.name_line = Input(self._job.name, compact=True, select_on_focus=False)
        self.tag_line = Input(
            tags_text(self._written.tags), compact=True, select_on_focus=False,
            suggester=TagSuggester(self.context.reader.tags_in_use()),
        )  # fmt: skip
        note = self._written.note or ""
        self._too_long = len(note) > _MOST_HERE
        self.note = TextArea("" if self._too_long else note, compact=True, tab_behavior="focus")
        self.note.read_only = self._too_long
        self.said = Static(_HINTS, id="annotation-said", markup=False)
        for line in (self.name_line, self.tag_line, self.note):
            line.cursor_blink = False  # a blinking cursor writes to the line for ever
        with Vertical():
            yield title
            with Vertical(id="annotation-fields"):
                for label, field in (
                    ("Name", self.name_line), ("Tags", self.tag_line), ("Note", self.note)
                ):  # fmt: skip
                    with Horizontal(classes="-note" if field is self.note else ""):
                        yield Label(label)
                        yield field
                yield self.said
            yield PanelFoot()

    def on_mount(self) -> None:
        """Gives the keys to the first field that is asked for most: the note."""
        if self._too_long:
            words = f"The note has {size(len((self._written.note or '').encode()))}"
            self._say(f"{words}: simpletuner-tui note {self._job.job_id} prints it.", "warn")
            self.name_line.focus()
            return
        self.note.focus()
        self.note.move_cursor(self.note.document.end)

    def on_resize(self, event: events.Resize) -> None:
        """Gives the note the room that is left."""
        self.note.styles.height = max(3, min(14, event.size.height - 12))

    def _say(self, words: str, tone: str = "bad") -> None:
        self.said.update(Text(plain(words), getattr(palette(self.app), tone)))

    def _change(self) -> JobChange:
        return change_of(
            self._job.name, self._written, typed_name=self.name_line.value,
            typed_tags=self.tag_line.value,
            typed_note=None if self._too_long else self.note.text,
        )  # fmt: skip

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _typed(self, event: Input.Changed | TextArea.Changed) -> None:
        event.stop()
        if self._asked:
            self._asked = False
            self._say(_HINTS, "dim")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    def action_save(self) -> None:
        """Has the engine store what was typed, and closes the sheet when it has."""
        try:
            change = self._change()
        except FieldError as error:
            self._say(str(error))
            return
        if not change:
            self.dismiss()
        elif not self._saving:
            self._saving = True
            self._say("saving…", "dim")
            self.run_worker(self._save(change), exclusive=True)

    async def _save(self, change: JobChange) -> None:
        control = self.context.control
        try:
            if control is None:
                self._say(self.context.engine.refusal)
                return
            await control.change_job(self._job.job_id, change)
        except ControlError as error:
            self._say(f"{error.message} {error.advice}".strip())
        else:
            self.context.catch_up()
            self.dismiss()
        finally:
            self._saving = False

    def action_leave(self) -> None:
        """Closes the sheet; what was typed and not saved is asked about first."""
        try:
            changed = bool(self._change())
        except FieldError:
            changed = True
        if changed and not self._asked:
            self._asked = True
            self._say("Not saved: ctrl+s saves, esc again drops it.", "warn")
            return
        self.dismiss()
