"""A form whose values are sent together, unlike those of a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from tui.app.cloud.card import ChangeResult, Form, Item, Question
from tui.app.cloud.card_form import FormDialog
from tui.app.keys.choices import in_app
from tui.app.widgets.confirm import Confirm
from tui.base import formatting

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.client.client import ControlClient, ControlError


class FormModel(Form):
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

    def put(self, key: str, value: str) -> None:
        """Takes a value."""
        self.values[key] = value.strip()

    def wrong_now(self) -> dict[str, str]:
        """Returns messages by item, for what is wrong without asking the engine."""
        return {}

    def item_of(self, field: str) -> str:
        """Returns the item that a field of the engine's error is about."""
        return field


class FormScreen(FormDialog):
    """Shows a form; an error stands at its line, and the cursor goes there.

    Args:
        model: the values of the form.
        start: the item that the cursor begins on.
    """

    def __init__(self, model: FormModel, start: str = "") -> None:
        super().__init__(model, start)
        self._model = model

    def _type(self, item: Item, value: str | None = None) -> None:
        super()._type(item, value)
        if item.kind == "text":
            self.input.placeholder = item.note

    def _start_work(self, key: str, value: str) -> None:
        if key == self._model.SENDS:
            wrong = self._model.wrong_now()
            if wrong:
                self._refuse(wrong)
            else:
                super()._start_work(key, value)
            return
        self._model.put(key, value)
        self.problems.pop(key, None)
        self._said = ""
        self.update()

    def _applied(self, key: str, result: ChangeResult) -> None:  # noqa: ARG002  all is sent together
        if self.is_current:
            self.dismiss()
        if result.text:
            self.context.tell(result.text, "", result.level)

    def _refused(self, key: str, value: str, error: ControlError) -> None:  # noqa: ARG002  as above
        fields = error.details.get("fields")
        words = f"{error.message} {error.advice}".strip()
        if isinstance(fields, dict) and fields:
            wrong = {self._model.item_of(str(name)): str(said) for name, said in fields.items()}
            self._refuse({name: _with(said, error.advice) for name, said in wrong.items()})
        else:
            self._failed(key, words)
        other = self._model.other_way(key, error)
        if other is not None:
            self._ask_other(*other, key)

    def _ask_other(self, question: Question, item: str, key: str) -> None:
        """Asks whether to take the other way; the next attempt asks again."""

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._model.put(item, "on")
                self._start_work(key, "")

        confirm = Confirm(question.text, question.details, yes=question.yes)
        self.app.push_screen(confirm, answered)

    def _refuse(self, wrong: dict[str, str]) -> None:
        """Shows at each line what is wrong with it and begins to change the first one."""
        self.problems = {key: in_app(words) for key, words in wrong.items()}
        self._said = ""
        self.update()
        keys = [item.key for item in self._items]
        places = sorted(keys.index(key) for key in wrong if key in keys)
        if not places:
            self._failed(self._model.SENDS, " ".join(wrong.values()))
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
