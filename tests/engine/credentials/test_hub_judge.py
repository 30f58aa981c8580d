"""The judge of a Hub token: only an answer about the token itself refuses it."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tui.engine.credentials.token_service import hub_owner
from tui.replicate.network import Network
from tui.replicate.secret import Secret

HTML = "<html><title>Just a moment...</title></html>"


@pytest.mark.parametrize(
    ("status", "kind", "body", "reason"),
    [
        (401, "application/json", '{"error": "Invalid username or password."}', "rejected"),
        (401, "text/html", HTML, "unreachable"),
        (403, "application/json", '{"error": "no"}', "rejected"),
        (403, "text/html", HTML, "unreachable"),
        (404, "text/html", HTML, "unreachable"),
        (500, "application/json", '{"error": "down"}', "unreachable"),
        (503, "text/html", HTML, "unreachable"),
        (200, "text/html", HTML, "unreachable"),
        (200, "application/json", "[]", "unreachable"),
    ],
)
async def test_only_a_refusal_of_the_token_rejects_it(
    status: int, kind: str, body: str, reason: str
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, content_type=kind, text=body)

    app = web.Application()
    app.router.add_get("/api/whoami-v2", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        judged = await hub_owner(url, Secret("hf_something"), Network(trust_env=False))
    assert (judged["valid"], judged["reason"]) == (False, reason)
    assert judged["advice"]
