"""The servers of bench_webhooks, each in a process of its own: `python -m … KIND`."""

from __future__ import annotations

import asyncio
import hmac
import json
import sys

from aiohttp import web

from tui.listener.app import PublicRunner, build_app
from tui.listener.webhooks import WEBHOOK_PATH, WebhookEvent, WebhookReceiver, WebhookSecrets
from tui.replicate.secret import Secret

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


async def _fetch() -> Secret | None:
    return SECRET


async def _use(_event: WebhookEvent) -> None:
    pass


async def _read(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response({"status": "received", "size": len(body)})


async def _hash_and_parse(request: web.Request) -> web.Response:
    body = await request.read()
    hmac.digest(b"key", body, "sha256")
    return web.json_response({"status": "received", "size": len(json.loads(body))})


async def main(kind: str) -> None:
    """Serve until standard input ends; the port is the first line of output."""
    if kind == "ours":
        receiver = WebhookReceiver(WebhookSecrets(_fetch), _use)
        runner: web.AppRunner = PublicRunner(build_app([receiver]))
    else:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post(WEBHOOK_PATH, _read if kind == "bare" else _hash_and_parse)
        runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
