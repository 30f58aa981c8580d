"""Every token the engine knows, by kind and API base, and which of several is used.

Order: what a window's environment holds, what the keyring has, what was given for this session
only. Nothing here is ever written to a file of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from tui.replicate.secret import Secret
from tui.secrets import StoredToken, read_token
from tui.settings import DEFAULT_API_BASE
from tui.store.reader import is_loopback

Kind = Literal["replicate", "huggingface"]
Source = Literal["environment", "keyring", "session"]
SOURCES: Final[tuple[Source, ...]] = ("environment", "keyring", "session")
"""In the order in which they count."""
KINDS: Final[tuple[Kind, ...]] = ("replicate", "huggingface")
HUB_HOST: Final = "huggingface.co"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it came from (`environment`, `keyring` or `session`)."""

    secret: Secret
    source: Source


@dataclass(frozen=True, slots=True)
class TokenState:
    """What is known of one kind of token, without the token.

    Attributes:
        in_use: the source that counts, None without any.
        environment: whether a window's environment gave one.
        session: whether one was given for this session only.
        keyring: whether the keyring has one; None when it could not be asked.
        backend: the keyring's name.
        problem: why the keyring could not be asked.
    """

    in_use: Source | None
    environment: bool
    session: bool
    keyring: bool | None
    backend: str
    problem: str

    @property
    def shadowed(self) -> bool:
        """Whether the environment's token hides one that was stored or given."""
        return self.in_use == "environment" and bool(self.keyring or self.session)


class TokenBox:
    """Tokens in memory, and what the keyring said when it was last asked."""

    def __init__(self, on_change: Callable[[Kind, str], None]) -> None:
        """Args: whom to tell the kind and API base of a token that has changed."""
        self._on_change = on_change
        self._given: dict[tuple[Kind, str, Source], Secret] = {}
        self._stored: dict[tuple[Kind, str], StoredToken] = {}

    def give(self, kind: Kind, api_base: str, value: str, source: Source) -> None:
        """Use a token from now on; an empty value forgets the one of that source."""
        key = (kind, api_base, source)
        before = self._given.get(key)
        if not value:
            if self._given.pop(key, None) is not None:
                self._on_change(kind, api_base)
        elif before is None or before != Secret(value):
            self._given[key] = Secret(value)
            self._on_change(kind, api_base)

    def keyring_changed(self, kind: Kind, api_base: str) -> None:
        """Somebody stored or deleted a token: what the keyring said before does not hold."""
        self._stored.pop((kind, api_base), None)
        if (kind, api_base, "environment") not in self._given:
            self._on_change(kind, api_base)

    def known(self, kind: Kind, api_base: str) -> Token | None:
        """The token in use as far as it is known without asking the keyring."""
        stored = self._stored.get((kind, api_base))
        for source in SOURCES:
            if source == "keyring":
                secret = stored.value if stored is not None else None
            else:
                secret = self._given.get((kind, api_base, source))
            if secret is not None:
                return Token(secret, source)
        return None

    async def find(self, kind: Kind, api_base: str) -> Token | None:
        """The token in use; the keyring is asked once and only if the environment has none."""
        if (kind, api_base, "environment") not in self._given:
            await self.stored(kind, api_base)
        return self.known(kind, api_base)

    async def stored(self, kind: Kind, api_base: str, *, fresh: bool = False) -> StoredToken:
        """What the keyring has; never fails and takes a few seconds at most."""
        key = (kind, api_base)
        if fresh or key not in self._stored:
            self._stored[key] = await read_token(kind, host_of(kind, api_base))
        return self._stored[key]

    def problem(self, kind: Kind, api_base: str) -> str:
        """Why the keyring could not be asked, when it was last tried."""
        stored = self._stored.get((kind, api_base))
        return stored.problem if stored is not None else ""

    async def state(self, kind: Kind, api_base: str, *, fresh: bool = False) -> TokenState:
        """What is known, the keyring asked as well."""
        stored = await self.stored(kind, api_base, fresh=fresh)
        found = self.known(kind, api_base)
        return TokenState(
            in_use=found.source if found is not None else None,
            environment=(kind, api_base, "environment") in self._given,
            session=(kind, api_base, "session") in self._given,
            keyring=None if stored.problem else stored.value is not None,
            backend=stored.backend,
            problem=stored.problem,
        )


def host_of(kind: Kind, api_base: str) -> str:
    """The host a token belongs to, as the keyring's user name has it.

    The Hub's token is one for all, except that a server on this machine, whose Hub is another, has
    one of its own: the sandbox never gets the real one.
    """
    base = api_base or DEFAULT_API_BASE
    if kind == "huggingface" and not is_loopback(base):
        return HUB_HOST
    return urlsplit(base).netloc
