"""Who calls over TCP, what is open to them, and what of an answer they get to see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tui.api.base import Hidden
from tui.api.scopes import Scope, includes
from tui.engine.submission.confinement import Confinement

_CALLER: Final[ContextVar[Caller | None]] = ContextVar("caller", default=None)


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with an API key.

    Attributes:
        scope: of the key.
        confinement: the files that are open to it.
    """

    scope: Scope
    confinement: Confinement


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """While a caller's request is answered."""
    token = _CALLER.set(caller)
    try:
        yield
    finally:  # one task answers all requests of a connection
        _CALLER.reset(token)


def present_caller() -> Caller | None:
    """Whose request is being answered; None for the user's own socket."""
    return _CALLER.get()


def visible(data: Any, shape: Any, caller: Caller) -> Any:
    """What of an answer a caller may see; the rest is left empty, so the shape stays the same."""
    change = _hiding(shape, caller.scope)
    return data if change is None else change(data, caller.confinement.outputs)


def folder_filter(caller: Caller | None) -> Callable[[str], str] | None:
    """What replaces this machine's folders in a text, plain or JSON; None for who may see them.

    Errors, warnings and logs quote paths, which keys with the scope `read` must not see.
    """
    if caller is None or includes(caller.scope, "submit"):
        return None
    folders = _folders(caller.confinement)

    def without_folders(text: str) -> str:
        for folder, word in folders:
            text = text.replace(folder, word)
        return text

    return without_folders


def _folders(places: Confinement) -> list[tuple[str, str]]:
    """Folders of this machine, in the forms they are written in, and what stands for them.

    The longest come first.
    """
    named = [(places.outputs, "outputs"), (places.closed, "state")]
    named += [(root, "configs") for root in places.roots]
    named += [(folder.resolve(), word) for folder, word in named]
    named.append((Path.home(), "~"))
    texts: dict[str, str] = {}
    for folder, word in reversed(named):
        if len(folder.parts) > 1:
            texts[str(folder)] = word
            for plain in (True, False):
                texts[json.dumps(str(folder), ensure_ascii=plain)[1:-1]] = word
    return sorted(texts.items(), key=lambda item: -len(item[0]))


_Change = Callable[[Any, Path], Any]


@cache
def _hiding(shape: Any, scope: Scope) -> _Change | None:
    """What empties the fields of a shape that keys of a scope must not see; None for nothing."""
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is Annotated:
        for mark in shape.__metadata__:
            if isinstance(mark, Hidden) and not includes(scope, mark.below):
                return _emptying(arguments[0], path=mark.path)
        return _hiding(arguments[0], scope)
    if origin in (Required, NotRequired):
        return _hiding(arguments[0], scope)
    if origin in (Union, UnionType):
        return _hiding_one_of(arguments, scope)
    if origin in (list, dict):
        return _hiding_inside(origin, arguments[-1], scope)
    return _hiding_fields(shape, scope) if hasattr(shape, "__required_keys__") else None


def _hiding_inside(origin: Any, shape: Any, scope: Scope) -> _Change | None:
    change = _hiding(shape, scope)
    if change is None:
        return None
    inner = change
    if origin is list:
        return lambda data, root: [inner(item, root) for item in data]
    return lambda data, root: {name: inner(value, root) for name, value in data.items()}


def _hiding_one_of(shapes: tuple[Any, ...], scope: Scope) -> _Change | None:
    changes = [change for one in shapes if (change := _hiding(one, scope)) is not None]
    if len(changes) > 1:
        raise TypeError(f"fields are hidden in more than one of {shapes}")
    return (
        (lambda data, root: None if data is None else changes[0](data, root)) if changes else None
    )


def _hiding_fields(shape: Any, scope: Scope) -> _Change | None:
    hints = get_type_hints(shape, include_extras=True)
    changes = {
        name: change for name, hint in hints.items() if (change := _hiding(hint, scope)) is not None
    }
    if not changes:
        return None
    return lambda data, root: {
        name: changes[name](value, root) if name in changes else value
        for name, value in data.items()
    }


def _emptying(shape: Any, *, path: bool) -> _Change:
    """What stands for a hidden value: null where the shape has it, else nothing of its kind."""
    if path:
        return _shortened
    kinds = get_args(shape) if get_origin(shape) in (Union, UnionType) else (shape,)
    if NoneType in kinds:
        return lambda _data, _root: None
    empty = {str: "", list: [], dict: {}}[get_origin(shape) or shape]
    return lambda _data, _root: empty


def _shortened(text: Any, outputs: Path) -> str:
    """A path as seen from the outputs folder; outside of it the name alone."""
    path = PurePath(text)
    if not path.is_absolute():
        return str(text)
    return str(path.relative_to(outputs)) if path.is_relative_to(outputs) else path.name
