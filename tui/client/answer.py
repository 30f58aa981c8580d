"""What the engine answered, as an object that says itself which of its fields is missing."""

from __future__ import annotations

from typing import NoReturn

from tui.base.json_types import JsonObject
from tui.client.errors import ControlError


class Answer(JsonObject):
    """A JSON object of the engine, at any depth of its answer.

    An engine of another version may leave out what this version reads. Who reads it expects a
    `ControlError` of a call and nothing else, so a missing field is one.
    """

    def __missing__(self, name: str) -> NoReturn:
        """Refuse an answer without `name`; `get` and `in` are asked as ever.

        Raises:
            ControlError: always.
        """
        raise ControlError(
            f"The engine's answer cannot be understood: it has no `{name}`.",
            "An engine of another version may be running; restart the program once it is idle. "
            "engine.log in the state folder may say more.",
            code="answer_unreadable",
        )
