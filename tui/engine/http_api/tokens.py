"""The Replicate token over HTTP. What comes in is kept in the keyring; nothing goes out."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, read_object
from tui.engine.http_api.schemas import FLAG, TEXT, TEXTS, maybe, shape

_KIND: Final = "replicate"
_PATH: Final = "/api/cloud/providers/replicate/token"
_ANSWER: Final = shape({"success": FLAG, "file_path": maybe(TEXT), "error": maybe(TEXT)})


class TokenRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        stored = {**_ANSWER, "properties": {**_ANSWER["properties"], "warnings": TEXTS}}
        body = shape({"api_token": TEXT})
        return [
            Route("PUT", _PATH, self._save, "Keep a token in the system's keyring", stored, body),
            Route("DELETE", _PATH, self._delete, "Forget the token in the keyring", _ANSWER),
        ]

    async def _save(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        base = base_of(request, self._engine.api_base)
        text = body.get("api_token")
        if not isinstance(text, str) or not text.strip():
            raise _refused("Token cannot be empty")
        if not text.strip().startswith("r8_"):
            raise _refused("Invalid token format. Replicate tokens start with 'r8_'")
        kept = await self._engine.tokens.set(_KIND, base, text)
        validation = kept["validation"]
        error = None
        if not validation["valid"]:
            error = f"Token saved but validation failed: {validation['error']}"
        answer = {
            "success": True,
            "file_path": None,  # never in a file
            "error": error,
            "stored": kept["stored"],
            "backend": kept["backend"],
            "warnings": kept["warnings"],
        }
        return web.json_response(answer)

    async def _delete(self, request: web.Request) -> web.Response:
        base = base_of(request, self._engine.api_base)
        answer = await self._engine.tokens.delete(_KIND, base)
        words = None if answer["deleted"] else "There was no stored token."
        return web.json_response({"success": True, "file_path": None, "error": words})


def _refused(words: str) -> RefusedError:
    return RefusedError(
        words,
        "Copy it from https://replicate.com/account/api-tokens",
        details={"success": False, "fields": {"api_token": words}},
    )
