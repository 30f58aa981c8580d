"""A form whose values are sent together, unlike those of a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.card_form import CardForm
from tui.app.cloud.text import Words
from tui.app.widgets.confirm import Confirm
from tui.base import formatting

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.client.client import ControlClient, ControlError


class FormModel(Card):
    """The values of a form before they are sent.

    Attributes:
        context: settings and store.
        values: the values that were filled in, by item.
    """

    SENDS: ClassVar = ""
    """The item that sends it."""

    def __init__(self, context: AppContext) -> None:
        self.context = context
        self.values: dict[str, str] = {}

    def lines(self, width: int) -> list[Words]:  # noqa: ARG002  it is only ever a form
        """Returns nothing: a form is no card on a screen."""
        return []

    def put(self, key: str, value: str) -> None:
        """Takes a value."""
        self.values[key] = value.strip()

    def wrong_now(self) -> dict[str, str]:
        """Returns messages by item, for what is wrong without asking the engine."""
        return {}

    def item_of(self, field: str) -> str:
        """Returns the item that a field of the engine's error is about."""
        return field


class FormScreen(CardForm):
    """Shows a form; an error stands at its line, and the cursor goes there.

    Args:
        model: the values of the form.
        start: the item that the cursor begins on.
    """

    SCOPED_CSS = False  # the rules are those of the class below, and name it
    card: FormModel

    def __init__(self, model: FormModel, start: str = "") -> None:
        super().__init__(model, start)

    def _type(self, item: Item, value: str | None = None) -> None:
        super()._type(item, value)
        if item.kind == "text":
            self.input.placeholder = item.note

    def _start_work(self, key: str, value: str) -> None:
        if key == self.card.SENDS:
            wrong = self.card.wrong_now()
            if wrong:
                self._refuse(wrong)
            else:
                super()._start_work(key, value)
            return
        self.card.put(key, value)
        self.problems.pop(key, None)
        self._said = ""
        self.update()

    async def _work(self, control: ControlClient, key: str, value: str) -> None:
        from tui.client.client import ControlError

        try:
            said = await self.card.apply(control, key, value)
        except ControlError as error:
            self._working = ""
            self._refused(key, error)
            return
        self._working = ""
        self._sent(said)

    def _sent(self, said: ChangeResult) -> None:
        if self.is_current:
            self.dismiss()
        if said.text:
            self.context.tell(said.text, "", said.level)

    def _refused(self, key: str, error: ControlError) -> None:
        fields = error.details.get("fields")
        words = f"{error.message} {error.advice}".strip()
        if isinstance(fields, dict) and fields:
            wrong = {self.card.item_of(str(name)): str(said) for name, said in fields.items()}
            self._refuse({name: _with(said, error.advice) for name, said in wrong.items()})
        else:
            self._failed(key, words)
        other = self.card.other_way(key, error)
        if other is not None:
            self._ask_other(*other, key)

    def _ask_other(self, question: Question, item: str, key: str) -> None:
        """Asks whether to take the other way; the next attempt asks again."""

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.card.put(item, "on")
                self._start_work(key, "")

        confirm = Confirm(question.text, question.details, yes=question.yes)
        self.app.push_screen(confirm, answered)

    def _refuse(self, wrong: dict[str, str]) -> None:
        """Shows at each line what is wrong with it and begins to change the first one."""
        self.problems = dict(wrong)
        self._said = ""
        self.update()
        keys = [item.key for item in self._items]
        places = sorted(keys.index(key) for key in wrong if key in keys)
        if not places:
            self._failed(self.card.SENDS, " ".join(wrong.values()))
            return
        self.list.move_to(places[0], tell=False)
        self._explain()
        item = self._items[places[0]]
        if item.kind == "text":
            self._type(item, item.current)


def _with(said: str, advice: str) -> str:
    """Joins message and advice, unless the message has the advice already."""
    return said if not advice or advice in said else f"{said.rstrip('.')}. {advice}"


class LimitFormModel(FormModel):
    """The speed limit of all transfers together.

    Args:
        context: settings.
        after: called when it was changed.
    """

    TITLE = "Speed limit"
    SENDS = "limit"

    def __init__(self, context: AppContext, after: Callable[[], None]) -> None:
        super().__init__(context)
        self._after = after

    def items(self) -> list[Item]:
        """Returns the present limit."""
        now = self.context.settings.publishing.bandwidth
        words = f"{formatting.size(now)}/s" if now else "off"
        note = "all transfers together; like 5 MiB/s or 800k, or off"
        typed = self.values.get("limit", words)
        return [Item("limit", "At most", "text", words, note, current=typed)]

    def item_of(self, field: str) -> str:  # noqa: ARG002  there is one
        """Returns the only item."""
        return "limit"

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:  # noqa: ARG002  there is one
        """Changes the limit; it counts at once, for running transfers as well."""
        self.put("limit", value)
        limit = await control.publishing.limit(value)
        self._after()
        words = f"at most {formatting.size(limit)}/s" if limit else "as fast as the line"
        return ChangeResult(f"Transfers go {words}.")
