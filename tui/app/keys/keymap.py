"""The keys of the actions, with the user's changes, and the errors in those."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tui.app.keys.actions import PAGE_ACTIONS, REGISTRY, VIEWS, Action

if TYPE_CHECKING:
    from textual.binding import BindingType

ALL: Final = (*REGISTRY, *PAGE_ACTIONS)
MOVED: Final = frozenset(key for action in ALL for key in action.old)
"""Keys that did something else, or the same elsewhere, in the release before."""
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
_NO_KEY: Final = "palette-only:"
"""A binding needs a key, and a user's key needs a binding to replace: no terminal sends this."""
_NAMES: Final = {name: text for text, name in _WRITTEN.items()}


def shown(key: str) -> str:
    """Returns a key as people write it: `?`, `esc`, `ctrl+n`."""
    return _NAMES.get(key, key)


def shown_first(action: Action) -> str:
    """Returns the key of an action as people write it; `:` for one that is in the palette alone."""
    return shown(action.keys[0]) if action.keys else ":"


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
    """The actions with the user's keys.

    Attributes:
        problems: the user's entries that cannot be used.
        told: the moved keys that were told already, as `move_id` writes them.
    """

    def __init__(
        self, wishes: Mapping[str, str] | None = None, registry: Iterable[Action] = ALL
    ) -> None:
        """Applies the user's entries (`"jobs.cancel" = "x"`, several keys separated by spaces)."""
        self.problems: list[KeyProblem] = []
        self.told: set[str] = set()
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
        self._actions[action_id] = replace(action, keys=keys, old=())

    def _holder(self, key: str, wanting: Action) -> Action | None:
        """Returns the action that `key` already does on the same screen as `wanting`."""
        for action in self._actions.values():
            if action.id != wanting.id and key in action.keys and clash(action, wanting):
                return action
        return None

    def resolve(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Returns the actions with the user's keys."""
        return tuple(
            replace(action, keys=mine.keys, old=mine.old)
            if (mine := self._actions.get(action.id)) is not None and mine.keys != action.keys
            else action
            for action in actions
        )

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


def clash(one: Action, other: Action) -> bool:
    """Returns whether a key that does both would mean two things on some screen.

    An action of a tab may have the key of the page's action of the same name: it is that action,
    there.
    """
    groups = {one.group, other.group}
    if "app" in groups or len(groups) == 1:
        return True
    together = any(groups <= set(view) for view in VIEWS.values())
    return together and not (one.name == other.name and "job" in groups)


@dataclass(frozen=True, slots=True)
class MovedKey:
    """A key that did something else in the release before.

    Attributes:
        action: what it did then.
        free: whether nothing else has it by now, so that it works on.
        words: what the user should know about it, once.
        name: the name that it is remembered by, once it was told.
    """

    action: Action
    free: bool
    words: str
    name: str


def moved_key(key: str, actions: Iterable[Action], moves: Iterable[Action]) -> MovedKey | None:
    """Returns what a key did in the release before; None where it did nothing on this screen.

    Args:
        key: in Textual's names.
        actions: the actions of the screen, with the user's keys.
        moves: the moves of the screen.
    """
    here = tuple(actions)
    action = next((action for action in here if key in action.old), None)
    if action is None:
        return None
    taker = next((one for one in (*here, *moves) if key in one.keys), None)
    where = (
        f"has the key {shown(action.keys[0])} now" if action.keys else "is in the commands now, :"
    )
    words = f"“{action.label}” {where}"
    words += (
        f"; {shown(key)} is “{taker.label}”."
        if taker
        else f"; {shown(key)} still works for a while."
    )
    return MovedKey(action, taker is None, words, f"{action.id}:{key}")


def bindings(actions: Iterable[Action], over_sheets: Collection[str] = ()) -> list[BindingType]:
    """Returns Textual bindings that call the `action_perform` of the screen.

    Args:
        actions: the actions.
        over_sheets: ids of those that a sheet over the screen does not keep away.
    """
    from textual.binding import Binding

    return [
        Binding(
            ",".join(action.keys) or f"{_NO_KEY}{action.id}",
            f"perform({action.id!r})",
            action.label,
            show=bool(action.footer),
            tooltip=action.help,
            id=action.id,
            priority=action.id in over_sheets,
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
