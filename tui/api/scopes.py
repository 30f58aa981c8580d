"""What an API key may do over TCP. Imports nothing but `typing`: the table of routes needs it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Scope: TypeAlias = Literal["read", "submit", "admin"]
"""Each includes the one before it.

`read` looks at jobs, logs, results and figures; `submit` checks, starts, moves and cancels jobs,
which costs money; `admin` deletes, and changes settings and tokens.
"""
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


def includes(scope: Scope, wanted: Scope) -> bool:
    """Whether a key of one scope may do what needs the other."""
    return SCOPES.index(scope) >= SCOPES.index(wanted)
