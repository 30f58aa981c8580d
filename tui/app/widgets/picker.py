"""Two dialogs with the keys of a list: a choice of one, and a page to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget

from tui.app.keys.actions import Action
from tui.app.keys.keymap import shown
from tui.app.terminal.control import copy_text
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.theme import palette
from tui.app.widgets.entry_list import Entry, EntryList, entry
from tui.app.widgets.footer import KeyFooter
from tui.app.widgets.input_line import PromptLine
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.virtual_list import VirtualList

_FINDING: Final = {"slash": 0, "n": 1, "N": -1}
"""Keys that find text on a page: 0 asks for it, the others go to its next place, or back."""
_CSS = """
{name} {{ align: center middle; background: transparent; }}
{name} > Vertical {{ width: {width}; max-width: 96%; height: auto; max-height: 90%;
                     background: $surface; }}
{name} PanelFoot {{ height: 1; }}
"""


def sheet_css(name: str, width: str) -> str:
    """Returns the style of a dialog in the middle of the screen.

    Args:
        name: its class.
        width: its width in cells, or a share of the screen.
    """
    return _CSS.format(name=name, width=width)


class PanelFoot(Widget):
    """`╰────╯`."""

    ALLOW_SELECT = False

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns the edge."""
        text = f"╰{'─' * (self.size.width - 2)}╯"
        return Strip([Segment(text, palette(self.app).line)], self.size.width)


class Picker(ModalScreen[str | None], PromptFrames):
    """A list of choices; answers the chosen one's name, or None.

    Args:
        title: the title of the list.
        choices: name, words, and words in a quiet tone.
        current: the name of the one that is chosen now.
    """

    CSS = sheet_css("Picker", "84")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back"),
        Binding("enter,l,right", "choose", "choose"),
    ]

    def __init__(
        self, title: str, choices: Sequence[tuple[str, str, str]], current: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._current = current

    def compose(self) -> ComposeResult:
        """Yields title and choices."""
        title = PanelTitle()
        title.set((self._title,), ("enter choose", "esc back"))
        self.list = EntryList()
        self.list.set([entry(f"{words}  ", "base", (quiet, "dim"))
                       for _, words, quiet in self._choices])  # fmt: skip
        self.list.styles.height = min(len(self._choices), 20)
        with Vertical():
            yield title
            yield self.list
            yield PanelFoot()

    def on_mount(self) -> None:
        """Puts the cursor on the present choice."""
        names = [name for name, _, _ in self._choices]
        self.list.focus()
        if self._current in names:
            self.list.move_to(names.index(self._current), tell=False)

    def action_leave(self) -> None:
        """Closes the dialog without a choice."""
        self.dismiss(None)

    @on(VirtualList.Opened)
    def action_choose(self) -> None:
        """Answers the choice under the cursor."""
        if self._choices:
            self.dismiss(self._choices[self.list.index][0])


@dataclass(frozen=True, slots=True)
class PageActions:
    """Actions of a screen that are offered on a page over it.

    Attributes:
        read: these actions with their keys and labels, as they are now.
        why_not: why one of them cannot be done; empty when it can.
    """

    read: Callable[[], Sequence[Action]] = tuple
    why_not: Callable[[Action], str] = lambda _: ""


def page_width(screen: int) -> int:
    """Returns the cells of a page's lines on a screen of so many cells."""
    return screen * 96 // 100 - 6


class Page(ModalScreen[str | None], PromptFrames):
    """Lines to read and copy; answers the id of the action whose key was pressed, or None.

    Args:
        title: the title of the page.
        lines: the lines of the page.
        offers: actions of the screen below; their keys close the page.
    """

    CSS = sheet_css("Page", "96%")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "back"),
        Binding("y", "copy", "copy all"),
    ]

    def __init__(
        self, title: str, lines: Sequence[Entry], offers: PageActions | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._lines = list(lines)
        self._offers = offers or PageActions()
        self._sought = ""
        self.HINTS: tuple[tuple[str, str, str], ...] = ()  # for the footer: this page's own keys

    def compose(self) -> ComposeResult:
        """Yields title, lines and footer."""
        title = PanelTitle()
        title.set((self._title,), ("/ find", "y copy all", "esc back"))
        self.list = EntryList()
        self.show(self._lines)
        self.foot = PanelFoot()
        with Vertical():
            yield title
            yield self.list
            yield self.foot
        yield KeyFooter()

    def show(self, lines: Sequence[Entry]) -> None:
        """Shows other lines."""
        self._lines = list(lines)
        self.list.set(self._lines)
        self.list.styles.height = max(1, min(len(self._lines), max(3, self.app.size.height - 5)))
        can = [action for action in self._offers.read() if not self._offers.why_not(action)]
        self.HINTS = (
            *((shown(action.keys[0]), action.label, "") for action in can),
            ("/", "find", ""),
            ("y", "copy all", ""),
            ("esc", "back", ""),
        )
        self._update_footer()

    def on_screen_suspend(self) -> None:
        """Shows no keys below another sheet."""
        self._update_footer()

    def on_screen_resume(self) -> None:
        """Shows the keys again."""
        self._update_footer()

    def _update_footer(self) -> None:
        for footer in self.query(KeyFooter):
            footer.update()

    def on_mount(self) -> None:
        """Gives the keys to the lines."""
        self.list.focus()

    def on_key(self, event: events.Key) -> None:
        """Closes the page for the key of an offered action; the screen below does it."""
        action = next((action for action in self._offers.read() if event.key in action.keys), None)
        if action is None:
            if event.key in _FINDING:
                event.stop()
                self._find(_FINDING[event.key])
            return
        event.stop()
        reason = self._offers.why_not(action)
        if reason:
            self.notify(reason)
        else:
            self.dismiss(action.id)

    # -- finding ------------------------------------------------------------------------------

    def _find(self, step: int) -> None:
        """Asks for a text, or goes to the next line that has it; after the last to the first."""
        if not step or not self._sought:
            if not self.query(PromptLine):
                self.mount(PromptLine("find", "Find", self._sought), before=self.foot)
            return
        count, wanted = len(self._lines), self._sought.casefold()
        for distance in range(1, count + 1):
            at = (self.list.index + step * distance) % count
            if wanted in self._lines[at].text.casefold():
                self.list.move_to(at)
                return
        self.notify(f"“{self._sought}” is not here.", markup=False)

    @on(PromptLine.Answered)
    async def _found(self, event: PromptLine.Answered) -> None:
        event.stop()
        await self.query(PromptLine).remove()
        self.list.focus()
        if event.purpose and event.value:
            self._sought = event.value
            self._find(1)

    def action_leave(self) -> None:
        """Closes the page."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copies every line."""
        if copy_text(self.app, "\n".join(line.text for line in self._lines)):
            self.notify("Copied.", timeout=3)
        else:
            self.notify("This terminal takes no copies; m lets the mouse go, to select it.")
