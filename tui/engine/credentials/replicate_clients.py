"""One Replicate client for each API base, each with the token given for that base alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.handed_in import engine_wide
from tui.engine.credentials.token_store import (
    DEFAULT_HUB,
    HOW_TO_SEND_OPENLY,
    KINDS,
    Kind,
    Source,
    Token,
    TokenStore,
)
from tui.replicate.budget import Circuit, RateBudget
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import AuthenticationError
from tui.replicate.secret import Secret
from tui.settings import Settings
from tui.settings.network import network_of

HOW_TO_GIVE_ONE = (
    "Give one on the Cloud screen (Account & token, e) or with simpletuner-tui token set, or set "
    "REPLICATE_API_TOKEN before starting."
)
HOW_TO_GIVE_A_HUB_ONE = (
    "Give one with write access on the Cloud screen (Account & token, e), or set HF_TOKEN before "
    "starting."
)


class MissingTokenError(AuthenticationError):
    """No token is known for an API base."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(
            f"There is no Replicate token{f' ({reason})' if reason else ''}.",
            advice=HOW_TO_GIVE_ONE,
        )


class OpenAddressError(AuthenticationError):
    """A token is not sent to an address without TLS on another machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, advice=HOW_TO_SEND_OPENLY)


class ReplicateClients:
    """Tokens and clients by API base."""

    def __init__(self, live: LiveSettings, on_token: Callable[[str], None]) -> None:
        """Args: the settings, and whom to tell when a base gets a token."""
        self._live = live
        live.on_change(self._settings_changed)
        self._on_token = on_token
        self.tokens = TokenStore(
            self._token_changed,
            may_send_openly=lambda: self.may_send_openly,
        )
        self._clients: dict[tuple[str, Secret], ReplicateClient] = {}
        # The service counts an account's calls whatever connection they come by.
        self._budgets: dict[str, RateBudget] = {}
        self._retired: list[ReplicateClient] = []

    def set_token(self, api_base: str, value: str, source: Source) -> None:
        """Use a token from now on; an empty value forgets the one that was set."""
        self.tokens.give("replicate", api_base, value, source)

    def set_hub(self, api_base: str, endpoint: str, token: str) -> None:
        """The Hub and its token that came with a client's environment; either may be empty.

        A token that came without an address is huggingface.co's: the Hub of a server on this
        machine never gets it.
        """
        if endpoint:
            self.tokens.use_hub(api_base, endpoint)
        elif token and not is_loopback(api_base):
            self.tokens.use_hub(api_base, DEFAULT_HUB)
        if token and (endpoint or not is_loopback(api_base)) and self.hub_endpoint(api_base):
            self.tokens.give("huggingface", api_base, token, "environment")

    def hub_endpoint(self, api_base: str) -> str:
        """The Hub's address for jobs of this base, "" when none is known."""
        return self.tokens.hub(api_base)

    def keyring_changed(self, api_base: str) -> None:
        """Somebody stored or deleted a token: what the keyring said before does not hold."""
        for kind in KINDS:
            self.tokens.keyring_changed(kind, api_base)

    def hub_token(self, api_base: str) -> Secret | None:
        """The Hugging Face token for jobs of this base, as far as it has been looked up."""
        found = self.tokens.known("huggingface", api_base)
        return found.secret if found is not None else None

    @property
    def may_send_openly(self) -> bool:
        """Whether tokens and keys may go to `http://` addresses of other machines."""
        return self._live.now.network.send_secrets_unencrypted

    def no_hub_token(self, api_base: str) -> tuple[str, str]:
        """Why there is no Hugging Face token for jobs of this base, and what to do about it."""
        if refusal := self.tokens.refusal("huggingface", api_base):
            return refusal, HOW_TO_SEND_OPENLY
        why = self.tokens.problem("huggingface", api_base)
        return f"There is no Hugging Face token{f' ({why})' if why else ''}.", HOW_TO_GIVE_A_HUB_ONE

    async def token(self, api_base: str) -> Token:
        """The token of a base: the environment's before the keyring's before the session's.

        Raises:
            MissingTokenError: there is none.
            OpenAddressError: it would be sent unencrypted.
        """
        if refusal := self.tokens.refusal("replicate", api_base):
            raise OpenAddressError(refusal)
        found = await self.tokens.find("replicate", api_base)
        if found is None:
            raise MissingTokenError(self.tokens.problem("replicate", api_base))
        return found

    def clock_offset(self, api_base: str) -> timedelta:
        """How far the service's clock is ahead of ours, as far as it has told; else nothing."""
        told = (one.clock_offset for (base, _), one in self._clients.items() if base == api_base)
        return next((offset for offset in told if offset is not None), timedelta())

    async def get(self, api_base: str) -> ReplicateClient:
        """The client of a base.

        Raises:
            MissingTokenError: no token is known for it.
        """
        if not is_loopback(api_base) and all(base != api_base for base, _ in self._clients):
            # Jobs may need it, and when they do there is no time to ask the keyring.
            await self.tokens.find("huggingface", api_base)
        token = await self.token(api_base)
        # Nothing waits from here on: one client for a base and a token.
        client = self._clients.get((api_base, token.secret))
        if client is None:
            own = self.tokens.own("replicate", api_base) is not None
            budget = RateBudget() if own else self._budgets.setdefault(api_base, RateBudget())
            client = self.client_with(api_base, token.secret, budget)
            self._clients[api_base, token.secret] = client
        return client

    def client_with(
        self, api_base: str, secret: Secret, budget: RateBudget | None = None
    ) -> ReplicateClient:
        """A client with a token that need not be the one in use; the caller closes it.

        Raises:
            OpenAddressError: the token would be sent unencrypted.
        """
        if refusal := self.tokens.refusal("replicate", api_base):
            raise OpenAddressError(refusal)
        network = network_of(self._live.now.network)
        return ReplicateClient(secret, base_url=api_base, network=network, budget=budget)

    def circuits(self) -> dict[str, Circuit]:
        """How each API that was called stands: whether it is being given a rest."""
        with engine_wide():
            used = {base: self.tokens.known("replicate", base) for base, _ in self._clients}
        return {
            base: client.circuit
            for (base, secret), client in self._clients.items()
            if (token := used[base]) is not None and token.secret == secret
        }

    def _settings_changed(self, before: Settings, after: Settings) -> None:
        if before.network == after.network:
            return
        # Whether the services answer is another question now: they are asked at once.
        for api_base, budget in self._budgets.items():
            self._retire(api_base)
            budget.forgive()
            with engine_wide():
                self._on_token(api_base)

    def _token_changed(self, kind: Kind, api_base: str) -> None:
        if kind == "replicate":
            self._retire(api_base)
        with engine_wide():
            self._on_token(api_base)

    def _retire(self, api_base: str) -> None:
        """Calls that are under way with the former token may end as they will."""
        for key in [key for key in self._clients if key[0] == api_base]:
            self._retired.append(self._clients.pop(key))

    async def aclose(self) -> None:
        """Close all connections."""
        clients = [*self._clients.values(), *self._retired]
        self._clients.clear()
        self._retired.clear()
        for client in clients:
            await client.aclose()
