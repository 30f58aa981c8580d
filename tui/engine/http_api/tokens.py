"""The Replicate token over HTTP. What comes in is kept in the keyring; nothing goes out."""

from __future__ import annotations

from typing import Final

from tui.api import paths, providers
from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations

_KIND: Final = "replicate"


class TokenRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        # SimpleTuner's own clients may send more than the shape holds.
        operations.add(paths.SAVE_PROVIDER_TOKEN, self._save, extra="ignore")
        operations.add(paths.DELETE_PROVIDER_TOKEN, self._delete)

    async def _save(self, call: Call[providers.TokenSave, None]) -> providers.TokenAnswer:
        text = call.body["api_token"].strip()
        if not text:
            raise _refused("Token cannot be empty")
        if not text.startswith("r8_"):
            raise _refused("Invalid token format. Replicate tokens start with 'r8_'")
        kept = await self._engine.tokens.set(_KIND, call.api_base, text)
        validation = kept["validation"]
        error = None
        if not validation["valid"]:
            error = f"Token saved but validation failed: {validation['error']}"
        return {
            "success": True,
            "file_path": None,  # never in a file
            "error": error,
            "stored": kept["stored"],
            "backend": kept["backend"],
            "warnings": kept["warnings"],
        }

    async def _delete(self, call: Call[None, None]) -> providers.TokenAnswer:
        answer = await self._engine.tokens.delete(_KIND, call.api_base)
        words = None if answer["deleted"] else "There was no stored token."
        return {"success": True, "file_path": None, "error": words}


def _refused(words: str) -> RefusedError:
    return RefusedError(
        words,
        "Copy it from https://replicate.com/account/api-tokens",
        details={"success": False, "fields": {"api_token": words}},
    )
