"""The Cloud screen's calls by name; see `ControlClient.cloud`. Standard library only."""

from __future__ import annotations

from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

_PROVIDER: Final = "/api/cloud/providers/replicate"


class Caller(Protocol):
    """What carries the calls."""

    async def call(self, method: str, path: str, body: Any = None, *, timeout: float = ...) -> Any:
        """One call; raises `ControlError`."""


class CloudCalls:
    """Typed names for the routes below `/api/engine/`.

    A refused field stands in the error's `details["fields"]`, by name.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _call(self, method: str, path: str, body: Any = None, limit: float = 30.0) -> Any:
        return await self._caller.call(method, f"/api/engine/{path}", body, timeout=limit)

    async def spending(self, days: int = 30) -> dict[str, Any]:
        """Standing, chart, counts and average length; money in `…_micros`."""
        return _dict(await self._call("GET", f"spending?days={days}"))

    async def limit(self) -> dict[str, Any]:
        """How the limit stands."""
        return _dict(await self._call("GET", "limit"))

    async def set_limit(self, **values: Any) -> dict[str, Any]:
        """Change `enabled`, `amount` (as typed), `period`, `action`, `stop_running`."""
        return _dict(await self._call("PUT", "limit", values))

    async def rates(self) -> dict[str, Any]:
        """`{rates: [{profile, label, rate_micros, published_micros, changed, …}], read_on}`."""
        return _dict(await self._call("GET", "rates"))

    async def set_rates(self, rates: dict[str, Any]) -> dict[str, Any]:
        """Replace rates by profile; None brings a published one back."""
        return _dict(await self._call("PUT", "rates", rates))

    async def reset_rates(self) -> dict[str, Any]:
        """Bring all published rates back."""
        return _dict(await self._call("DELETE", "rates"))

    async def tokens(self) -> dict[str, Any]:
        """`{replicate: {in_use, environment, keyring, session, problem, …}, huggingface: {…}}`."""
        return _dict(await self._call("GET", "tokens"))

    async def set_token(
        self, kind: str, token: str, *, session_only: bool = False
    ) -> dict[str, Any]:
        """Store and validate; `keyring_unavailable` (409) leaves the session-only way."""
        body = {"token": token, "session_only": session_only}
        return _dict(await self._call("PUT", f"tokens/{quote(kind, safe='')}", body, 120.0))

    async def delete_token(self, kind: str) -> dict[str, Any]:
        """Forget a stored token."""
        return _dict(await self._call("DELETE", f"tokens/{quote(kind, safe='')}"))

    async def validate_token(self, kind: str) -> dict[str, Any]:
        """`{valid, username, error, advice, reason, token_source}`."""
        path = f"tokens/{quote(kind, safe='')}/validate"
        return _dict(await self._call("GET", path, limit=120.0))

    async def compare_versions(
        self, model: str, before: str = "", after: str = ""
    ) -> dict[str, Any]:
        """`{before, after, changes: [{name, kind, words}], missing: [{name, purpose, …}]}`."""
        query = urlencode({"model": model, "before": before, "after": after})
        return _dict(await self._call("GET", f"versions/compare?{query}", limit=120.0))

    async def pin_version(self, model: str, version: str | None) -> dict[str, Any]:
        """Pin a version (`owner/name:hash` works as the model, too); None follows the newest."""
        body = {"model": model, "version": version}
        return _dict(await self._call("PUT", "versions/pin", body, 120.0))

    async def network(self) -> dict[str, Any]:
        """The network settings, and the ways in use."""
        return _dict(await self._call("GET", "network"))

    async def set_network(self, **values: Any) -> dict[str, Any]:
        """Change the way out: `proxy`, `no_proxy`, `ca_bundle`, `ssl_verify`, `timeout`.

        Switching `ssl_verify` off needs `confirm=True` beside it.
        """
        return _dict(await self._call("PUT", "network", values))

    async def check_network(self) -> dict[str, Any]:
        """Look at every endpoint: `{endpoints: [{name, ok, phases, error, …}], ok, proxy, ca}`."""
        return _dict(await self._call("POST", "network/check", {}))

    async def status_page(self, *, fresh: bool = False) -> dict[str, Any]:
        """`{state, components, gpus, incidents, maintenances, error}`; never fails."""
        return _dict(await self._call("GET", f"status-page?fresh={int(fresh)}"))

    async def check_delivery(self, **body: Any) -> dict[str, Any]:
        """Prove a way (`kind`, `hub_model_id`, `config`): `{kind, ok, summary, steps}`."""
        return _dict(await self._call("POST", "delivery/check", body, 90.0))

    async def doctor(self) -> dict[str, Any]:
        """`{lines: [{id, level, message, advice}]}`."""
        return _dict(await self._call("GET", "doctor", limit=60.0))

    async def onboarding(self) -> dict[str, Any]:
        """`{steps: [{id, title, state, detail}], open, finished}`."""
        return _dict(await self._call("GET", "onboarding"))

    async def change_onboarding(self, **body: Any) -> dict[str, Any]:
        """Mark steps `done`, `skipped` or `reopened`, or the path `finished`."""
        return _dict(await self._call("PUT", "onboarding", body))

    async def set_defaults(self, **values: Any) -> dict[str, Any]:
        """Change what jobs take unless they say otherwise: `delivery`; answers it."""
        return _dict(await self._call("PUT", "defaults", values))

    # -- settings by name -----------------------------------------------------------------------

    async def settings(self) -> dict[str, Any]:
        """`{file, settings: {name: value}, changed: [name], problems: [{name, line, message}]}`."""
        return _dict(await self._call("GET", "settings"))

    async def change_settings(
        self, values: dict[str, Any], *, confirm: bool = False
    ) -> dict[str, Any]:
        """Change some by name, None for a default again; answers all.

        What opens a door (`network.ssl_verify`, `listener.verify_signatures` off) needs `confirm`.
        """
        body = {"values": values, "confirm": confirm}
        return _dict(await self._call("PUT", "settings", body))

    async def webhooks(self) -> dict[str, Any]:
        """`{events: [{outcome, at, address, job, event, reason, message}]}`, newest first."""
        return _dict(await self._call("GET", "webhooks"))

    # -- the provider's settings and the webhook tests, at SimpleTuner's paths ------------------

    async def provider_settings(self) -> dict[str, Any]:
        """`{hardware_profile, webhook_url, webhook_allowed_ips, …}` in force."""
        return _dict(_dict(await self._caller.call("GET", f"{_PROVIDER}/config")).get("config"))

    async def change_provider(self, **values: Any) -> dict[str, Any]:
        """Change some of them; answers all of them."""
        data = await self._caller.call("PUT", f"{_PROVIDER}/config", values, timeout=30.0)
        return _dict(_dict(data).get("config"))

    async def test_webhook(self) -> dict[str, Any]:
        """Send a signed event through the public URL: `{success, message, latency_ms, …}`."""
        return _dict(await self._caller.call("POST", f"{_PROVIDER}/test-webhook", {}, timeout=60.0))

    async def test_webhook_from_outside(self) -> dict[str, Any]:
        """Let Replicate call the public URL; costs a CPU second, which the user has agreed to."""
        path = f"{_PROVIDER}/test-webhook-external"
        return _dict(await self._caller.call("POST", path, {"confirm": True}, timeout=120.0))


def _dict(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}
