"""Decides whether a token from a shell's environment becomes the engine's own.

A shell's token is used for the shell's own calls at once (`handed_in`). It replaces the engine's
token only after the service has accepted it, and only if it belongs to the same account or no job
is active: with a rejected token, or another account's, running jobs could not be followed. Another
account's token is kept beside it, for the jobs of that account alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final, Literal

from tui.base.hosts import is_open
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.caller_tokens import CallerTokens
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_judge import is_refused
from tui.engine.credentials.token_service import hub_owner
from tui.engine.credentials.token_store import Kind, Token, hub_meant
from tui.engine.runtime.tasks import TaskOwner
from tui.replicate.errors import ReplicateError
from tui.replicate.secret import Secret
from tui.settings.network import network_of

_PAUSES: Final = (5.0, 10.0, 20.0, 40.0, 60.0, 60.0)
"""Seconds between attempts while the service does not answer."""


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """A service's answer about a token.

    Attributes:
        state: `unknown` when the service did not answer.
        owner: the account's name, for an accepted token.
    """

    state: Literal["accepted", "refused", "unknown"]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class _Offer:
    """A token from a shell; `hub` is its Hub's address, "" for Replicate's token."""

    kind: Kind
    api_base: str
    secret: Secret
    hub: str = ""


class Takeover:
    """Decides about tokens from shells."""

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        is_busy: Callable[[str], bool],
        live: LiveSettings,
        tasks: TaskOwner,
        remembered_owner: Callable[[str], str],
        pauses: tuple[float, ...] = _PAUSES,
    ) -> None:
        """Create it.

        Args:
            clients: where tokens live.
            is_busy: whether an API base has active jobs.
            live: the settings in force.
            tasks: owns the calls to the services.
            remembered_owner: the account of an API base's last accepted token, "" if unknown.
            pauses: seconds before each further attempt when a service does not answer.
        """
        self._clients = clients
        self._is_busy = is_busy
        self._live = live
        self._tasks = tasks
        self._remembered_owner = remembered_owner
        self._pauses = pauses
        self._considered: set[_Offer] = set()
        self._locks: dict[tuple[Kind, str], asyncio.Lock] = {}

    def offer(self, api_base: str, token: str, endpoint: str, hub_token: str) -> None:
        """Consider the tokens of a shell; returns at once.

        Args:
            api_base: the API that they are for.
            token: Replicate's token, "" for none.
            endpoint: the Hub's address, "" for none.
            hub_token: the Hub's token, "" for none.
        """
        if token:
            self._offer_one(_Offer("replicate", api_base, Secret(token)))
        secret = Secret(hub_token) if hub_token else None
        hub = hub_meant(CallerTokens(api_base, None, secret, endpoint))
        if hub is None:
            return
        if secret is not None and hub:
            self._offer_one(_Offer("huggingface", api_base, secret, hub))
        elif self._current("huggingface", api_base) is None or not self._is_busy(api_base):
            self._clients.tokens.use_hub(api_base, hub)

    def _current(self, kind: Kind, api_base: str) -> Token | None:
        return self._clients.tokens.known(kind, api_base)

    def _offer_one(self, offer: _Offer) -> None:
        if is_open(offer.hub or offer.api_base):
            # A token is not sent unencrypted to ask for its owner. Where the settings allow such an
            # address, the newest token is used.
            if not self._is_busy(offer.api_base):
                self._take(offer)
            return
        current = self._current(offer.kind, offer.api_base)
        if self._is_in_use(offer, current) or (
            current is None and not self._is_busy(offer.api_base)
        ):
            self._take(offer)
        elif offer not in self._considered:
            self._considered.add(offer)
            self._tasks.start(self._consider(offer), f"a {offer.kind} token is handed in")

    def _is_in_use(self, offer: _Offer, current: Token | None) -> bool:
        token_store = self._clients.tokens
        same_hub = not offer.hub or offer.hub == token_store.hub(offer.api_base)
        return current is not None and current.secret == offer.secret and same_hub

    def _take(self, offer: _Offer) -> None:
        token_store = self._clients.tokens
        if offer.hub:
            token_store.use_hub(offer.api_base, offer.hub)
        token_store.give(offer.kind, offer.api_base, offer.secret.reveal(), "environment")

    async def _consider(self, offer: _Offer) -> None:
        try:
            # One decision at a time: the second of two shells sees the result of the first.
            lock = self._locks.setdefault((offer.kind, offer.api_base), asyncio.Lock())
            for pause in chain(self._pauses, repeat(None)):
                async with lock:
                    settled = await self._settle(offer)
                missing = self._current(offer.kind, offer.api_base) is None
                if settled or (pause is None and not missing):
                    return
                await asyncio.sleep(pause or self._pauses[-1])
        finally:
            self._considered.discard(offer)

    async def _settle(self, offer: _Offer) -> bool:
        """Take or refuse a token; False when the service did not answer."""
        current = await self._clients.tokens.find(offer.kind, offer.api_base)
        unopposed = current is None and (offer.hub or not self._is_busy(offer.api_base))
        if unopposed or self._is_in_use(offer, current):
            self._take(offer)
            return True
        hub = self._clients.tokens.hub(offer.api_base)
        verdict = await self._ask(offer)
        if verdict.state != "accepted":
            return verdict.state == "refused"
        changes_hub = bool(offer.hub) and offer.hub != hub
        if not changes_hub:
            self._clients.tokens.learn_owner(
                offer.kind, offer.api_base, offer.secret, verdict.owner
            )
        current_verdict = (
            TokenVerdict("unknown") if changes_hub else await self._owner_of(offer, current)
        )
        if self._current(offer.kind, offer.api_base) != current:  # replaced by hand meanwhile
            return False
        same_account = current_verdict.state == "refused" or (
            current_verdict.owner != "" and current_verdict.owner == verdict.owner
        )
        if same_account or not self._is_busy(offer.api_base):
            self._take(offer)
            return True
        if offer.kind == "replicate":
            self._clients.tokens.keep_for_account(offer.api_base, offer.secret, verdict.owner)
        return changes_hub or current_verdict.state != "unknown"

    async def _owner_of(self, offer: _Offer, current: Token | None) -> TokenVerdict:
        """Return the account that the active jobs belong to, as the token in use shows.

        `refused` when the token in use no longer works and no account is remembered.
        """
        remembered = self._remembered_owner(offer.api_base) if not offer.hub else ""
        if current is None:
            return TokenVerdict("accepted", remembered) if remembered else TokenVerdict("refused")
        if owner := self._clients.tokens.owner(offer.kind, offer.api_base, current.secret):
            return TokenVerdict("accepted", owner)
        verdict = await self._ask(_Offer(offer.kind, offer.api_base, current.secret, offer.hub))
        if verdict.state == "accepted":
            self._clients.tokens.learn_owner(
                offer.kind, offer.api_base, current.secret, verdict.owner
            )
        return (
            TokenVerdict("accepted", remembered)
            if verdict.state == "refused" and remembered
            else verdict
        )

    async def _ask(self, offer: _Offer) -> TokenVerdict:
        """Ask the service for the owner of a token."""
        if offer.hub:
            answer = await hub_owner(offer.hub, offer.secret, network_of(self._live.now.network))
            if answer["valid"]:
                return TokenVerdict("accepted", str(answer["username"]))
            return TokenVerdict("refused" if answer["reason"] == "rejected" else "unknown")
        try:
            client = self._clients.client_with(offer.api_base, offer.secret)
            try:
                return TokenVerdict("accepted", (await client.account()).username)
            finally:
                await client.aclose()
        except ReplicateError as error:
            return TokenVerdict("refused" if is_refused(error) else "unknown")
        except OSError:
            return TokenVerdict("unknown")
