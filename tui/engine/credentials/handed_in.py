"""Tokens that came with one call: they serve that call, and the work that it starts, alone.

A window or a command names the tokens of its own environment with each call over the socket. The
engine uses them for that call whenever they are not its own and may belong to another account. A
context variable carries them, so tasks that a call starts (posting and following its job) keep
them; work of the whole engine runs in `engine_wide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from tui.client.session_headers import HEADERS
from tui.replicate.secret import Secret


@dataclass(frozen=True, slots=True)
class CallerTokens:
    """What a caller's environment holds.

    Attributes:
        api_base: the API that its call is about; for others these tokens do not count.
        replicate: Replicate's token, or None.
        hub: the Hub's token, or None.
        hub_endpoint: the Hub's address, as it was written; "" when none was.
    """

    api_base: str
    replicate: Secret | None = field(default=None, repr=False)
    hub: Secret | None = field(default=None, repr=False)
    hub_endpoint: str = ""


_CALLER: Final[ContextVar[CallerTokens | None]] = ContextVar("handed_in", default=None)


def caller(api_base: str) -> CallerTokens | None:
    """What came with the call that this code runs for, if it is about `api_base`."""
    found = _CALLER.get()
    return found if found is not None and found.api_base == api_base else None


@contextmanager
def called_with(handed: CallerTokens | None) -> Iterator[None]:
    """Run a call, and the tasks it starts, with the tokens that came with it."""
    mark = _CALLER.set(handed)
    try:
        yield
    finally:
        _CALLER.reset(mark)


def engine_wide() -> AbstractContextManager[None]:
    """Run work that is nobody's call; tasks started inside are nobody's either."""
    return called_with(None)


def from_headers(api_base: str, headers: Mapping[str, str]) -> CallerTokens | None:
    """The opposite of `to_headers`; None when no value came."""
    told = {name: unquote(headers.get(header, "")).strip() for name, header in HEADERS.items()}
    if not any(told.values()):
        return None
    return CallerTokens(
        api_base,
        Secret(told["replicate_token"]) if told["replicate_token"] else None,
        Secret(told["hf_token"]) if told["hf_token"] else None,
        told["hf_endpoint"],
    )
