"""What a screen, a form or an action may ask of the application.

Everything below `app.py` names this Protocol instead of the application's class. The application
imports the screens; a screen that imported the application in turn would close an import circle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tui.base.json_types import JsonObject

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from textual.geometry import Size
    from textual.screen import Screen

    from tui.app.keys.actions import Action
    from tui.app.keys.keymap import KeyMap
    from tui.app.shell.away import Away
    from tui.app.shell.jobs_model import JobsModel
    from tui.app.shell.messages import AppSignals, EngineState
    from tui.app.shell.saved_view import SavedView
    from tui.app.shell.status import AppStatus
    from tui.client.client import ControlClient
    from tui.settings import Home, Settings
    from tui.store.reader import StoreReader

Result = TypeVar("Result")
EngineCall = Callable[["ControlClient"], Awaitable[str]]
"""A call to the engine; returns the message for the user, empty for none.

Raises:
    ControlError: the engine refuses the call or cannot be reached.
"""


class AppContext(Protocol):
    """The application, as its screens see it.

    Attributes:
        last_key: monotonic time of the last key press, in seconds.
    """

    last_key: float

    # -- what is known ------------------------------------------------------------------------

    @property
    def home(self) -> Home:
        """The state directory."""

    @property
    def settings(self) -> Settings:
        """The settings in force; replaced as a whole when the file changes."""

    @property
    def outputs(self) -> Path:
        """The folder of the delivered files."""

    @property
    def sandbox(self) -> bool:
        """Whether this session is a demo, whatever the API base says."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """Returns the present, aware UTC."""

    @property
    def reader(self) -> StoreReader:
        """The store, read-only, for use in the event loop's thread."""

    @property
    def model(self) -> JobsModel:
        """Order, filter and marks of the job list."""

    @property
    def control(self) -> ControlClient | None:
        """The client of the engine; None while there is no engine."""

    @property
    def engine(self) -> EngineState:
        """Whether the engine is there, and why it is not."""

    @property
    def status(self) -> AppStatus:
        """What the top bar shows."""

    @property
    def saved_view(self) -> SavedView:
        """Where the user was in the last run."""

    @property
    def keymap(self) -> KeyMap:
        """The keys of all actions, with the user's changes."""

    @property
    def away(self) -> Away:
        """What reaches a user who looks elsewhere."""

    @property
    def signals(self) -> AppSignals:
        """The signals that screens subscribe to."""

    @property
    def size(self) -> Size:
        """Columns and rows of the terminal."""

    @property
    def screen(self) -> Screen[Any]:
        """The screen on top."""

    @property
    def screen_stack(self) -> Sequence[Screen[Any]]:
        """All open screens, the top one last."""

    # -- to the user --------------------------------------------------------------------------

    def tell(self, message: str, advice: str = "", level: str = "info") -> None:
        """Shows a message and keeps it in the list of notices.

        Args:
            message: what happened.
            advice: what to do next; may be empty.
            level: `info`, `warning` or `error`.
        """

    def copy(self, text: str, said: str = "") -> None:
        """Puts text on the terminal's clipboard and shows what was copied.

        Args:
            text: the text.
            said: what is shown instead of it.
        """

    def do_redraw(self) -> None:
        """Sends the whole screen again, whatever the terminal shows."""

    # -- to the engine ------------------------------------------------------------------------

    def call_engine(self, call: EngineCall) -> None:
        """Makes a call in a worker and shows its message, or the error."""

    def reload_settings(self) -> None:
        """Reads the settings file again; one that cannot be used changes nothing."""

    def catch_up(self) -> None:
        """Reads the jobs that have changed in the store and publishes them."""

    def refresh_status(self) -> None:
        """Reads again what the top bar shows."""

    def save_view(self) -> None:
        """Saves where the user is, and what was given a name."""

    # -- screens ------------------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Goes to `cloud`, `jobs` or `publishing`."""

    def open_job(self, job_id: str, *, replace: bool = False, at_step: int | None = None) -> None:
        """Opens the page of a job, on top of the present screen or in its place; at a step."""

    def compare(self, job_id: str | None) -> None:
        """Opens the comparison of the marked jobs, or of a job and the one before it."""

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

    def push_screen(
        self, screen: Screen[Result], callback: Callable[[Result | None], Any] | None = None
    ) -> object:
        """Opens a screen; the callback gets its result."""

    def pop_screen(self) -> object:
        """Closes the screen on top."""

    # -- work ---------------------------------------------------------------------------------

    def run_worker(
        self,
        work: Coroutine[Any, Any, object],
        *,
        group: str = "default",
        exit_on_error: bool = True,
        exclusive: bool = False,
    ) -> object:
        """Runs a coroutine that outlives the screen which starts it."""

    def set_timer(self, delay: float, callback: Callable[[], None]) -> object:
        """Calls back once, after so many seconds."""

    def call_later(self, callback: Callable[[], None]) -> bool:
        """Calls back after the messages that wait now."""


class ActionScreen(Protocol):
    """A screen with named actions, as its footer sees it."""

    def actions(self) -> Sequence[Action]:
        """The actions of the screen, with the user's keys."""

    def why_not(self, action: Action) -> str:
        """Why an action cannot be done now; empty when it can."""

    async def action_perform(self, action_id: str) -> None:
        """Does an action, or tells why it cannot be done."""
