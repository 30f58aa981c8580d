"""Asks the Hub where the token may publish, and whether a repository's name is free.

It asks with the token that the job gets, and caches the answers for a minute, because a form asks
while the user types.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.errors import TOKENS_PAGE
from tui.destinations.hub.names import Identity
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_service import NO_HUB, NO_HUB_ADVICE
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.errors import Level
from tui.simpletuner.request.delivery import read_repo

if TYPE_CHECKING:
    from tui.api import publishing

T = TypeVar("T")
State = Literal["free", "ours", "taken", "unknown"]
_CACHE_SECONDS: Final = 60.0
"""Seconds for which an answer is cached."""
_TIMEOUT: Final = 20.0
_MAX_CACHED: Final = 200


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Whether a job may write to a repository.

    Attributes:
        repo: `owner/name`; the name alone when its owner is not known.
        state: `free` (does not exist), `ours` (the token may write to it), `taken` (it may not), or
            `unknown`.
        level: `ok` when the Hub's answer says that the upload will work.
        words: the same as a sentence for the user.
        advice: what the user can do.
    """

    repo: str
    state: State
    level: Level
    words: str
    advice: str = ""

    def check(self) -> Check:
        """The state as a finding of the checks."""
        return Check("hub-repo", self.level, self.words, self.advice)


class HubRepositories:
    """Asks the Hub, at most once a minute for each question."""

    def __init__(self, clients: ReplicateClients, live: LiveSettings) -> None:
        self._clients = clients
        self._live = live
        self._cache: dict[tuple[object, ...], tuple[float, Any]] = {}

    async def identity(self, api_base: str) -> Identity:
        """The owner of the token.

        Raises:
            PublishError: there is no token, or the Hub refuses it or does not answer.
        """
        token, endpoint = await self._token(api_base)
        return await self.identity_of(token, endpoint)

    async def identity_of(self, token: Secret, endpoint: str) -> Identity:
        """The owner of any token of a Hub.

        Raises:
            PublishError: the Hub refuses it or does not answer.
        """
        network = self._live.now.network

        def ask() -> Identity:
            from tui.destinations.hub.probe import identity

            return identity(token, endpoint=endpoint, network=network)

        return await self._cached(("identity", endpoint, token), ask)

    async def readable(self, api_base: str, repo: str, token: Secret | None = None) -> bool:
        """Check that a token may download a model, by default the one that is in use.

        Raises:
            PublishError: it may not, there is none, or the Hub does not answer.
        """
        used, endpoint = await self._token(api_base)
        token = token or used
        network = self._live.now.network

        def ask() -> bool:
            from tui.destinations.hub.probe import check_readable

            return check_readable(repo, token, endpoint=endpoint, network=network)

        return await self._cached(("readable", endpoint, token, repo), ask)

    async def may_be_asked(self, api_base: str) -> bool:
        """Whether there is a Hub and a token for it, so that a question can be asked."""
        try:
            await self._token(api_base)
        except PublishError:
            return False
        return True

    async def known_identity(self, api_base: str) -> Identity | None:
        """The owner of the token, if that was asked within the last minute; asks nobody."""
        token, endpoint = await self._token(api_base)
        known: Identity | None = self._fresh(("identity", endpoint, token))
        return known

    async def knows_readable(self, api_base: str, repo: str, token: Secret | None = None) -> bool:
        """Whether `readable` answers at once, from an answer of the last minute."""
        used, endpoint = await self._token(api_base)
        return self._fresh(("readable", endpoint, token or used, repo)) is not None

    async def namespaces(self, api_base: str) -> publishing.HubIdentity:
        """Where the token may publish: `{user, role, namespaces: [{name, kind, writable}]}`.

        Raises:
            PublishError: see `identity`.
        """
        owner = await self.identity(api_base)
        names: list[publishing.HubNamespace] = [
            {"name": namespace.name, "kind": namespace.kind, "writable": namespace.writable}
            for namespace in owner.namespaces
        ]  # fmt: skip
        return {"user": owner.user, "role": owner.role, "namespaces": names}

    async def look(self, api_base: str, text: str, *, private: bool = True) -> RepositoryState:
        """Look up a repository; errors become its state and are not raised.

        Args:
            api_base: API whose jobs will write to it.
            text: name or web address, as the user types it.
            private: whether it will be created as private.
        """
        try:
            repo = read_repo(text)
        except ValueError as error:
            return RepositoryState(text, "unknown", "error", f"{text!r} {error}")
        try:
            owner = await self.identity(api_base)
            full_name = repo if "/" in repo else f"{owner.user}/{repo}"
            state = await self._state(api_base, full_name)
        except PublishError as error:
            certain = error.kind in (Trouble.CREDENTIALS, Trouble.PERMISSION)
            message = f"write access to {repo} is not proved: {error.message}".rstrip(".")
            return RepositoryState(
                repo, "unknown", "error" if certain else "warn", message, error.advice
            )
        return _repository_state(full_name, state, owner, private=private)

    async def _state(self, api_base: str, repo: str) -> State:
        token, endpoint = await self._token(api_base)
        network = self._live.now.network

        def ask() -> State:
            from tui.destinations.hub.probe import availability

            return availability(repo, token, endpoint=endpoint, network=network)

        return await self._cached(("state", endpoint, token, repo), ask)

    async def _token(self, api_base: str) -> tuple[Secret, str]:
        endpoint = self._clients.hub_endpoint(api_base)
        if not endpoint:
            raise PublishError(NO_HUB, NO_HUB_ADVICE, Trouble.NAME)
        token = await self._clients.tokens.find("huggingface", api_base)
        if token is None:
            raise PublishError(*self._clients.no_hub_token(api_base), Trouble.CREDENTIALS)
        return token.secret, endpoint

    def _fresh(self, key: tuple[object, ...]) -> Any:
        """An answer that still counts; None without one."""
        cached_at, value = self._cache.get(key, (0.0, None))
        return value if cached_at and time.monotonic() - cached_at < _CACHE_SECONDS else None

    async def _cached(self, key: tuple[object, ...], ask: Callable[[], T]) -> T:
        known: T | None = self._fresh(key)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await asyncio.to_thread(ask)
        except TimeoutError:
            message = "The Hub does not answer."
            raise PublishError(message, "Check the network.", Trouble.NETWORK) from None
        while len(self._cache) >= _MAX_CACHED:
            self._cache.pop(next(iter(self._cache)))
        self._cache[key] = (time.monotonic(), answer)
        return answer


def _repository_state(
    repo: str, state: State, identity: Identity, *, private: bool
) -> RepositoryState:
    owner = repo.partition("/")[0]
    allowed = identity.may_write(repo)
    if state == "ours":
        return RepositoryState(
            repo, state, "ok", f"{repo} is yours; write access proved, files are added"
        )
    if owner not in {namespace.name for namespace in identity.namespaces} and allowed is not True:
        writable = ", ".join(namespace.name for namespace in identity.namespaces)
        message = f"{repo} is not yours: @{identity.user} does not belong to {owner}"
        return RepositoryState(
            repo, "taken", "error", message, f"Publish under one of: {writable}."
        )
    if state == "taken" or allowed is False:
        state_text = "exists, and" if state == "taken" else "is free, but"
        message = f"{repo} {state_text} the token may not write to it"
        return RepositoryState(
            repo, state, "error", message, f"Give it write access to {owner}: {TOKENS_PAGE}"
        )
    if allowed is None:
        message = f"{repo} is free; whether the token may make it is not told"
        return RepositoryState(
            repo, state, "warn", message, "It will turn out when the trainer makes it."
        )
    visibility = "private" if private else "public"
    return RepositoryState(
        repo, state, "ok", f"{repo} is free and will be made, {visibility}; token may write"
    )
