"""Publishing: the Hub's token, its name spaces, whether a repository is there, licences."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import httpx
from aiohttp import web

from tui.base.errors import RefusedError
from tui.destinations.card.model_card import licence_name
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.names import check_repo_id
from tui.destinations.hub.probe import availability
from tui.engine.credentials.token_service import NO_HUB, NO_HUB_ADVICE
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, read_object, text_of, wrong
from tui.engine.http_api.schemas import ANY_OBJECT, FLAG, TEXT, TEXTS, maybe, shape
from tui.replicate.failures import unreached
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.settings.network import network_of

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
        self._spaces: dict[tuple[str, str, Secret | None], tuple[float, dict[str, Any]]] = {}

    def routes(self) -> list[Route]:
        """The group's routes."""
        status = shape({"hf_configured": FLAG, "hf_token_valid": FLAG, "hf_username": maybe(TEXT),
                        "local_upload_available": FLAG, "local_upload_dir": TEXT,
                        "message": TEXT})  # fmt: skip
        user = shape({"valid": FLAG, "username": maybe(TEXT), "message": TEXT})
        done = shape({"success": FLAG, "message": TEXT})
        return [
            Route("GET", "/api/cloud/publishing/status", self._status, "Where results can go",
                  status),
            Route("GET", "/api/cloud/publishing-status", self._status, "The same", status),
            Route("GET", "/api/cloud/local-upload/config", self._local, "Delivery to this machine",
                  shape({"enabled": FLAG, "endpoint_url": maybe(TEXT), "bucket": TEXT,
                         "outputs_dir": TEXT})),
            Route("GET", "/api/publishing/token/validate", self._validate,
                  "Whether the Hub takes the token", user),
            Route("POST", "/api/publishing/token/save", self._save,
                  "Keep a Hub token in the system's keyring", done, shape({"token": TEXT})),
            Route("POST", "/api/publishing/token/logout", self._logout,
                  "Forget the Hub token in the keyring", done),
            Route("GET", "/api/publishing/namespaces", self._namespaces,
                  "Where the token's owner may publish",
                  shape({"username": TEXT, "organizations": TEXTS, "namespaces": TEXTS})),
            Route("POST", "/api/publishing/repository/check", self._repository,
                  "Whether a repository is there",
                  shape({"exists": FLAG, "available": FLAG, "message": TEXT, "repo_id": TEXT,
                         "private": maybe(FLAG)}), shape({"repo_id": TEXT})),
            Route("POST", "/api/publishing/license", self._license,
                  "The licence that a family's results inherit; empty when it is not known",
                  shape({"license": TEXT}),
                  ANY_OBJECT),
        ]  # fmt: skip

    def _base(self, request: web.Request) -> str:
        return base_of(request, self._engine.api_base)

    async def _status(self, request: web.Request) -> web.Response:
        base = self._base(request)
        found = await self._engine.tokens.validate(_KIND, base)
        endpoint = self._engine.listening.storage_url(base)
        hub = f"The Hub knows you as {found['username']}." if found["valid"] else found["error"]
        local = "Files can come to this machine." if endpoint else "No public URL is set."
        return web.json_response(
            {
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
        )

    async def _local(self, request: web.Request) -> web.Response:
        endpoint = self._engine.listening.storage_url(self._base(request))
        return web.json_response(
            {
                "enabled": endpoint is not None,
                "endpoint_url": endpoint,
                "bucket": "outputs",
                "config_json": None,  # each job gets keys of its own, as secret inputs
                "outputs_dir": str(self._engine.listening.outputs),
            }
        )

    async def _validate(self, request: web.Request) -> web.Response:
        found = await self._engine.tokens.validate(_KIND, self._base(request))
        words = f"Signed in as {found['username']}." if found["valid"] else found["error"]
        return web.json_response(
            {"valid": found["valid"], "username": found["username"], "message": words}
        )

    async def _save(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        kept = await self._engine.tokens.set(_KIND, self._base(request), text_of(body, "token"))
        self._spaces.clear()
        validation = kept["validation"]
        if validation["valid"]:
            words = f"Kept in {kept['backend'] or 'the keyring'}, as {validation['username']}."
        else:
            words = f"Kept, but not proven: {validation['error']}"
        return web.json_response({"success": True, "message": words, "warnings": kept["warnings"]})

    async def _logout(self, request: web.Request) -> web.Response:
        answer = await self._engine.tokens.delete(_KIND, self._base(request))
        self._spaces.clear()
        words = "Forgotten." if answer["deleted"] else "There was no stored token."
        return web.json_response({"success": True, "message": words})

    async def _namespaces(self, request: web.Request) -> web.Response:
        base = self._base(request)
        token = await self._engine.clients.tokens.find(_KIND, base)
        key = (base, self._engine.clients.hub_endpoint(base), token.secret if token else None)
        read_at, known = self._spaces.get(key, (0.0, {}))
        if not known or time.monotonic() - read_at > _FRESH:
            found = await self._engine.tokens.validate(_KIND, base)
            if not found["valid"]:
                status = 502 if found["reason"] in ("unreachable", "rate_limited") else 401
                code = "provider_error" if status == 502 else "unauthorised"
                raise RefusedError(found["error"] or "", found["advice"], status=status, code=code)
            names = found["organisations"]
            known = {
                "username": found["username"],
                "organizations": names,
                "namespaces": [found["username"], *names],
            }
            self._spaces[key] = (time.monotonic(), known)
        return web.json_response(known)

    async def _repository(self, request: web.Request) -> web.Response:
        text = text_of(await read_object(request), "repo_id")
        try:
            repo_id = check_repo_id(text)
        except PublishError as error:
            raise RefusedError(error.message, error.advice) from None
        base = self._base(request)
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
        return web.json_response(
            {"exists": state in ("ours", "taken"), "available": state == "free", "message": words,
             "repo_id": repo_id, "private": private}
        )  # fmt: skip

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
        headers = self._engine.tokens.hub_headers(base)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=_SECONDS) as client:
                return await client.get(f"{endpoint}{path}", headers=headers)
        except (httpx.HTTPError, OSError) as error:
            lost = unreached(error, endpoint, network, what="a repository")
            raise RefusedError(
                lost.message, lost.advice, status=502, code="provider_error"
            ) from None

    async def _license(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        name = text_of(body, "model_family")
        if not name:
            raise wrong("model_family", "is missing")
        return web.json_response({"license": licence_name(name, text_of(body, "model_flavour"))})
