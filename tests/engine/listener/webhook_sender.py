"""Sends webhooks as Replicate does."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx

from tests.engine.world import World
from tui.listener.webhooks import WEBHOOK_PATH
from tui.replicate.secret import Secret
from tui.replicate.webhook import sign_webhook


async def send(
    world: World, body: dict[str, Any], *, key: str = "", signed: bool = True, **headers: str
) -> httpx.Response:
    """Post a webhook as Replicate does."""
    raw = json.dumps(body).encode()
    if signed:
        secret = Secret(world.sandbox.core.hooks.secret)
        name, stamp = f"msg_{secrets.token_hex(8)}", int(time.time())
        headers |= {
            "webhook-id": name,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign_webhook(secret, name, stamp, raw),
        }
    url = f"http://{world.engine.listening.address}{WEBHOOK_PATH}"
    async with httpx.AsyncClient() as client:
        return await client.post(
            url, content=raw, params={"key": key} if key else {}, headers=headers
        )
