"""Publishing's calls by name; see `ControlClient.publishing`. Standard library only."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tui.client.cloud import Caller


class PublishingCalls:
    """Typed names for destinations, transfers and artifacts."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _call(self, method: str, path: str, body: Any = None, limit: float = 30.0) -> Any:
        return await self._caller.call(method, f"/api/engine/{path}", body, timeout=limit)

    async def destinations(self) -> list[dict[str, Any]]:
        """`[{name, kind, options, tested: {at, ok, steps} | None, keys}]`.

        `keys` is where an S3 destination's keys are: `keyring`, `session` or `none`; else None.
        """
        found: list[dict[str, Any]] = (await self._call("GET", "destinations"))["destinations"]
        return found

    async def add_destination(self, **values: Any) -> dict[str, Any]:
        """Keep one: `name`, `kind`, its options, `access_key`, `secret_key`, `session_only`."""
        found: dict[str, Any] = await self._call("POST", "destinations", values)
        return found

    async def change_destination(self, name: str, **values: Any) -> dict[str, Any]:
        """Change options; keys that are not given stay, as long as the server is the same."""
        path = f"destinations/{quote(name, safe='')}"
        found: dict[str, Any] = await self._call("PUT", path, values)
        return found

    async def remove_destination(self, name: str, *, force: bool = False) -> dict[str, Any]:
        """Forget one and its keys; with `force` also when half-sent parts lie there."""
        path = f"destinations/{quote(name, safe='')}{'?force=1' if force else ''}"
        found: dict[str, Any] = await self._call("DELETE", path)
        return found

    async def test_destination(self, name: str) -> dict[str, Any]:
        """`{name, ok, steps: [{name, level, message, advice}]}`."""
        path = f"destinations/{quote(name, safe='')}/test"
        found: dict[str, Any] = await self._call("POST", path, {}, 180.0)
        return found

    async def transfers(self) -> list[dict[str, Any]]:
        """All transfers in their order, with their files; `ahead` is how many go before it."""
        found: list[dict[str, Any]] = (await self._call("GET", "transfers"))["transfers"]
        return found

    async def publish(self, job_id: str, to: str, **options: Any) -> dict[str, Any]:
        """Queue a job's files; answers the transfer.

        Options: `files` (names) or `checkpoint` (a step, `final`, `best`), else all; `card`,
        `overwrite_card`, `overwrite` (replace other files of the same names), `private`.
        """
        body = {"job_id": job_id, "to": to, **options}
        found: dict[str, Any] = await self._call("POST", "transfers", body)
        return found

    async def look_ahead(self, job_id: str, to: str, **options: Any) -> dict[str, Any]:
        """What publishing would do: `{target, kind, size, files, replaces, card, card_problem}`.

        `replaces` names files that other ones there have the names of; `card` is `missing`,
        `ours`, `edited`, `foreign`, `none` or `unknown`.
        """
        body = {"job_id": job_id, "to": to, **options}
        found: dict[str, Any] = await self._call("POST", "transfers/look", body, 90.0)
        return found

    async def clear_list(self, transfer_id: str = "") -> list[str]:
        """Take ended transfers off the list, or one of them; answers their ids."""
        found = await self._call("POST", "transfers/clear", {"id": transfer_id})
        cleared: list[str] = found["cleared"]
        return cleared

    async def act(self, transfer_id: str, action: str) -> dict[str, Any]:
        """`pause`, `resume`, `cancel`, `retry`, `up`, `down` or `top`; answers the transfer."""
        path = f"transfers/{quote(transfer_id, safe='')}/{action}"
        found: dict[str, Any] = await self._call("POST", path, {})
        return found

    async def limit(self, bandwidth: str) -> int:
        """How fast all transfers together may be, as typed (`5 MiB/s`, `off`); in bytes then."""
        found = await self._call("PUT", "transfers/limit", {"bandwidth": bandwidth})
        return int(found["bandwidth"])

    async def artifacts(self, job: str = "") -> list[dict[str, Any]]:
        """What jobs produced and where it is published; all jobs without an id."""
        path = f"artifacts?job={quote(job, safe='')}"
        found: list[dict[str, Any]] = (await self._call("GET", path, limit=120.0))["jobs"]
        return found

    async def clear(self, job_id: str, files: list[str]) -> dict[str, Any]:
        """Delete local copies that are safe elsewhere: `{deleted: [{name, at}], kept: [...]}`."""
        body = {"job_id": job_id, "files": files}
        found: dict[str, Any] = await self._call("POST", "artifacts/clear", body, 600.0)
        return found
