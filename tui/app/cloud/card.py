"""A card of the Cloud screen: lines to read, items to change, and the calls that change them.

A card holds no widget and keeps no state of its own; what it says comes from `CloudState`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tui.app.cloud.state import CloudState
from tui.app.cloud.text import Words

if TYPE_CHECKING:
    from tui.client.client import ControlClient, ControlError


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a card's form.

    Attributes:
        key: its name, as the card's `apply` knows it.
        label: its name on the screen.
        kind: `text`, `secret` (typed unseen), `choice`, `switch`, or `do` for something to start.
        value: its present value as text.
        note: shown behind the value.
        choices: for a choice: name, words, and words in a quiet tone.
        current: for a choice the name chosen now, for a switch `on` or `off`, for a text what
            editing begins with.
    """

    key: str
    label: str
    kind: str = "text"
    value: str = ""
    note: str = ""
    choices: tuple[tuple[str, str, str], ...] = ()
    current: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question that must be answered yes before a change."""

    text: str
    details: tuple[str, ...]
    yes: str


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The outcome of a change.

    Attributes:
        text: one sentence; empty says nothing.
        title: of the page, if there is more to read.
        page: the page's lines.
        level: `info`, `warning` or `error`.
        copy: text for the clipboard; empty for none.
    """

    text: str = ""
    title: str = ""
    page: tuple[Words, ...] = ()
    level: str = "info"
    copy: str = ""


class Form(ABC):
    """The content of a form: items, and the calls that change them."""

    TITLE: ClassVar = ""

    @property
    def title(self) -> str:
        """The title of the form."""
        return self.TITLE

    @abstractmethod
    def items(self) -> list[Item]:
        """Returns what can be changed or started."""

    def question(self, key: str, value: str) -> Question | None:  # noqa: ARG002  for subclasses
        """Returns the question before `apply`; None where nothing is asked."""
        return None

    @abstractmethod
    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes an item, or starts what it names.

        Raises:
            ControlError: the engine refused; `details["fields"]` may say why.
        """

    def other_way(
        self,
        key: str,  # noqa: ARG002  for subclasses
        error: ControlError,  # noqa: ARG002  for subclasses
    ) -> tuple[Question, str] | None:
        """After a refusal, returns a question and another item that takes the same value."""
        return None


class Card(Form):
    """A card. It holds no widget and no state; what it says comes from its `CloudState`.

    Args:
        data: the answers behind the card.
    """

    NAME: ClassVar = ""
    READS: ClassVar[tuple[str, ...]] = ()
    """What is read when the screen opens and after each change."""
    CHECKS: ClassVar[tuple[str, ...]] = ()
    """What is checked by `c` on this card, and by `v` with all the others."""
    COLUMN: ClassVar = 0

    def __init__(self, data: CloudState) -> None:
        self.data = data

    @property
    def shown(self) -> bool:
        """Whether the screen shows it."""
        return True

    def checks(self) -> tuple[str, ...]:
        """Returns the names that `c` checks now."""
        return self.CHECKS

    def state(self) -> tuple[str, str]:
        """Returns a few words for the title, and their tone."""
        return "", "dim"

    @abstractmethod
    def lines(self, width: int) -> list[Words]:
        """Returns its lines, each at most `width` cells wide."""

    def items(self) -> list[Item]:
        """Returns what can be changed or started; nothing by default."""
        return []

    def copies(self) -> str:
        """Returns what `y` copies; empty for nothing."""
        return ""

    def busy(self) -> bool:
        """Returns whether something of it is being read or checked."""
        names: Sequence[str] = (*self.READS, *self.checks())
        return any(name in self.data.busy for name in names)
