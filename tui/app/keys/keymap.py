"""The keys of the actions, with the user's changes, and the errors in those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tui.app.keys.actions import PAGE_ACTIONS, REGISTRY, Action

if TYPE_CHECKING:
    from textual.binding import BindingType

ALL: Final = (*REGISTRY, *PAGE_ACTIONS)
_ONE_PAGE: Final = frozenset({"job", "log", "chart", "pictures"})
"""Groups whose keys work on the same screen."""
_WRITTEN: Final = {
    "?": "question_mark", "/": "slash", ":": "colon", "esc": "escape", "pgdn": "pagedown",
    "pgup": "pageup", "↓": "down", "↑": "up", "←": "left", "→": "right", "del": "delete",
    ".": "full_stop", ",": "comma", "-": "minus", "+": "plus", "!": "exclamation_mark",
    ";": "semicolon", "'": "apostrophe", "[": "left_square_bracket", "]": "right_square_bracket",
    "|": "vertical_line", "&": "ampersand", "=": "equals_sign", "*": "asterisk", "#": "number_sign",
    "<": "less_than_sign", ">": "greater_than_sign", "$": "dollar_sign", "%": "percent_sign",
    "@": "at", "~": "tilde", "^": "circumflex_accent", "_": "underscore", "(": "left_parenthesis",
    ")": "right_parenthesis", "{": "left_curly_bracket", "}": "right_curly_bracket",
    "\\": "backslash", "`": "grave_accent", '"': "quotation_mark",
}  # fmt: skip
"""Keys as people write them, and Textual's names of them."""
_NAMES: Final = {name: text for text, name in _WRITTEN.items()}


def shown(key: str) -> str:
    """Returns a key as people write it: `?`, `esc`, `ctrl+n`."""
    return _NAMES.get(key, key)


def typed(text: str) -> str:
    """Returns Textual's name of a key as people write it."""
    return _WRITTEN.get(text.strip(), text.strip())


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """An entry of `[ui.keys]` that cannot be used.

    Attributes:
        action_id: the entry's name.
        message: what is wrong.
    """

    action_id: str
    message: str


class KeyMap:
    """The actions with the user's keys."""

    def __init__(
        self, wishes: Mapping[str, str] | None = None, registry: Iterable[Action] = ALL
    ) -> None:
        """Applies the user's entries (`"jobs.cancel" = "x"`, several keys separated by spaces)."""
        self.problems: list[KeyProblem] = []
        self._registry = tuple(registry)
        self._actions = {action.id: action for action in self._registry}
        for action_id, text in (wishes or {}).items():
            self._wish(action_id, text)

    def _wish(self, action_id: str, text: str) -> None:
        action = self._actions.get(action_id)
        if action is None:
            self.problems.append(KeyProblem(action_id, f"there is no action “{action_id}”"))
            return
        keys = tuple(typed(part) for part in text.split())
        if not keys:
            self.problems.append(KeyProblem(action_id, "no key is given"))
            return
        for key in keys:
            other = self._holder(key, action)
            if other is not None:
                self.problems.append(
                    KeyProblem(
                        action_id,
                        f"{shown(key)} already means “{other.label}” ({other.id}); "
                        f"{action_id} keeps {' '.join(map(shown, action.keys))}",
                    )
                )
                return
        self._actions[action_id] = replace(action, keys=keys)

    def _holder(self, key: str, wanting: Action) -> Action | None:
        """Returns the action that `key` already does on the same screen as `wanting`."""
        everywhere = ("app", "move")
        for action in self._actions.values():
            if action.id == wanting.id or key not in action.keys:
                continue
            together = action.group == wanting.group or {action.group, wanting.group} <= _ONE_PAGE
            if together or action.group in everywhere or wanting.group in everywhere:
                return action
        return None

    def resolve(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Returns the actions with the user's keys."""
        return tuple(self._actions.get(action.id, action) for action in actions)

    def textual_keymap(self) -> dict[str, str]:
        """Returns what differs from the default keys, in the form that `App.set_keymap` takes.

        Textual applies a keymap anew at every key press, so an empty one is worth having.
        """
        default = {action.id: action.keys for action in self._registry}
        return {
            action.id: ",".join(action.keys)
            for action in self._actions.values()
            if action.keys != default[action.id]
        }


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    """Returns Textual bindings that call the `action_perform` of the screen."""
    from textual.binding import Binding

    return [
        Binding(
            ",".join(action.keys),
            f"perform({action.id!r})",
            action.label,
            show=bool(action.footer),
            tooltip=action.help,
            id=action.id,
        )
        for action in actions
    ]


class DoublePress:
    """Tells the second of two presses of a key from the first.

    There is no time limit: on a slow line the two presses may arrive seconds apart, and nobody who
    presses `g` and then nothing else wants anything but the first line. Another move between
    the two makes the next press the first one again.
    """

    def __init__(self) -> None:
        self._first = False

    def __call__(self) -> bool:
        """Counts a press; returns whether it is the second one."""
        self._first = not self._first
        return not self._first

    def forget(self) -> None:
        """Makes the next press the first one again."""
        self._first = False
