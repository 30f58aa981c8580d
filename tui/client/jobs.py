"""What a job's form asks, by name. Standard library only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tui.client.cloud import Caller


class JobCalls:
    """Typed names for the routes of `job_desk`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def namespaces(self) -> list[dict[str, Any]]:
        """`[{name, kind: user|org, writable: bool | None}]`, the user first."""
        path = "/api/engine/hub/namespaces"
        found: list[dict[str, Any]] = (await self._caller.call("GET", path, timeout=45.0))[
            "namespaces"
        ]
        return found

    async def repository(self, name: str, *, private: bool = True) -> dict[str, Any]:
        """`{repo, state: free|ours|taken|unknown, level, words, advice}`."""
        query = urlencode({"name": name, "private": str(private).lower()})
        path = f"/api/engine/hub/repository?{query}"
        found: dict[str, Any] = await self._caller.call("GET", path, timeout=60.0)
        return found

    async def recommended(self, draft: dict[str, Any]) -> dict[str, Any]:
        """`{delivery, overrides, words}` for a draft."""
        path = "/api/engine/recommended"
        found: dict[str, Any] = await self._caller.call("POST", path, draft, timeout=120.0)
        return found
