"""Publishing: the Hub's token, its name spaces, whether a repository is there, licences."""

from __future__ import annotations

import asyncio
import time
from typing import Final, TypeAlias

import httpx

from tui.api import paths, publishing
from tui.base.errors import RefusedError
from tui.destinations.card.model_card import licence_name
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.names import check_repo_id
from tui.destinations.hub.probe import availability
from tui.engine.credentials.token_service import NO_HUB, NO_HUB_ADVICE
from tui.engine.engine import Engine
from tui.engine.http_api.body import wrong
from tui.engine.http_api.operation import Call, Operations
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.settings.network import network_of

_SpacesKey: TypeAlias = tuple[str, str, Secret | None]

_KIND: Final = "huggingface"
_SECONDS: Final = 15.0
_FRESH: Final = 300.0
"""Seconds that name spaces are remembered, as in SimpleTuner."""
_STATES: Final = {
    "free": "{} is not there, as far as this token can see.",
    "ours": "{} is there already.",
    "taken": "{} is taken: this token may not write to it.",
}


class PublishingRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spaces: dict[_SpacesKey, tuple[float, publishing.HubNamespaces | None]] = {}

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.PUBLISHING_STATUS, self._status)
        operations.add(paths.PUBLISHING_STATUS_OLD, self._status)
        operations.add(paths.LOCAL_UPLOAD, self._local)
        operations.add(paths.VALIDATE_HUB_TOKEN, self._validate)
        operations.add(paths.HUB_NAMESPACES, self._namespaces)
        # SimpleTuner's own clients may send more than these shapes hold.
        operations.add(paths.SAVE_HUB_TOKEN, self._save, extra="ignore")
        operations.add(paths.DELETE_HUB_TOKEN, self._logout)
        operations.add(paths.CHECK_REPOSITORY, self._repository, extra="ignore")
        operations.add(paths.LICENCE, self._license, extra="ignore")

    async def _status(self, call: Call[None, None]) -> publishing.PublishingStatus:
        found = await self._engine.tokens.validate(_KIND, call.api_base)
        endpoint = self._engine.listening.storage_url(call.api_base)
        hub = f"The Hub knows you as {found['username']}." if found["valid"] else found["error"]
        local = "Files can come to this machine." if endpoint else "No public URL is set."
        return {
            "hf_configured": found["token_source"] is not None,
            "hf_token_valid": found["valid"],
            "hf_username": found["username"],
            "hub_model_id": None,
            "push_to_hub": self._engine.live.now.cloud.delivery == "hub",
            "s3_configured": False,
            "s3_bucket": None,
            "local_upload_configured": endpoint is not None,
            "local_upload_available": endpoint is not None,
            "local_upload_dir": str(self._engine.listening.outputs),
            "message": f"{hub} {local}",
        }

    async def _local(self, call: Call[None, None]) -> publishing.LocalUploadConfig:
        endpoint = self._engine.listening.storage_url(call.api_base)
        return {
            "enabled": endpoint is not None,
            "endpoint_url": endpoint,
            "bucket": "outputs",
            "config_json": None,  # each job gets keys of its own, as secret inputs
            "outputs_dir": str(self._engine.listening.outputs),
        }

    async def _validate(self, call: Call[None, None]) -> publishing.HubTokenValidation:
        found = await self._engine.tokens.validate(_KIND, call.api_base)
        words = f"Signed in as {found['username']}." if found["valid"] else found["error"] or ""
        return {"valid": found["valid"], "username": found["username"], "message": words}

    async def _save(self, call: Call[publishing.HubTokenSave, None]) -> publishing.HubTokenAnswer:
        kept = await self._engine.tokens.set(_KIND, call.api_base, call.body["token"])
        self._spaces.clear()
        validation = kept["validation"]
        if validation["valid"]:
            words = f"Kept in {kept['backend'] or 'the keyring'}, as {validation['username']}."
        else:
            words = f"Kept, but not proven: {validation['error']}"
        return {"success": True, "message": words, "warnings": kept["warnings"]}

    async def _logout(self, call: Call[None, None]) -> publishing.HubTokenAnswer:
        answer = await self._engine.tokens.delete(_KIND, call.api_base)
        self._spaces.clear()
        words = "Forgotten." if answer["deleted"] else "There was no stored token."
        return {"success": True, "message": words}

    async def _namespaces(self, call: Call[None, None]) -> publishing.HubNamespaces:
        base = call.api_base
        token = await self._engine.clients.tokens.find(_KIND, base)
        key = (base, self._engine.clients.hub_endpoint(base), token.secret if token else None)
        read_at, known = self._spaces.get(key, (0.0, None))
        if known is None or time.monotonic() - read_at > _FRESH:
            found = await self._engine.tokens.validate(_KIND, base)
            if not found["valid"]:
                status = 502 if found["reason"] in ("unreachable", "rate_limited") else 401
                code = "provider_error" if status == 502 else "unauthorised"
                raise RefusedError(found["error"] or "", found["advice"], status=status, code=code)
            user, names = found["username"] or "", found.get("organisations", [])
            known = {"username": user, "organizations": names, "namespaces": [user, *names]}
            self._spaces[key] = (time.monotonic(), known)
        return known

    async def _repository(
        self, call: Call[publishing.RepositoryCheck, None]
    ) -> publishing.RepositoryState:
        try:
            repo_id = check_repo_id(call.body["repo_id"])
        except PublishError as error:
            raise RefusedError(error.message, error.advice) from None
        base = call.api_base
        endpoint = self._endpoint(base)
        token = await self._engine.clients.tokens.find(_KIND, base)
        if token is None:
            # The Hub says the same of what is not there, and of what is private.
            state, words = "unknown", f"Whether {repo_id} is free is told only to a token's owner."
        else:
            state = await self._state(repo_id, token.secret, endpoint)
            words = _STATES[state].format(repo_id)
        private = None
        reply = None if state == "free" else await self._ask(base, f"/api/models/{repo_id}")
        if reply is not None and reply.status_code == httpx.codes.OK:
            data = reply.json()
            private = data.get("private") if isinstance(data, dict) else None
            if state == "unknown":
                state, words = "ours", _STATES["ours"].format(repo_id)
        elif reply is not None and reply.status_code not in (401, 403, 404):
            raise RefusedError(
                f"The Hub answers {reply.status_code}.", status=502, code="provider_error"
            )
        return {
            "exists": state in ("ours", "taken"), "available": state == "free", "message": words,
            "repo_id": repo_id, "private": private,
        }  # fmt: skip

    async def _state(self, repo_id: str, token: Secret, endpoint: str) -> str:
        network = self._engine.live.now.network
        try:
            return await asyncio.to_thread(
                availability, repo_id, token, endpoint=endpoint, network=network
            )
        except PublishError as error:
            bad = error.kind is Trouble.CREDENTIALS
            raise RefusedError(
                error.message, error.advice, status=401 if bad else 502,
                code="unauthorised" if bad else "provider_error",
            ) from None  # fmt: skip

    def _endpoint(self, base: str) -> str:
        endpoint = self._engine.clients.hub_endpoint(base)
        if not endpoint:
            raise RefusedError(NO_HUB, NO_HUB_ADVICE, status=409, code="no_hub")
        return endpoint

    async def _ask(self, base: str, path: str) -> httpx.Response:
        endpoint = self._endpoint(base)
        network = network_of(self._engine.live.now.network)
        transport = RoutedTransport(network)
        url = f"{endpoint}{path}"
        headers = self._engine.tokens.hub_headers(base, url)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=_SECONDS) as client:
                return await client.get(url, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            lost = unreached(error, endpoint, network, what="a repository")
            raise RefusedError(
                lost.message, lost.advice, status=502, code="provider_error"
            ) from None

    async def _license(self, call: Call[publishing.LicenceQuestion, None]) -> publishing.Licence:
        name = call.body["model_family"]
        if not name:
            raise wrong("model_family", "is missing")
        return {"license": licence_name(name, call.body.get("model_flavour") or "")}
