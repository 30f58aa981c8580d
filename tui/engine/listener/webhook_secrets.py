"""The webhook signing secrets by API base, which stands for an account."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from tui.engine.credentials.caller_tokens import engine_wide
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.listener.webhooks import WebhookSecrets
from tui.replicate.errors import ReplicateError
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret

LOG = logging.getLogger(__name__)


class AccountWebhookSecrets:
    """Keeps one `WebhookSecrets` for each API base, fetched with the token of that base.

    Attributes:
        problem: why the last fetch failed, by API base.
    """

    def __init__(self, clients: ReplicateClients) -> None:
        self._clients = clients
        self._by_base: dict[str, WebhookSecrets] = {}
        self.problem: dict[str, str] = {}

    def of(self, api_base: str) -> WebhookSecrets:
        """The secrets of an API base; creates them on first use."""
        if api_base not in self._by_base:
            self._by_base[api_base] = WebhookSecrets(self._fetcher(api_base))
        return self._by_base[api_base]

    def forget(self, api_base: str) -> None:
        """Drop the secret of an API base whose token, and so perhaps its account, has changed."""
        self._by_base.pop(api_base, None)

    def _fetcher(self, api_base: str) -> Callable[[], Awaitable[Secret | None]]:
        async def fetch() -> Secret | None:
            try:
                with engine_wide():  # the answer is kept for all callers
                    secret = await (await self._clients.get(api_base)).webhook_secret()
            except ReplicateError as error:
                LOG.warning("the webhook secret could not be fetched: %s", error.message)
                self.problem[api_base] = error.message
                return None
            self.problem.pop(api_base, None)
            KNOWN.add(secret, secret.reveal().removeprefix("whsec_"))
            return secret

        return fetch
