"""The account behind a token, the versions of a model, and the configs on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_judge import BAD, judge
from tui.engine.runtime.event_bus import EventBus
from tui.engine.submission.model_catalog import ModelCatalog, version_choice, version_row
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.release_profiles import ReleaseProfiles
from tui.replicate.errors import ReplicateError
from tui.simpletuner.config.load import configs_from
from tui.store.fact_names import scoped
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import planning, providers


class AccountService:
    """Validates the Replicate token and lists model versions and configs."""

    def __init__(
        self,
        *,
        catalog: ModelCatalog,
        clients: ReplicateClients,
        bus: EventBus,
        live: LiveSettings,
        preparer: Preparer,
        releases: ReleaseProfiles,
        writer: StoreWriter,
    ) -> None:
        self._catalog = catalog
        self._clients = clients
        self._bus = bus
        self._live = live
        self._preparer = preparer
        self._releases = releases
        self._writer = writer
        self._request_count = 0
        self._latest: dict[str, tuple[int, providers.AccountValidation]] = {}

    async def validate(self, api_base: str) -> providers.AccountValidation:
        """Ask Replicate for the account of the token, and keep the answer for the windows.

        When the token is not valid, `reason` is `none` (there is no token), `unencrypted` (it is
        not sent to the address), `rejected` (mistyped, revoked or of another service),
        `forbidden`, `rate_limited` or `unreachable`; the last two say nothing about the token.
        """
        tokens = self._clients.tokens
        own = tokens.own("replicate", api_base) is not None or bool(
            tokens.environment_problem("replicate", api_base)
        )
        self._request_count += 1
        request_number = self._request_count
        answer: providers.AccountValidation = {
            "valid": False, "user_info": None, "error": None, "token_source": None, "reason": None,
            "api_base": api_base, "sandbox": is_loopback(api_base),
        }  # fmt: skip
        try:
            token = await self._clients.token(api_base)
            answer["token_source"] = token.source
            account = await (await self._clients.get(api_base)).account()
        except ReplicateError as error:
            reason = judge(error)
            answer |= {"error": error.message, "advice": error.advice, "reason": reason}
            if reason not in BAD:
                answer["unreachable"] = True
        else:
            user: providers.AccountUser = {
                "username": account.username,
                "name": account.name,
                "type": account.type,
                "github_url": account.github_url,
            }
            answer |= {"valid": True, "user_info": user}
            self._clients.tokens.learn_owner("replicate", api_base, token.secret, account.username)
        if own:  # a token of this call alone: the windows show the engine's
            return answer
        newest, latest = self._latest.get(api_base, (0, answer))
        # An answer that overtook this one counts: the network settings may have changed meanwhile.
        if newest > request_number:
            return latest
        self._latest[api_base] = (request_number, answer)
        fact = scoped("account", api_base)
        self._writer.set_fact(fact, answer)
        self._bus.publish("fact", name=fact)
        return answer

    def remembered_owner(self, api_base: str) -> str:
        """Return the account of the last valid token of an API base; "" if unknown."""
        known = self._writer.fact(scoped("account", api_base)) or {}
        user = known.get("user_info") if known.get("valid") else None
        return str(user.get("username") or "") if isinstance(user, dict) else ""

    async def versions(self, api_base: str, model: str) -> providers.ModelVersions:
        """Return the versions of a model, and the release of the one in use.

        Raises:
            RefusedError: no model is named.
        """
        if not model:
            raise RefusedError("Which model?", "Add ?model_id=owner/name.")
        rows = await self._catalog.versions(api_base, model, fresh=True)
        pinned = self._live.now.cloud.pinned_versions.get(model)
        used = next((row for row in rows if pinned in (None, row.id)), None)
        release = None if used is None else self._releases.describe(
            api_base, version_choice(model, used)
        )  # fmt: skip
        return {
            "versions": [version_row(model, row) for row in rows],
            "current_version": pinned,
            "release": release,
            "error": None,
        }

    async def configs(self, cwd: str | None = None) -> list[planning.AvailableConfig]:
        """Return the training configs of `cwd`, then those below the other roots."""
        here = Path(cwd).expanduser() if cwd else None
        refs = await asyncio.to_thread(configs_from, here, self._preparer.config_roots())
        return [{"name": ref.name, "path": str(ref.path), "is_active": False} for ref in refs]
