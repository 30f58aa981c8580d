"""All tokens that the engine knows, by kind and API base, and which one it uses.

Precedence: the environment of a window, then the keyring, then the session. No token is written to
a file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tui.base.addresses import HUB, AddressError, read_address
from tui.base.doors import keyring_host, may_carry
from tui.base.hosts import is_loopback, is_open
from tui.base.token_text import NAMES
from tui.engine.credentials.caller_tokens import CallerTokens, called_with, caller
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret
from tui.secrets.keyring import StoredToken, read_token
from tui.settings import DEFAULT_API_BASE

Kind = Literal["replicate", "huggingface"]
Source = Literal["environment", "keyring", "session"]
PROBLEM_SECONDS: Final = 60.0
"""Seconds after which a keyring that could not be read is asked again."""
SOURCES: Final[tuple[Source, ...]] = ("environment", "keyring", "session")
"""In order of precedence."""
KINDS: Final[tuple[Kind, ...]] = ("replicate", "huggingface")
HOW_TO_SEND_OPENLY: Final = (
    "Use its https:// address. If everybody on the way may read it, set "
    "network.send_secrets_unencrypted = true in the settings."
)
HUB_HOST: Final = "huggingface.co"
DEFAULT_HUB: Final = f"https://{HUB_HOST}"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its source (`environment`, `keyring` or `session`)."""

    secret: Secret
    source: Source


@dataclass(frozen=True, slots=True)
class TokenState:
    """The state of one kind of token, without the token.

    Attributes:
        in_use: the source of the token in use, None without one.
        environment: whether a window's environment has one.
        session: whether there is one for this session only.
        keyring: whether the keyring has one; None when it could not be read.
        backend: the keyring's name.
        problem: why the keyring could not be read, or "".
    """

    in_use: Source | None
    environment: bool
    session: bool
    keyring: bool | None
    backend: str
    problem: str

    @property
    def shadowed(self) -> bool:
        """Whether the environment's token hides one of the keyring or the session."""
        return self.in_use == "environment" and bool(self.keyring or self.session)


class TokenStore:
    """Tokens in memory, and the last answer of the keyring."""

    def __init__(
        self,
        on_change: Callable[[Kind, str], None],
        *,
        may_send_openly: Callable[[], bool] = lambda: False,
        on_account: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        on_switch: Callable[[str, str], None] = lambda _base, _words: None,
    ) -> None:
        """Create an empty store.

        Args:
            on_change: is called with kind and API base of a changed token.
            on_account: is called when a token is kept for the jobs of its account.
            on_switch: is called with an API base and words for the history of its jobs when the
                engine's own calls are made with another token than before.
            may_send_openly: whether tokens may go to `http://` addresses of other machines.
            clock: seconds that only grow.
        """
        self._clock = clock
        self._failed_at: dict[tuple[Kind, str], float] = {}
        self._on_change = on_change
        self._may_send_openly = may_send_openly
        self._on_account = on_account
        self._on_switch = on_switch
        self._last_used: dict[tuple[Kind, str], Secret] = {}
        self._of_accounts: dict[tuple[str, str], Secret] = {}
        self._given: dict[tuple[Kind, str, Source], Secret] = {}
        self._stored: dict[tuple[Kind, str], StoredToken] = {}
        self._changes: dict[tuple[Kind, str], int] = {}
        self._hubs: dict[str, str] = {}
        self._owners: dict[tuple[Kind, str, Secret], str] = {}

    # -- which Hub ----------------------------------------------------------------------------

    def use_hub(self, api_base: str, endpoint: str) -> None:
        """Set the Hub of an API base; a malformed address means none.

        Tokens stay bound to the Hub that they were given for: another one never gets them.
        """
        before, self._hubs[api_base] = self.hub(api_base), clean_endpoint(endpoint)
        if before != self._hubs[api_base]:
            self._on_change("huggingface", api_base)

    def hub(self, api_base: str) -> str:
        """Return the Hub's address for jobs of an API base, "" when none is known.

        The default is huggingface.co; a server on this machine has a Hub of its own, which is
        unknown until its address is set.
        """
        caller_tokens = caller(api_base)
        if caller_tokens is not None and (endpoint := hub_meant(caller_tokens)) is not None:
            return endpoint
        return self._hubs.get(api_base, "" if is_loopback(api_base) else DEFAULT_HUB)

    def host(self, kind: Kind, api_base: str) -> str:
        """Return the server that a token belongs to, part of its user name in the keyring.

        A Hub's token travels with jobs, so the one that was given for jobs at Replicate is not
        found for another API, which a caller or the environment may have named.
        """
        base = api_base or DEFAULT_API_BASE
        endpoint = self.hub(api_base) if kind == "huggingface" else ""
        if not endpoint:
            return keyring_host(base)
        if is_loopback(base) or may_carry(DEFAULT_API_BASE, base):
            return keyring_host(endpoint)
        return f"{keyring_host(endpoint)} for {keyring_host(base)}"

    def _scope(self, kind: Kind, api_base: str) -> str:
        """Return the key of a token: its API base, with its Hub for a Hub token."""
        return api_base if kind == "replicate" else f"{api_base} {self.hub(api_base)}"

    # -- tokens -------------------------------------------------------------------------------

    def give(self, kind: Kind, api_base: str, value: str, source: Source) -> None:
        """Use a token from now on; an empty value removes the one of that source."""
        KNOWN.add(value)
        key = (kind, self._scope(kind, api_base), source)
        before = self._given.get(key)
        if not value:
            if self._given.pop(key, None) is not None:
                self._on_change(kind, api_base)
        elif before is None or before != Secret(value):
            self._given[key] = Secret(value)
            self._on_change(kind, api_base)

    def keyring_changed(self, kind: Kind, api_base: str, entry: StoredToken | None = None) -> None:
        """Forget the keyring's last answer, and that of a look-up in progress.

        Args:
            kind: the kind of the token.
            api_base: the API base.
            entry: what was stored just now, which need not be read back; None where it is not
                known.
        """
        scope = self._scope(kind, api_base)
        self._changes[kind, scope] = self._changes.get((kind, scope), 0) + 1
        self._stored.pop((kind, scope), None)
        if entry is not None:
            self._stored[kind, scope] = entry
            self._failed_at.pop((kind, scope), None)
        if (kind, scope, "environment") not in self._given:
            self._on_change(kind, api_base)

    def learn_owner(self, kind: Kind, api_base: str, secret: Secret, owner: str) -> None:
        """Remember the account of a token that its service has accepted."""
        self._owners[kind, self._scope(kind, api_base), secret] = owner

    def keep_for_account(self, api_base: str, secret: Secret, owner: str) -> None:
        """Keep a shell's Replicate token for the jobs of its account, in memory only."""
        before = self._of_accounts.get((api_base, owner))
        self._of_accounts[api_base, owner] = secret
        if before is None or before != secret:
            self._on_account()

    def of_account(self, api_base: str, account: str) -> Secret | None:
        """Return the Replicate token that a shell of an account gave; None without one."""
        return self._of_accounts.get((api_base, account))

    def forget_accounts(self, api_base: str, secret: Secret | None = None) -> None:
        """Forget tokens that are kept for accounts: this one, which is refused now, or all."""
        for key, kept in list(self._of_accounts.items()):
            if key[0] == api_base and secret in (None, kept):
                del self._of_accounts[key]

    def held_beside(self, handed: CallerTokens | None) -> bool:
        """Return whether memory holds a token that is in no keyring and not among `handed`."""
        known = {handed.replicate, handed.hub} if handed is not None else set()
        held = {
            secret for (_, _, source), secret in self._given.items() if source != "keyring"
        } | set(self._of_accounts.values())
        return bool(held - known)

    def owner(self, kind: Kind, api_base: str, secret: Secret) -> str:
        """Return the account of a token; "" while its service has not accepted it."""
        return self._owners.get((kind, self._scope(kind, api_base), secret), "")

    def own(self, kind: Kind, api_base: str) -> Secret | None:
        """Return the caller's token that is used for the current call only.

        None without one, and when the engine uses the same token or another of the same account.
        """
        caller_tokens = caller(api_base)
        if caller_tokens is None:
            return None
        if kind == "replicate":
            secret = caller_tokens.replicate
        else:
            secret = caller_tokens.hub if hub_meant(caller_tokens) else None
        current = self._engine_token(kind, api_base)
        if secret is None or current is None:
            return secret
        owner = self.owner(kind, api_base, secret)
        same = current.secret == secret or (
            owner and owner == self.owner(kind, api_base, current.secret)
        )
        return None if same else secret

    def foreign(self, caller_tokens: CallerTokens | None) -> CallerTokens | None:
        """Return the caller's tokens that differ from the engine's own; None without any.

        Decided once, when the call arrives: a job that was started with the engine's own token is
        followed with whatever token the engine uses later.
        """
        if caller_tokens is None:
            return None
        if caller_tokens.problems:
            return caller_tokens
        base = caller_tokens.api_base
        with called_with(caller_tokens):
            secret, hub_secret, hub = (
                self.own("replicate", base), self.own("huggingface", base), self.hub(base)
            )  # fmt: skip
        with called_with(None):
            changes_hub = hub != self.hub(base)
        if hub_secret is None and not changes_hub:
            return CallerTokens(base, secret) if secret is not None else None
        return CallerTokens(
            base, secret, hub_secret or caller_tokens.hub, caller_tokens.hub_endpoint
        )

    def known(self, kind: Kind, api_base: str) -> Token | None:
        """Return the token for the current call, without asking the keyring.

        None also when it would be sent unencrypted (see `refusal`), or when the caller's
        environment holds a text that cannot be one: another token may be another account's.
        """
        if self.refusal(kind, api_base) or self.environment_problem(kind, api_base):
            return None
        secret = self.own(kind, api_base)
        return (
            Token(secret, "environment")
            if secret is not None
            else self._engine_token(kind, api_base)
        )

    def environment_problem(self, kind: Kind, api_base: str) -> str:
        """Return why the token of the caller's environment cannot be used, or ""."""
        message, _advice = self.environment_advice(kind, api_base)
        return message

    def environment_advice(self, kind: Kind, api_base: str) -> tuple[str, str]:
        """Return message and advice about the caller's unusable token; two "" without one."""
        caller_tokens = caller(api_base)
        return ("", "") if caller_tokens is None else caller_tokens.problems.get(kind, ("", ""))

    def refusal(self, kind: Kind, api_base: str) -> str:
        """Return why no token is sent to an address, or ""."""
        address = api_base if kind == "replicate" else self.hub(api_base)
        if not address or not is_open(address) or self._may_send_openly():
            return ""
        return f"{address} is not encrypted, so no token is sent there."

    def _engine_token(self, kind: Kind, api_base: str) -> Token | None:
        """Return the token that the engine uses for all callers."""
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

    async def every(self, kind: Kind, api_base: str) -> list[Token]:
        """Return the token in use, and then those of other sources that differ from it."""
        await self.stored(kind, api_base)
        first = self.known(kind, api_base)
        if first is None:
            return []
        found = [first]
        scope = self._scope(kind, api_base)
        stored = self._stored.get((kind, scope))
        for source in SOURCES:
            secret = (
                (stored.value if stored is not None else None)
                if source == "keyring"
                else self._given.get((kind, scope, source))
            )
            if secret is not None and all(secret != token.secret for token in found):
                found.append(Token(secret, source))
        return found

    async def find(self, kind: Kind, api_base: str) -> Token | None:
        """Return the token in use; asks the keyring once, and only if the environment has none."""
        given = (kind, self._scope(kind, api_base), "environment") in self._given
        if not given and self.own(kind, api_base) is None:
            await self.stored(kind, api_base)
        token = self.known(kind, api_base)
        if token is not None and self.own(kind, api_base) is None:
            self._note_use(kind, api_base, token)
        return token

    def _note_use(self, kind: Kind, api_base: str, token: Token) -> None:
        """Tell when the engine's own calls go on with another token."""
        key = (kind, self._scope(kind, api_base))
        before = self._last_used.get(key)
        self._last_used[key] = token.secret
        if before is None or before == token.secret:
            return
        owner = self.owner(kind, api_base, token.secret)
        whose = f", of @{owner}" if owner else ""
        self._on_switch(
            api_base, f"Another {NAMES[kind]} token is used now: {token.source}{whose}."
        )

    async def stored(self, kind: Kind, api_base: str, *, fresh: bool = False) -> StoredToken:
        """Return the keyring's entry; never raises and takes a few seconds at most.

        The keyring is asked once. One that could not be read is asked again after a minute: it may
        have been started or unlocked meanwhile, and nobody tells.

        A look-up during which a token was stored or deleted is repeated, as it may have read the
        former entry.
        """
        key, host = (kind, self._scope(kind, api_base)), self.host(kind, api_base)
        failed_at = self._failed_at.get(key)
        again = failed_at is not None and self._clock() - failed_at >= PROBLEM_SECONDS
        while fresh or again or key not in self._stored:
            change_count = self._changes.get(key, 0)
            entry = await read_token(kind, host)
            if self._changes.get(key, 0) == change_count:
                self._stored[key] = entry
                self._failed_at.pop(key, None)
                if entry.problem:
                    self._failed_at[key] = self._clock()
                return entry
        return self._stored[key]

    def problem(self, kind: Kind, api_base: str) -> str:
        """Return why the keyring could not be read at the last look-up, or ""."""
        stored = self._stored.get((kind, self._scope(kind, api_base)))
        return stored.problem if stored is not None else ""

    async def state(self, kind: Kind, api_base: str, *, fresh: bool = False) -> TokenState:
        """Return the state of a token; asks the keyring if needed."""
        stored = await self.stored(kind, api_base, fresh=fresh)
        token, scope = self.known(kind, api_base), self._scope(kind, api_base)
        return TokenState(
            in_use=token.source if token is not None else None,
            environment=(kind, scope, "environment") in self._given
            or self.own(kind, api_base) is not None,
            session=(kind, scope, "session") in self._given,
            keyring=None if stored.problem else stored.value is not None,
            backend=stored.backend,
            problem=stored.problem,
        )


def hub_meant(caller_tokens: CallerTokens) -> str | None:
    """Return the Hub that a caller's environment names, "" for a malformed address.

    None when it names none. A token without an address belongs to huggingface.co; the Hub of a
    server on this machine never gets it.
    """
    if caller_tokens.hub_endpoint:
        return clean_endpoint(caller_tokens.hub_endpoint)
    return (
        DEFAULT_HUB
        if caller_tokens.hub is not None and not is_loopback(caller_tokens.api_base)
        else None
    )


def clean_endpoint(text: str) -> str:
    """Normalise a Hub's address; "" when it is malformed."""
    try:
        return read_address(text, HUB).url
    except AddressError:
        return ""
