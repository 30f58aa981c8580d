"""Replicate clients by API base and token."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeAlias

from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.caller_tokens import (
    CallerTokens,
    called_with,
    engine_tokens,
    engine_wide,
)
from tui.engine.credentials.job_networks import JobNetworks
from tui.engine.credentials.token_store import (
    HOW_TO_SEND_OPENLY,
    KINDS,
    Kind,
    Source,
    Token,
    TokenStore,
)
from tui.replicate.budget import Circuit, RateBudget
from tui.replicate.client import ReplicateClient
from tui.replicate.environment_proxies import EnvironmentProxies, caller_proxies
from tui.replicate.errors import AuthenticationError
from tui.replicate.network import Retry
from tui.replicate.secret import Secret
from tui.settings import Settings
from tui.settings.network import network_of
from tui.store.records import JobRecord

HOW_TO_GIVE_ONE = (
    "Give one on the Cloud screen (Account & token, e) or with simpletuner-tui token set, or set "
    "REPLICATE_API_TOKEN before starting."
)
HOW_TO_GIVE_A_HUB_ONE = (
    "Give one with write access on the Cloud screen (Account & token, e), or set HF_TOKEN before "
    "starting."
)


class MissingTokenError(AuthenticationError):
    """There is no token for an API base."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(
            f"There is no Replicate token{f' ({reason})' if reason else ''}.",
            advice=HOW_TO_GIVE_ONE,
        )


class OpenAddressError(AuthenticationError):
    """The address is on another machine and without TLS, so no token is sent there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, advice=HOW_TO_SEND_OPENLY)


class UnusableTokenError(AuthenticationError):
    """The text in the caller's environment cannot be a token."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message, advice=advice)


_Key: TypeAlias = tuple[str, Secret, EnvironmentProxies | None]
"""API base, token, and the proxies of a caller where they differ from the engine's."""
_LOOPBACK_RETRY: Final = Retry(base=0.02)
"""Short pauses: a sandbox on this machine is not spared by longer ones."""
_HAND_IN_SECONDS: Final = 10.0
"""How long after its start an engine waits for a token that a shell may hand in."""


class ReplicateClients:
    """The tokens, and one client for each API base and token.

    Attributes:
        tokens: all tokens by API base.
        networks: the way that the calls about each job take.
    """

    def __init__(
        self,
        live: LiveSettings,
        on_token: Callable[[str], None],
        *,
        on_account: Callable[[], None] = lambda: None,
        on_switch: Callable[[str, str], None] = lambda _base, _words: None,
    ) -> None:
        """Create an empty set of clients.

        Args:
            live: the settings in force.
            on_token: is called with an API base when its token has changed.
            on_account: is called when a token is kept for the jobs of its account.
            on_switch: is called with an API base and words for the history of its jobs when the
                engine's own calls are made with another token than before.
        """
        self._live = live
        live.on_change(self._settings_changed)
        self._on_token = on_token
        self.tokens = TokenStore(
            self._token_changed,
            may_send_openly=lambda: self.may_send_openly,
            on_account=on_account,
            on_switch=on_switch,
        )
        self.networks = JobNetworks()
        self._clients: dict[_Key, ReplicateClient] = {}
        # The service counts an account's calls over all its connections, so clients of a base
        # share a budget.
        self._budgets: dict[str, RateBudget] = {}
        self._retired: list[ReplicateClient] = []
        self._token_event = asyncio.Event()
        self._hand_in_until = time.monotonic() + _HAND_IN_SECONDS

    async def resumed_hub_token(self, api_base: str) -> Token | None:
        """Return the Hub's token for work that an earlier engine began; None when there is none.

        A shell hands in the tokens of its environment just after it has started the engine, so a
        new engine waits for one a few seconds before it says that there is none.
        """
        while True:
            changed = self._token_event
            token = await self.tokens.find("huggingface", api_base)
            left = self._hand_in_until - time.monotonic()
            if token is not None or left <= 0:
                return token
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)

    def set_token(self, api_base: str, value: str, source: Source) -> None:
        """Use a token from now on; an empty value removes the one of that source."""
        self.tokens.give("replicate", api_base, value, source)

    def hub_endpoint(self, api_base: str) -> str:
        """Return the Hub's address for jobs of an API base, "" when none is known."""
        return self.tokens.hub(api_base)

    def keyring_changed(self, api_base: str) -> None:
        """Forget what the keyring held for an API base: a token was stored or deleted."""
        for kind in KINDS:
            self.tokens.keyring_changed(kind, api_base)

    def hub_token(self, api_base: str) -> Secret | None:
        """Return the known Hugging Face token for jobs of an API base; does not ask the keyring."""
        token = self.tokens.known("huggingface", api_base)
        return token.secret if token is not None else None

    @property
    def may_send_openly(self) -> bool:
        """Whether tokens and keys may go to `http://` addresses of other machines."""
        return self._live.now.network.send_secrets_unencrypted

    def no_hub_token(self, api_base: str) -> tuple[str, str]:
        """Return message and advice about a missing Hugging Face token of an API base."""
        if refusal := self.tokens.refusal("huggingface", api_base):
            return refusal, HOW_TO_SEND_OPENLY
        message, advice = self.tokens.environment_advice("huggingface", api_base)
        if message:
            return message, advice
        why = self.tokens.problem("huggingface", api_base)
        return f"There is no Hugging Face token{f' ({why})' if why else ''}.", HOW_TO_GIVE_A_HUB_ONE

    async def token(self, api_base: str) -> Token:
        """Return the token of an API base: of the environment, else the keyring, else the session.

        Raises:
            MissingTokenError: there is none.
            OpenAddressError: it would be sent unencrypted.
            UnusableTokenError: the text in the caller's environment cannot be one.
        """
        message, advice = self.tokens.environment_advice("replicate", api_base)
        if message:
            raise UnusableTokenError(message, advice)
        if refusal := self.tokens.refusal("replicate", api_base):
            raise OpenAddressError(refusal)
        found = await self.tokens.find("replicate", api_base)
        if found is None:
            raise MissingTokenError(self.tokens.problem("replicate", api_base))
        return found

    def clock_offset(self, api_base: str) -> timedelta:
        """Return how far the service's clock is ahead of ours; zero when unknown."""
        offsets = (
            client.clock_offset for (base, *_), client in self._clients.items() if base == api_base
        )
        return next((offset for offset in offsets if offset is not None), timedelta())

    async def get(self, api_base: str) -> ReplicateClient:
        """Return the client of an API base; creates it on first use.

        Raises:
            MissingTokenError: no token is known for it.
        """
        if not is_loopback(api_base) and all(base != api_base for base, *_ in self._clients):
            # Jobs may need the Hub's token, and asking the keyring then would take too long.
            await self.tokens.find("huggingface", api_base)
        token = await self.token(api_base)
        # No await from here on, so that two callers cannot create a client each.
        # A way that fails must not keep the calls of others back, so each has its client.
        key = (api_base, token.secret, caller_proxies())
        client = self._clients.get(key)
        if client is None:
            own = self.tokens.own("replicate", api_base) is not None or key[2] is not None
            budget = RateBudget() if own else self._budgets.setdefault(api_base, RateBudget())
            client = self.client_with(api_base, token.secret, budget)
            self._clients[key] = client
        return client

    @contextlib.contextmanager
    def acting_for(self, api_base: str, account: str | None) -> Iterator[None]:
        """Make calls about a job with a token of the account that it began with.

        That is the engine's own, the caller's, or one that a shell of the account gave. Without
        any of them the calls are made with the token in use.
        """
        if not account or self.known_account(api_base) == account:
            yield
            return
        with engine_tokens():
            is_own = self.known_account(api_base) == account
        if is_own:
            with engine_tokens():
                yield
            return
        secret = self.tokens.of_account(api_base, account)
        if secret is None:
            yield
            return
        with called_with(CallerTokens(api_base, secret)):
            try:
                yield
            except AuthenticationError:
                self.tokens.forget_accounts(api_base, secret)
                raise

    async def get_for(self, job: JobRecord) -> ReplicateClient:
        """Return the client of the account that a job began with, as far as it is known.

        Raises:
            MissingTokenError: no token is known for the job's API base.
        """
        with self.acting_for(job.api_base, job.submit.get("account")):
            return await self.get(job.api_base)

    def known_account(self, api_base: str) -> str:
        """The account of the token in use, as far as it has been asked for; else ""."""
        token = self.tokens.known("replicate", api_base)
        return self.tokens.owner("replicate", api_base, token.secret) if token is not None else ""

    async def with_account(self, api_base: str) -> tuple[ReplicateClient, str]:
        """The client of a base, and the name of the account that its token belongs to.

        Raises:
            MissingTokenError: no token is known for it.
            ReplicateError: Replicate does not tell whose the token is.
        """
        while True:
            client = await self.get(api_base)
            token = await self.token(api_base)
            owner = self.tokens.owner("replicate", api_base, token.secret)
            if not owner:
                owner = (await client.account()).username
                self.tokens.learn_owner("replicate", api_base, token.secret, owner)
            if (
                self._clients.get((api_base, token.secret, caller_proxies())) is client
            ):  # not replaced meanwhile
                return client, owner

    def client_with(
        self, api_base: str, secret: Secret, budget: RateBudget | None = None
    ) -> ReplicateClient:
        """Create a client with any token; the caller closes it.

        Raises:
            OpenAddressError: the token would be sent unencrypted.
        """
        if refusal := self.tokens.refusal("replicate", api_base):
            raise OpenAddressError(refusal)
        network = network_of(self._live.now.network)
        if is_loopback(api_base):
            network = replace(network, retry=_LOOPBACK_RETRY)
        return ReplicateClient(secret, base_url=api_base, network=network, budget=budget)

    def circuits(self) -> dict[str, Circuit]:
        """Return the circuit breaker's state by API base, for clients with the token in use."""
        with engine_wide():
            used = {base: self.tokens.known("replicate", base) for base, *_ in self._clients}
        return {
            base: client.circuit
            for (base, secret, proxies), client in self._clients.items()
            if proxies is None and (token := used[base]) is not None and token.secret == secret
        }

    def _settings_changed(self, before: Settings, after: Settings) -> None:
        if before.network == after.network:
            return
        # A failure before may have been the network's, so the services are called again at once.
        for budget in self._budgets.values():
            budget.forgive()
        # Clients of callers alone have budgets of their own.
        for api_base in {*self._budgets, *(base for base, *_ in self._clients)}:
            self._retire(api_base)
            with engine_wide():
                self._on_token(api_base)

    def _token_changed(self, kind: Kind, api_base: str) -> None:
        self._token_event.set()
        self._token_event = asyncio.Event()
        if kind == "replicate":
            self._retire(api_base)
        with engine_wide():
            self._on_token(api_base)

    def _retire(self, api_base: str) -> None:
        """Remove the clients of an API base; calls in progress with them may finish."""
        for key in [key for key in self._clients if key[0] == api_base]:
            self._retired.append(self._clients.pop(key))

    async def aclose(self) -> None:
        """Close all connections."""
        clients = [*self._clients.values(), *self._retired]
        self._clients.clear()
        self._retired.clear()
        for client in clients:
            await client.aclose()
