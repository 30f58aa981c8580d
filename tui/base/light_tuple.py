"""`typing.NamedTuple` without `typing`, which takes as long to load as a short command to run.

Modules that quick commands load write::

    if TYPE_CHECKING:
        from typing import NamedTuple
    else:
        from tui.base.light_tuple import NamedTuple
"""

from __future__ import annotations

import collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_collections: Any = collections
_MADE_ANEW = frozenset({"__annotations__", "__dict__", "__weakref__", "__module__", "__qualname__"})


class _Maker(type):
    def __new__(
        mcs, name: str, bases: tuple[type, ...], space: dict[str, Any], *, base: bool = False
    ) -> Any:
        if base:
            return super().__new__(mcs, name, bases, space)
        fields = tuple(space.get("__annotations__", ()))
        defaults = [space.pop(field) for field in fields if field in space]
        made = _collections.namedtuple(name, fields, defaults=defaults, module=space["__module__"])
        made.__annotations__ = dict(space.get("__annotations__", {}))
        for key, value in space.items():
            if key not in _MADE_ANEW:
                setattr(made, key, value)
        return made


class NamedTuple(metaclass=_Maker, base=True):
    """The base of a class whose fields are its annotations; methods and defaults are kept."""
