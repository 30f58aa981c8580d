"""Which token of a shell the engine uses for everybody, its running jobs included.

A token that a shell hands in serves the shell's own calls at once (`handed_in`). It replaces the
one in use only after the service has accepted it, and only if it is the same account's or nothing
is under way: with a refused token, or another account's, running jobs could not be followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final, Literal

from tui.base.hosts import is_open
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.handed_in import CallerTokens
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_service import hub_owner
from tui.engine.credentials.token_store import Kind, Token, hub_meant
from tui.engine.runtime.tasks import TaskOwner
from tui.replicate.errors import AuthenticationError, ForbiddenError, ReplicateError
from tui.replicate.secret import Secret
from tui.settings.network import network_of

_PAUSES: Final = (5.0, 10.0, 20.0, 40.0, 60.0, 60.0)
"""Seconds between tries while the service cannot say whose a token is."""


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """What a service says about a token.

    Attributes:
        state: `unknown` says nothing about the token: the service did not answer.
        owner: the account's name, where the token is accepted.
    """

    state: Literal["accepted", "refused", "unknown"]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class _Offer:
    """A token that a shell has handed in; `hub` is its Hub's address, "" for Replicate's."""

    kind: Kind
    api_base: str
    secret: Secret
    hub: str = ""


class Takeover:
    """Decides about tokens that shells hand in."""

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
        """Make one.

        Args:
            clients: where tokens live.
            is_busy: whether anything of an API base is under way.
            live: the settings in force.
            tasks: owns the questions that are being asked.
            remembered_owner: the account of an API base's last accepted token, "" if unknown.
            pauses: seconds before each further try where a service gives no answer.
        """
        self._clients = clients
        self._is_busy = is_busy
        self._live = live
        self._tasks = tasks
        self._remembered_owner = remembered_owner
        self._pauses = pauses
        self._considered: set[_Offer] = set()
        self._turns: dict[tuple[Kind, str], asyncio.Lock] = {}

    def offer(self, api_base: str, token: str, endpoint: str, hub_token: str) -> None:
        """Look at what a shell hands in; returns at once.

        Args:
            api_base: the API that it is for.
            token: Replicate's token, "" for none.
            endpoint: the Hub's address, "" for none.
            hub_token: the Hub's token, "" for none.
        """
        if token:
            self._look_at(_Offer("replicate", api_base, Secret(token)))
        secret = Secret(hub_token) if hub_token else None
        hub = hub_meant(CallerTokens(api_base, None, secret, endpoint))
        if hub is None:
            return
        if secret is not None and hub:
            self._look_at(_Offer("huggingface", api_base, secret, hub))
        elif self._used("huggingface", api_base) is None or not self._is_busy(api_base):
            self._clients.tokens.use_hub(api_base, hub)

    def _used(self, kind: Kind, api_base: str) -> Token | None:
        return self._clients.tokens.known(kind, api_base)

    def _look_at(self, offer: _Offer) -> None:
        if is_open(offer.hub or offer.api_base):
            # Nobody is asked over an open line. Where the settings allow one, the newest counts.
            if not self._is_busy(offer.api_base):
                self._take(offer)
            return
        used = self._used(offer.kind, offer.api_base)
        if self._is_in_use(offer, used) or (used is None and not self._is_busy(offer.api_base)):
            self._take(offer)
        elif offer not in self._considered:
            self._considered.add(offer)
            self._tasks.start(self._consider(offer), f"a {offer.kind} token is handed in")

    def _is_in_use(self, offer: _Offer, used: Token | None) -> bool:
        box = self._clients.tokens
        same_hub = not offer.hub or offer.hub == box.hub(offer.api_base)
        return used is not None and used.secret == offer.secret and same_hub

    def _take(self, offer: _Offer) -> None:
        box = self._clients.tokens
        if offer.hub:
            box.use_hub(offer.api_base, offer.hub)
        box.give(offer.kind, offer.api_base, offer.secret.reveal(), "environment")

    async def _consider(self, offer: _Offer) -> None:
        try:
            # Two shells at once: the second meets the outcome of the first.
            turn = self._turns.setdefault((offer.kind, offer.api_base), asyncio.Lock())
            for pause in chain(self._pauses, repeat(None)):
                async with turn:
                    settled = await self._settle(offer)
                missing = self._used(offer.kind, offer.api_base) is None
                if settled or (pause is None and not missing):
                    return
                await asyncio.sleep(pause or self._pauses[-1])
        finally:
            self._considered.discard(offer)

    async def _settle(self, offer: _Offer) -> bool:
        """Take a token or leave it; False where the service could not say."""
        used = await self._clients.tokens.find(offer.kind, offer.api_base)
        unopposed = used is None and (offer.hub or not self._is_busy(offer.api_base))
        if unopposed or self._is_in_use(offer, used):
            self._take(offer)
            return True
        hub = self._clients.tokens.hub(offer.api_base)
        found = await self._ask(offer)
        if found.state != "accepted":
            return found.state == "refused"
        moves = bool(offer.hub) and offer.hub != hub
        if not moves:
            self._clients.tokens.learn_owner(offer.kind, offer.api_base, offer.secret, found.owner)
        before = TokenVerdict("unknown") if moves else await self._owner_of(offer, used)
        if self._used(offer.kind, offer.api_base) != used:  # replaced by hand meanwhile
            return False
        fits = before.state == "refused" or (before.owner != "" and before.owner == found.owner)
        if fits or not self._is_busy(offer.api_base):
            self._take(offer)
            return True
        return moves or before.state != "unknown"

    async def _owner_of(self, offer: _Offer, used: Token | None) -> TokenVerdict:
        """Whose jobs are under way, as far as the token in use tells.

        `refused` where that is not known and need not be: the token in use works no more.
        """
        remembered = self._remembered_owner(offer.api_base) if not offer.hub else ""
        if used is None:
            return TokenVerdict("accepted", remembered) if remembered else TokenVerdict("refused")
        if owner := self._clients.tokens.owner(offer.kind, offer.api_base, used.secret):
            return TokenVerdict("accepted", owner)
        found = await self._ask(_Offer(offer.kind, offer.api_base, used.secret, offer.hub))
        if found.state == "accepted":
            self._clients.tokens.learn_owner(offer.kind, offer.api_base, used.secret, found.owner)
        return (
            TokenVerdict("accepted", remembered)
            if found.state == "refused" and remembered
            else found
        )

    async def _ask(self, offer: _Offer) -> TokenVerdict:
        """Whose a token is, by the service itself."""
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
        except (AuthenticationError, ForbiddenError):
            return TokenVerdict("refused")
        except (ReplicateError, OSError):
            return TokenVerdict("unknown")
