"""The Cloud screen: account, spending, hardware, data, delivery, listener, network, settings.

Each card knows what it says and what can be changed on it; the screen only arranges them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events, on
from textual.containers import Container, Vertical, VerticalScroll
from textual.widget import Widget

from tui.app.cloud.account import AccountCard
from tui.app.cloud.card import Card
from tui.app.cloud.card_view import CardView
from tui.app.cloud.delivery import DeliveryCard
from tui.app.cloud.hardware import HardwareCard
from tui.app.cloud.keys import KeysCard
from tui.app.cloud.listener import ListenerCard
from tui.app.cloud.network import NetworkCard
from tui.app.cloud.settings import SettingsCard
from tui.app.cloud.setup import SetupCard
from tui.app.cloud.spending import SpendingCard
from tui.app.cloud.staged import StagedCard
from tui.app.cloud.state import CloudState
from tui.app.keys.actions import CLOUD, MOVE, Action
from tui.app.keys.keymap import DoublePress
from tui.app.shell.messages import EngineState
from tui.app.shell.screen import AppScreen
from tui.app.terminal.styles import style_sheet

if TYPE_CHECKING:
    from textual.geometry import Size

    from tui.app.cloud.card_form import CardForm

_WIDE: Final = 110
_ALL: Final[tuple[type[Card], ...]] = (
    SetupCard, AccountCard, SpendingCard, HardwareCard, StagedCard, DeliveryCard, ListenerCard,
    KeysCard, NetworkCard, SettingsCard,
)  # fmt: skip


class CloudScreen(AppScreen):
    """Arranges the cards in columns and runs their checks."""

    CSS_PATH = style_sheet("cloud")
    ACTIONS: ClassVar = CLOUD
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "cloud"
    AUTO_FOCUS = ""

    def body(self) -> Iterable[Widget]:
        """Makes two columns of cards; on a narrow screen one lies below the other."""
        self.data = CloudState(self.context, self, self._data_changed)
        self.data.from_store()
        self.views = [CardView(card) for card in make_cards(self.data)]
        for view in self.views:
            view.display = view.card.shown
        columns = [
            Vertical(*(view for view in self.views if number == view.card.COLUMN), classes="column")
            for number in (0, 1)
        ]
        self.scroll = VerticalScroll(
            Container(*columns, id="card-columns"), id="cards", can_focus=False
        )
        self._second_g = DoublePress()
        self._arrange(self.context.size)  # the screen learns its size after its first frame
        return (self.scroll,)

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Shows what is known and asks for the rest."""
        super().on_mount()
        first = next((view for view in self.views if view.display), None)
        if first is not None:  # none is displayed when the app ends meanwhile
            first.focus(scroll_visible=False)
        self.context.signals.fact_changed.subscribe(self, self._fact_changed)
        self.context.signals.engine_changed.subscribe(self, self._engine_changed)
        self.follow_ages(self._data_changed)
        self._ask()

    def _ask(self) -> None:
        """Reads what is cheap; checks what was never checked, or a while ago."""
        reads = [name for view in self.views for name in view.card.READS]
        checks = [name for view in self.views for name in view.card.CHECKS]
        self.data.load(dict.fromkeys([*reads, *filter(self.data.is_old, checks)]))

    def _fact_changed(self, name: str) -> None:
        if name == "settings":
            self.data.load(dict.fromkeys(name for view in self.views for name in view.card.READS))
        else:
            self.data.apply_fact(name)

    def _engine_changed(self, state: EngineState) -> None:
        if state.state == "ready":
            self._ask()
        else:
            self._data_changed()
        self.update_footer()

    def _data_changed(self) -> None:
        if not self.is_attached:
            return
        for view in self.views:
            view.update()
        here = self.focused
        if isinstance(here, CardView) and not here.card.shown:  # the last step is done
            self.focus_next(CardView)
        form = self._form()
        if form is not None:
            form.update()

    def _form(self) -> CardForm | None:
        from tui.app.cloud.card_form import CardForm

        top = self.context.screen
        return top if isinstance(top, CardForm) and top.is_mounted else None

    def on_screen_resume(self) -> None:
        """Shows what has changed meanwhile."""
        super().on_screen_resume()
        self._data_changed()

    def on_resize(self, event: events.Resize) -> None:
        """Puts the columns side by side where there is room."""
        super().on_resize(event)
        self._arrange(event.size)

    def _arrange(self, size: Size) -> None:
        self.set_class(size.width >= _WIDE, "-wide")

    # -- keys ---------------------------------------------------------------------------------

    @property
    def view(self) -> CardView:
        """The widget of the card that has the keys."""
        here = self.focused
        return here if isinstance(here, CardView) else self.views[0]

    def go_to_card(self, name: str) -> None:
        """Gives the keys to a card, and scrolls to it."""
        view = next((view for view in self.views if name == view.card.NAME and view.display), None)
        if view is not None:
            view.focus(scroll_visible=False)
            view.scroll_visible(animate=False)  # also when it has the keys already

    @on(CardView.MoveWanted)
    def _move(self, event: CardView.MoveWanted) -> None:
        """Scrolls by a line, half a page, a page, or to an end."""
        action_id = event.action_id
        page = max(1, self.scroll.size.height - 1)
        by = {
            "move.down": 1, "move.up": -1, "move.half_down": page // 2,
            "move.half_up": -(page // 2), "move.page_down": page, "move.page_up": -page,
        }.get(action_id)  # fmt: skip
        if by is not None:
            self.scroll.scroll_relative(y=by, animate=False)
        elif action_id == "move.bottom":
            self.scroll.scroll_end(animate=False)
        elif action_id == "home" or (action_id == "move.top" and self._second_g()):
            self.scroll.scroll_home(animate=False)
        if action_id != "move.top":
            self._second_g.forget()

    def why_not(self, action: Action) -> str:
        """Returns why an action cannot be done now; empty when it can."""
        if action.group != "cloud":
            return super().why_not(action)
        if (
            action.name in ("check", "check_all", "days", "fewer_days", "edit")
            and self.context.control is None
        ):
            return self.context.engine.refusal
        if action.name == "edit" and not self.view.card.items():
            return "There is nothing to change on this card."
        if action.name in ("days", "fewer_days") and not isinstance(self.view.card, SpendingCard):
            return "This is for the chart on the spending card."
        if action.name == "check" and not self.view.card.checks():
            return "There is nothing to check on this card; T checks all the others."
        return ""

    def do_edit(self) -> None:
        """Opens the form of the card."""
        from tui.app.cloud.card_form import CardForm

        self.context.push_screen(CardForm(self.view.card))

    def do_check(self) -> None:
        """Runs the checks of the card."""
        self.data.load(self.view.card.checks())

    def do_check_all(self) -> None:
        """Runs the checks of all cards, side by side."""
        names = [name for view in self.views for name in view.card.checks()]
        self.data.load(dict.fromkeys(names))

    def do_days(self) -> None:
        """Shows more days in the spending chart, and the fewest after the most."""
        self._change_days(1)

    def do_fewer_days(self) -> None:
        """Shows fewer days in the spending chart, and the most after the fewest."""
        self._change_days(-1)

    def _change_days(self, by: int) -> None:
        card = self.view.card
        if isinstance(card, SpendingCard):
            card.next_days(by)

    def do_next(self) -> None:
        """Goes to the next card."""
        self.focus_next(CardView)
        self.update_footer()

    def do_previous(self) -> None:
        """Goes to the card before."""
        self.focus_previous(CardView)
        self.update_footer()

    def do_copy(self) -> None:
        """Copies what the card offers, else the path of the settings file."""
        self.context.copy(self.view.card.copies() or str(self.context.home.settings_file))

    def do_back(self) -> None:
        """Goes back to the screen below."""
        self.context.pop_screen()


def make_cards(data: CloudState) -> list[Card]:
    """Returns all cards, the left column's first."""
    return sorted((kind(data) for kind in _ALL), key=lambda card: card.COLUMN)
