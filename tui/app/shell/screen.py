"""The base of the full screens: top bar, footer, and how actions run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from tui.app.keys.actions import APP, Action, by_id
from tui.app.keys.keymap import MOVED, bindings, moved_key
from tui.app.shell.top_bar import TopBar
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.footer import KeyFooter

if TYPE_CHECKING:
    from tui.app.context import AppContext

MIN_WIDTH: Final = 60
MIN_HEIGHT: Final = 15
AGE_SECONDS: Final = 60.0
"""How often what is an age is drawn anew."""
_READ: Final = 4.0
"""Seconds that a message stays: the same refusal is not stacked on itself meanwhile."""


class AppScreen(PromptFrames):
    """A full screen of the app.

    A subclass names its actions in `ACTIONS`, has one `do_<name>` for each, says in `why_not` when
    one cannot be used now, and yields its widgets in `body`.
    """

    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    HERE: ClassVar[str] = ""
    """The screen marked in the top bar."""
    MOVES: ClassVar[tuple[Action, ...]] = ()
    """Moves of the list on this screen, for the help."""
    HAS_STEPS: ClassVar[bool] = False
    """Whether a number in the palette is a training step to go to."""
    _said_no: tuple[str, float] = ("", 0.0)

    def __init_subclass__(cls, **options: Any) -> None:
        own = cls.__dict__.get("BINDINGS", [])
        cls.BINDINGS = [*bindings(cls.ACTIONS), *own]
        super().__init_subclass__(**options)

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    def compose(self) -> ComposeResult:
        """Yields top bar, body and footer."""
        yield TopBar(self.HERE)
        yield from self.body()
        yield KeyFooter()
        yield TooSmall()

    def body(self) -> Iterable[Widget]:
        """Makes the widgets between top bar and footer."""
        return ()

    # -- actions ------------------------------------------------------------------------------

    def actions(self) -> tuple[Action, ...]:
        """Returns the actions of the screen, with the user's keys."""
        return self.context.keymap.resolve((*self.ACTIONS, *APP))

    def all_actions(self) -> tuple[Action, ...]:
        """Returns what the palette offers: also actions without a key, and the moves."""
        return (*self.actions(), *self.context.keymap.resolve(self.MOVES))

    async def go_to_step(self, step: int) -> None:
        """Goes to a training step, on a screen that `HAS_STEPS`."""

    def why_not(self, action: Action) -> str:  # noqa: ARG002  for subclasses
        """Returns why an action cannot be done now; empty when it can."""
        return ""

    def command_line(self, action: Action) -> str:
        """Returns the command line that does the same as an action; empty when there is none."""
        if "{job}" not in action.command:
            return action.command
        job_id = self.command_job()
        return action.command.format(job=job_id) if job_id else ""

    def command_job(self) -> str | None:
        """Returns the job that command lines are about."""
        return None

    async def action_perform(self, action_id: str) -> None:
        """Does an action, or tells why it cannot be done."""
        self.context.last_key = time.monotonic()
        if action_id.startswith("move."):
            self._move_in_list(action_id)
            return
        action = by_id((*self.ACTIONS, *APP), action_id)
        if self.refuse(action):
            return
        method: Callable[[], Any] = getattr(self, action.method, None) or getattr(
            self.context, action.method
        )
        result = method()
        if result is not None and hasattr(result, "__await__"):
            await result

    async def on_key(self, event: events.Key) -> None:
        """Says once where an action has gone whose key was moved; a free key does it still."""
        if event.key not in MOVED:
            return
        moved = moved_key(event.key, self.actions(), self.MOVES)
        if moved is None:
            return
        told = self.context.keymap.told
        if moved.name not in told:
            told.add(moved.name)
            self.context.tell(moved.words)
        if moved.free:
            event.stop()
            await self.action_perform(moved.action.id)

    def refuse(self, action: Action) -> bool:
        """Says why an action cannot be done, once at a time; returns whether it cannot."""
        reason, now = self.why_not(action), time.monotonic()
        before, said = self._said_no
        if reason and (reason != before or now - said > _READ):
            self._said_no = reason, now
            self.context.tell(reason)
        return bool(reason)

    def _move_in_list(self, action_id: str) -> None:
        """Moves in the list that has the keys, from the palette or the help."""
        here = self.focused
        if here is None or not any(
            isinstance(one, Binding) and one.id == action_id
            for one in getattr(here, "BINDINGS", ())
        ):
            self.context.tell("There is nothing to move in here.")
        elif action_id == "move.top":  # the key has to be pressed twice, this not
            cast("Any", here).key_home()
        else:
            cast("Any", here).action_perform(action_id)

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Follows the status of the app."""
        self.context.signals.status_changed.subscribe(self, self._status_changed, immediate=True)

    def _status_changed(self, _: None) -> None:
        for bar in self.query(TopBar):
            bar.update()

    def update_footer(self) -> None:
        """Shows the keys that work now."""
        for footer in self.query(KeyFooter):
            footer.update()

    def on_descendant_focus(self) -> None:
        """Shows the keys of the widget that has the focus."""
        self.update_footer()

    def on_screen_suspend(self) -> None:
        """Shows no keys below a sheet: they do not work there."""
        self.update_footer()

    def follow_ages(self, draw: Callable[[], object]) -> None:
        """Has what tells an age drawn anew each minute, as long as the screen is in sight.

        Args:
            draw: draws it; a cell that stays the same sends nothing.
        """
        self.set_interval(AGE_SECONDS, lambda: draw() if self.is_active else None)

    def on_screen_resume(self) -> None:
        """Shows what has changed while another screen was on top."""
        self._status_changed(None)
        self.update_footer()

    def on_resize(self, event: events.Resize) -> None:
        """Shows only a message below 60×15 cells."""
        tiny = event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT
        if tiny != self.has_class("-tiny"):
            self.set_class(tiny, "-tiny")


class TooSmall(Widget):
    """Shows one message instead of a screen without room."""

    def render(self) -> str:
        """Returns how large the terminal is and has to be."""
        width, height = self.app.size
        return f"Too small: {width}×{height}\nMake the window at least 60×15."
