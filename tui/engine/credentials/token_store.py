"""Every token the engine knows, by kind and API base, and which of several is used.

Order: what a window's environment holds, what the keyring has, what was given for this session
only. Nothing here is ever written to a file of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from tui.base.hosts import is_loopback, is_open
from tui.engine.credentials.handed_in import CallerTokens, called_with, caller
from tui.replicate.secret import Secret
from tui.secrets.keyring import StoredToken, read_token
from tui.settings import DEFAULT_API_BASE

Kind = Literal["replicate", "huggingface"]
Source = Literal["environment", "keyring", "session"]
SOURCES: Final[tuple[Source, ...]] = ("environment", "keyring", "session")
"""In the order in which they count."""
KINDS: Final[tuple[Kind, ...]] = ("replicate", "huggingface")
HOW_TO_SEND_OPENLY: Final = (
    "Use its https:// address. If everybody on the way may read it, set "
    "network.send_secrets_unencrypted = true in the settings."
)
HUB_HOST: Final = "huggingface.co"
DEFAULT_HUB: Final = f"https://{HUB_HOST}"


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


class TokenStore:
    """Tokens in memory, and what the keyring said when it was last asked."""

    def __init__(
        self,
        on_change: Callable[[Kind, str], None],
        *,
        may_send_openly: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make an empty one.

        Args:
            on_change: whom to tell the kind and API base of a token that has changed.
            may_send_openly: whether tokens may go to `http://` addresses of other machines.
        """
        self._on_change = on_change
        self._may_send_openly = may_send_openly
        self._given: dict[tuple[Kind, str, Source], Secret] = {}
        self._stored: dict[tuple[Kind, str], StoredToken] = {}
        self._changes: dict[tuple[Kind, str], int] = {}
        self._hubs: dict[str, str] = {}
        self._owners: dict[tuple[Kind, str, Secret], str] = {}

    # -- which Hub ----------------------------------------------------------------------------

    def use_hub(self, api_base: str, endpoint: str) -> None:
        """The Hub of an API base from now on; one that cannot be an address is none at all.

        Tokens stay with the Hub that they were given for: another one never sees them.
        """
        before, self._hubs[api_base] = self.hub(api_base), clean_endpoint(endpoint)
        if before != self._hubs[api_base]:
            self._on_change("huggingface", api_base)

    def hub(self, api_base: str) -> str:
        """The Hub's address for jobs of an API base, "" when none is known.

        It is huggingface.co unless somebody said otherwise; a server on this machine has a Hub of
        its own, and until its address is told there is none.
        """
        handed = caller(api_base)
        if handed is not None and (found := hub_meant(handed)) is not None:
            return found
        return self._hubs.get(api_base, "" if is_loopback(api_base) else DEFAULT_HUB)

    def host(self, kind: Kind, api_base: str) -> str:
        """The host a token belongs to, as the keyring's user name has it."""
        endpoint = self.hub(api_base) if kind == "huggingface" else ""
        return urlsplit(endpoint or api_base or DEFAULT_API_BASE).netloc

    def _scope(self, kind: Kind, api_base: str) -> str:
        """What a token is for: an API, or an API's jobs at one Hub."""
        return api_base if kind == "replicate" else f"{api_base} {self.hub(api_base)}"

    # -- tokens -------------------------------------------------------------------------------

    def give(self, kind: Kind, api_base: str, value: str, source: Source) -> None:
        """Use a token from now on; an empty value forgets the one of that source."""
        key = (kind, self._scope(kind, api_base), source)
        before = self._given.get(key)
        if not value:
            if self._given.pop(key, None) is not None:
                self._on_change(kind, api_base)
        elif before is None or before != Secret(value):
            self._given[key] = Secret(value)
            self._on_change(kind, api_base)

    def keyring_changed(self, kind: Kind, api_base: str) -> None:
        """Somebody stored or deleted a token: what the keyring said before does not hold.

        Nor does the answer of a look-up that is still under way.
        """
        scope = self._scope(kind, api_base)
        self._changes[kind, scope] = self._changes.get((kind, scope), 0) + 1
        self._stored.pop((kind, scope), None)
        if (kind, scope, "environment") not in self._given:
            self._on_change(kind, api_base)

    def learn_owner(self, kind: Kind, api_base: str, secret: Secret, owner: str) -> None:
        """The service has accepted a token and named its account."""
        self._owners[kind, self._scope(kind, api_base), secret] = owner

    def owner(self, kind: Kind, api_base: str, secret: Secret) -> str:
        """The account of a token; "" for one that the service has not accepted so far."""
        return self._owners.get((kind, self._scope(kind, api_base), secret), "")

    def own(self, kind: Kind, api_base: str) -> Secret | None:
        """The token that came with the present call and serves it alone.

        None without one, and where the engine uses the same token or another of the same account.
        """
        handed = caller(api_base)
        if handed is None:
            return None
        if kind == "replicate":
            secret = handed.replicate
        else:
            secret = handed.hub if hub_meant(handed) else None
        used = self._used(kind, api_base)
        if secret is None or used is None:
            return secret
        owner = self.owner(kind, api_base, secret)
        same = used.secret == secret or (owner and owner == self.owner(kind, api_base, used.secret))
        return None if same else secret

    def foreign(self, handed: CallerTokens | None) -> CallerTokens | None:
        """The part of what came with a call that is not the engine's own; None without any.

        Decided when the call comes: a job that the engine's own token starts stays with whatever
        token the engine uses later.
        """
        if handed is None:
            return None
        base = handed.api_base
        with called_with(handed):
            secret, hub_secret, hub = (
                self.own("replicate", base), self.own("huggingface", base), self.hub(base)
            )  # fmt: skip
        with called_with(None):
            moves = hub != self.hub(base)
        if hub_secret is None and not moves:
            return CallerTokens(base, secret) if secret is not None else None
        return CallerTokens(base, secret, hub_secret or handed.hub, handed.hub_endpoint)

    def known(self, kind: Kind, api_base: str) -> Token | None:
        """The token of the present call as far as it is known without asking the keyring.

        None where it would have to be sent unencrypted (`refusal`).
        """
        if self.refusal(kind, api_base):
            return None
        secret = self.own(kind, api_base)
        return Token(secret, "environment") if secret is not None else self._used(kind, api_base)

    def refusal(self, kind: Kind, api_base: str) -> str:
        """Why no token is sent to the address that it is for; "" where one is."""
        address = api_base if kind == "replicate" else self.hub(api_base)
        if not address or not is_open(address) or self._may_send_openly():
            return ""
        return f"{address} is not encrypted, so no token is sent there."

    def _used(self, kind: Kind, api_base: str) -> Token | None:
        """The token that the engine uses for everybody."""
        scope = self._scope(kind, api_base)
        stored = self._stored.get((kind, scope))
        for source in SOURCES:
            if source == "keyring":
                secret = stored.value if stored is not None else None
            else:
                secret = self._given.get((kind, scope, source))
            if secret is not None:
                return Token(secret, source)
        return None

    async def find(self, kind: Kind, api_base: str) -> Token | None:
        """The token in use; the keyring is asked once and only if the environment has none."""
        given = (kind, self._scope(kind, api_base), "environment") in self._given
        if not given and self.own(kind, api_base) is None:
            await self.stored(kind, api_base)
        return self.known(kind, api_base)

    async def stored(self, kind: Kind, api_base: str, *, fresh: bool = False) -> StoredToken:
        """What the keyring has; never fails and takes a few seconds at most.

        A look-up during which somebody stored or deleted a token is made again: it may have read
        what was there before.
        """
        key, host = (kind, self._scope(kind, api_base)), self.host(kind, api_base)
        while fresh or key not in self._stored:
            before = self._changes.get(key, 0)
            found = await read_token(kind, host)
            if self._changes.get(key, 0) == before:
                self._stored[key] = found
                return found
        return self._stored[key]

    def problem(self, kind: Kind, api_base: str) -> str:
        """Why the keyring could not be asked, when it was last tried."""
        stored = self._stored.get((kind, self._scope(kind, api_base)))
        return stored.problem if stored is not None else ""

    async def state(self, kind: Kind, api_base: str, *, fresh: bool = False) -> TokenState:
        """What is known, the keyring asked as well."""
        stored = await self.stored(kind, api_base, fresh=fresh)
        found, scope = self.known(kind, api_base), self._scope(kind, api_base)
        return TokenState(
            in_use=found.source if found is not None else None,
            environment=(kind, scope, "environment") in self._given
            or self.own(kind, api_base) is not None,
            session=(kind, scope, "session") in self._given,
            keyring=None if stored.problem else stored.value is not None,
            backend=stored.backend,
            problem=stored.problem,
        )


def hub_meant(handed: CallerTokens) -> str | None:
    """The Hub that a caller's environment means, "" for an address that cannot be one.

    None when it means none: no address was named, and a token without an address is
    huggingface.co's, which the Hub of a server on this machine never gets.
    """
    if handed.hub_endpoint:
        return clean_endpoint(handed.hub_endpoint)
    return DEFAULT_HUB if handed.hub is not None and not is_loopback(handed.api_base) else None


def clean_endpoint(text: str) -> str:
    """A Hub's address as calls need it, "" when it cannot be one."""
    try:
        parts = urlsplit(text.strip())
        host, _port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query:
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
