"""The proxies that an environment names: this process's, or a caller's in their place.

The engine works for callers whose environments differ from its own. Every client asks for the proxy
of each request (see `Network.proxy_for`), so a context variable reaches all of them: asyncio hands
it to new tasks, `asyncio.to_thread` to threads. Standard library only: a command imports it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Final

_SUFFIX: Final = "_proxy"
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class EnvironmentProxies:
    """`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; "" for none.

    May hold passwords, so no value is in `repr`. It is kept in memory only.
    """

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    all: str = field(default="", repr=False)
    no: str = field(default="", repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> EnvironmentProxies:
        """Read an environment as curl and Python do: the name in lower case comes first."""
        values = {}
        for kind in KINDS:
            name = kind + _SUFFIX
            values[kind] = environ.get(name, environ.get(name.upper(), "")).strip()
        return cls(**values)

    def get(self, kind: str) -> str:
        """Return one of them, by the scheme of an address, `all` or `no`."""
        value: str = getattr(self, kind) if kind in KINDS else ""
        return value

    def addresses(self) -> tuple[str, ...]:
        """Return the proxies' addresses."""
        return tuple(filter(None, (self.http, self.https, self.all)))

    def to_text(self) -> str:
        """Return one text for `from_text`; never empty, as having no proxy is an answer too."""
        return json.dumps({kind: text for kind, text in asdict(self).items() if text})

    @classmethod
    def from_text(cls, text: str) -> EnvironmentProxies | None:
        """The opposite of `to_text`; None for any other text."""
        try:
            values = json.loads(text)
        except ValueError:
            return None
        if not isinstance(values, dict):
            return None
        found = {kind: values.get(kind, "") for kind in KINDS}
        if not all(isinstance(item, str) and len(item) <= _LONGEST for item in found.values()):
            return None
        return cls(**found)


KINDS: Final = ("http", "https", "all", "no")
_CALLER: Final[ContextVar[EnvironmentProxies | None]] = ContextVar("proxies", default=None)


def caller_proxies() -> EnvironmentProxies | None:
    """Return the proxies of the caller that the current work is for; None for this process's."""
    return _CALLER.get()


def proxies_in_force() -> EnvironmentProxies:
    """Return the caller's proxies, else those of this process's environment."""
    given = _CALLER.get()
    return EnvironmentProxies.of(os.environ) if given is None else given


@contextmanager
def using_proxies(proxies: EnvironmentProxies | None) -> Iterator[None]:
    """Work with a caller's proxies, also in tasks that start inside; None for this process's."""
    reset_token = _CALLER.set(proxies)
    try:
        yield
    finally:
        _CALLER.reset(reset_token)
