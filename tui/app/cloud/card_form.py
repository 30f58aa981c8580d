"""Forms over the screen; on that of a card each line takes effect at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.app.cloud.card import Card, ChangeResult, Form, Item, Question
from tui.app.keys.choices import in_app
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.text_lines import fit, plain
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.entry_list import Entry, EntryList
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import Page, PanelFoot, Picker
from tui.app.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.client.client import ControlClient, ControlError

_LABEL: Final = 17
_LONGEST: Final = 8192


class FormDialog(ModalScreen[None], PromptFrames):
    """Lists the items of a form and changes the one that is chosen.

    Args:
        content: the items, and the calls that change them.
        start: the item that the cursor begins on.
        typing: the line to type its value in is open at once.
    """

    SCOPED_CSS = False  # a scope would name the subclass, the rules name this class
    CSS = """
    FormDialog { align: center middle; background: transparent; }
    FormDialog > Vertical { width: 84; max-width: 98%; height: auto; max-height: 94%;
                          background: $surface; }
    FormDialog PanelFoot { height: 1; }
    FormDialog #say { height: auto; max-height: 5; padding: 0 2; color: $dim;
                    border-left: solid $border; border-right: solid $border; }
    FormDialog #say.-bad { color: $error; }
    FormDialog #typing { height: 1; padding: 0 2; background: $panel; display: none;
                       border: none; border-left: solid $border; border-right: solid $border; }
    FormDialog #typing.-open { display: block; }
    FormDialog #typing Static { width: auto; color: $primary; padding: 0 1 0 0;
                                background: $panel; }
    FormDialog Input { width: 1fr; height: 1; padding: 0; background: $panel; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("q", "close", "back"),
        Binding("enter,l,right,space", "choose", "change"),
    ]

    def __init__(self, content: Form, start: str = "", *, typing: bool = False) -> None:
        super().__init__()
        self.content = content
        self.problems: dict[str, str] = {}
        self._items: list[Item] = content.items()
        self._start = start
        self._typing = typing
        self._asked: Item | None = None
        self._working = ""
        self._said = ""

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    # -- what it shows ------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Yields title, items, a line to type in, and a message about the item."""
        self.form_title = PanelTitle()
        self.list = EntryList("Nothing can be changed here now.")
        self.say = Static("", id="say", markup=False)
        self.input = Input(select_on_focus=True, compact=True, max_length=_LONGEST)
        self.typed_label = Static("", markup=False)
        self.typing_line = Horizontal(self.typed_label, self.input, id="typing")
        with Vertical():
            yield self.form_title
            yield self.list
            yield self.typing_line
            yield self.say
            yield PanelFoot()

    def on_mount(self) -> None:
        """Puts the cursor on the first item."""
        self.list.focus()
        self.update()
        keys = [item.key for item in self._items]
        if self._start in keys:
            self.list.move_to(keys.index(self._start), tell=False)
            self._explain()
            if self._typing and self.item is not None:
                self._type(self.item)

    def update(self) -> None:
        """Shows the items again; the cursor stays on its item."""
        here = self.item
        self._items = self.content.items()
        self.list.set([self._entry(item) for item in self._items])
        self.list.styles.height = max(1, min(len(self._items), self.app.size.height - 8))
        keys = [item.key for item in self._items]
        if here is not None and here.key in keys:
            self.list.move_to(keys.index(here.key), tell=False)
        self.form_title.set((self.content.title,), ("enter change", "esc back"))
        self._explain()

    def _entry(self, item: Item) -> Entry:
        bad = item.key in self.problems
        mark = ("✗ ", "bad") if bad else ("  ", "base")
        words = [mark, (f"{fit(item.label, _LABEL - 1)} ", "dim")]
        if item.kind == "do":
            words = [mark, (item.label.ljust(_LABEL), "accent")]
        if item.value:
            words.append((item.value, "base"))
        if item.kind == "choice":
            words.append((" ▾", "dim"))
        busy = "working…" if self._working == item.key else ""
        note = busy or (self.problems[item.key] if bad else item.note)
        words.append((f"  {note}", "bad" if bad and not busy else "dim"))
        return Entry(tuple((plain(text), tone) for text, tone in words))

    @property
    def item(self) -> Item | None:
        """The item under the cursor."""
        at = self.list.index
        return self._items[at] if 0 <= at < len(self._items) else None

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        """Explains the item again: at another width other lines are cut."""
        self.call_after_refresh(self._explain)

    @on(VirtualList.Moved)
    def _explain(self) -> None:
        """Shows below the list what is wrong with this item, or the outcome of the last change.

        Where there is nothing of that, the item's line if it is cut.
        """
        item, current = self.item, self.list.current
        problem = self.problems.get(item.key, "") if item is not None else ""
        cut = current is not None and cell_len(current.text) > self.list.size.width - 5 > 0
        note = " ".join(filter(None, [item.value, item.note])) if item is not None and cut else ""
        self.say.set_class(bool(problem), "-bad")
        said = plain(problem or self._said or note)
        if said != self.say.content:  # an update arranges the whole form anew
            self.say.update(said)

    # -- changing -----------------------------------------------------------------------------

    @on(VirtualList.Opened)
    def action_choose(self) -> None:
        """Change the item, or start it."""
        item = self.item
        if item is None or self._working:
            return
        if item.kind == "switch":
            self._ask(item, "off" if item.current == "on" else "on")
        elif item.kind == "do":
            self._ask(item, "")
        elif item.kind == "choice":

            def chosen(name: str | None) -> None:
                if name is not None:
                    self._ask(item, name)

            self.app.push_screen(Picker(item.label.strip(), item.choices, item.current), chosen)
        else:
            self._type(item)

    def _type(self, item: Item, value: str | None = None) -> None:
        self._asked = item
        self.input.password = item.kind == "secret"
        self.input.value = item.current if value is None else value
        self.input.placeholder = "paste it; it is not shown" if item.kind == "secret" else ""
        self.typed_label.update(plain(item.label.strip()))
        self.typing_line.add_class("-open")
        self.list.held = True
        self.input.focus()

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        item, value = self._asked, event.value
        self._close_input()
        if item is not None:
            self._ask(item, value)

    def _close_input(self) -> None:
        self.input.value = ""
        self.typing_line.remove_class("-open")
        self.list.held = False
        self._asked = None
        self.list.focus()

    def _ask(self, item: Item, value: str) -> None:
        self._confirmed(self.content.question(item.key, value), item.key, value)

    def _confirmed(self, question: Question | None, key: str, value: str) -> None:
        if question is None:
            self._start_work(key, value)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._start_work(key, value)

        confirm = Confirm(question.text, question.details, yes=question.yes)
        self.app.push_screen(confirm, answered)

    def _start_work(self, key: str, value: str) -> None:
        control = self.context.control
        if control is None:
            self._failed(key, "The engine is not running; try again in a moment.")
            return
        self._working = key
        self.problems.pop(key, None)
        self.update()
        self.run_worker(self._work(control, key, value), group="card", exit_on_error=False)

    async def _work(self, control: ControlClient, key: str, value: str) -> None:
        from tui.client.client import ControlError

        try:
            result = await self.content.apply(control, key, value)
        except ControlError as error:
            self._working = ""
            self._refused(key, value, error)
        else:
            self._working = ""
            self._applied(key, result)

    def _applied(self, key: str, result: ChangeResult) -> None:  # noqa: ARG002  for subclasses
        """Shows the outcome of a change."""
        self._tell(result)
        self.update()

    def _refused(self, key: str, value: str, error: ControlError) -> None:  # noqa: ARG002  for subclasses
        """Shows why the engine refused a change."""
        self._failed(key, f"{error.message} {error.advice}".strip())

    def _failed(self, key: str, words: str) -> None:
        self.problems[key] = in_app(words)
        self._said = ""
        self.update()

    def _tell(self, said: ChangeResult) -> None:
        self._said = said.text
        if said.copy:
            self.context.copy(said.copy)
        elif said.level != "info":
            self.context.tell(said.text, "", said.level)
        if said.page:
            self.app.push_screen(Page(said.title, [Entry(words) for words in said.page]))

    # -- leaving ------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Closes the line to type in, else the form."""
        if self.typing_line.has_class("-open"):
            self._close_input()
        else:
            self.dismiss()

    def action_close(self) -> None:
        """Closes the form."""
        self.dismiss()


class CardForm(FormDialog):
    """The form of a card: each change takes effect at once.

    Args:
        card: the card whose items are changed.
        start: the item that the cursor begins on.
        typing: whether the line to type its value in is open at once.
    """

    def __init__(self, card: Card, start: str = "", *, typing: bool = False) -> None:
        super().__init__(card, start, typing=typing)
        self.card = card
        self._instead: dict[str, str] = {}  # items that were tried first, by the other way

    def _applied(self, key: str, result: ChangeResult) -> None:
        for solved in (key, self._instead.pop(key, key)):
            self.problems.pop(solved, None)
        self._tell(result)
        self.context.reload_settings()
        self.card.data.load(self.card.READS)
        self.update()

    def _refused(self, key: str, value: str, error: ControlError) -> None:
        other = self.card.other_way(key, error)
        fields = error.details.get("fields")
        message = ""
        if isinstance(fields, dict) and fields:
            message = self._at_field(key, {str(name): str(text) for name, text in fields.items()})
        self._failed(key, message or f"{error.message} {error.advice}".strip())
        if other is not None:
            self._instead[other[1]] = key
            self._confirmed(other[0], other[1], value)
        elif message:
            self._again(key, value)

    def _at_field(self, key: str, fields: dict[str, str]) -> str:
        """Returns what is wrong with this item, or with another one that it changes as well."""
        if key in fields:
            return fields[key]
        name, message = next(iter(fields.items()))
        labels = {item.key: item.label.strip() for item in self._items}
        return f"{labels[name]}: {message}" if name in labels else message

    def _again(self, key: str, value: str) -> None:
        """Opens a refused text again to be corrected; a secret has to be typed anew."""
        item = next((item for item in self._items if item.key == key), None)
        if item is not None and item.kind == "text":
            self._type(item, value)
