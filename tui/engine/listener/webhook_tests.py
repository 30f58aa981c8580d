"""Tests of the webhook route: one call from this machine, one from Replicate's side."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

import httpx

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback, is_loopback_host
from tui.base.listener_address import WEBHOOK_PATH, public_base
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.listener.service import ListenerService
from tui.engine.listener.sightings import described, is_outside
from tui.engine.listener.webhook_probes import WebhookProbe, WebhookProbes
from tui.engine.listener.webhook_secrets import AccountWebhookSecrets
from tui.replicate.errors import NotSentError, SignatureError
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.replicate.webhook import sign_webhook
from tui.settings.network import network_of

if TYPE_CHECKING:
    from tui.api import webhooks

CHECK_MODEL: Final = "simpletuner/webhook-check"
CHECK_PRICE_MICROS: Final = 100
"""Approximate price of a second on the CPU that it runs on, in micro-dollars."""
_ARRIVAL_SECONDS: Final = 10.0
_CALL_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0


class WebhookTests:
    """Sends test events and waits for them to arrive.

    Attributes:
        arrival_seconds: how long an accepted event may take to be handled, in seconds.
    """

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        listening: ListenerService,
        live: LiveSettings,
        probes: WebhookProbes,
        secrets: AccountWebhookSecrets,
    ) -> None:
        self.arrival_seconds = _ARRIVAL_SECONDS
        self._clients = clients
        self._listener = listening
        self._live = live
        self._probes = probes
        self._secrets = secrets

    async def from_here(
        self, api_base: str, url: str = "", limit: float = _CALL_SECONDS
    ) -> webhooks.WebhookTestReport:
        """Send a signed event through the public URL and wait until it comes in.

        Args:
            api_base: the API base whose webhook secret signs the event.
            url: the public URL to test; "" takes the one in the settings.
            limit: time for the call, in seconds.

        Returns:
            `{success, message, latency_ms, status_code, error, url}`.

        Raises:
            RefusedError: there is no address to test.
        """
        base = self._public_base(api_base, url)
        secret = await self._secrets.of(api_base).current()
        if secret is None:
            why = self._secrets.problem.get(api_base, "Replicate was not asked yet.")
            return _report(base, error=f"The signing secret is not known. {why}")
        with self._probes.expect(api_base) as probe:
            started = time.monotonic()
            try:
                answer = await self._post(base, probe, secret, limit)
            except (httpx.HTTPError, httpx.InvalidURL, SignatureError, OSError) as error:
                return _report(base, error=self._call_error(error, base))
            status = answer.status_code
            elapsed_ms = (time.monotonic() - started) * 1000
            if problem := _problem(answer):
                return _report(base, error=problem, status=status, elapsed_ms=elapsed_ms)
            try:
                async with asyncio.timeout(self.arrival_seconds):
                    await probe.accepted.wait()
            except TimeoutError:
                message = (
                    "The address answers, but the event did not come in: is it another server?"
                )
                return _report(base, error=message, status=status, elapsed_ms=elapsed_ms)
        address = probe.addresses[0] if probe.addresses else ""
        outside = is_outside(address)
        message = f"The event came in after {elapsed_ms:.0f} ms"
        if outside or is_loopback(api_base):
            message += f", from {address}." if outside else "."
        else:
            message += (
                f", from {described(address)}: that does not prove the way from outside. "
                f"{self._seen_before()}"
            )
        return {
            **_report(base, message=message, status=status, elapsed_ms=elapsed_ms),
            "address": address,
            "from_outside": outside,
        }

    def _seen_before(self) -> str:
        seen = self._listener.sightings.last("webhook")
        if seen is None:
            return "Test it from outside, or wait for a job's first webhook."
        return (
            f"The last webhook from outside came from {seen.address}, {seen.at:%Y-%m-%d %H:%M} UTC."
        )

    async def from_outside(
        self, api_base: str, url: str = "", limit: float = _CHECK_SECONDS
    ) -> webhooks.ExternalWebhookTestReport:
        """Let Replicate call the URL by running a small model there, for about one CPU second.

        Returns:
            `{success, message, latency_ms, status_code, error, prediction_id, details, url}`.

        Raises:
            RefusedError: there is no address to test.
            ReplicateError: Replicate could not be asked.
        """
        base = self._public_base(api_base, url)
        client = await self._clients.get(api_base)
        newest = await anext(client.versions(CHECK_MODEL), None)
        if newest is None:
            raise RefusedError(f"{CHECK_MODEL} has no versions.", status=502, code="no_version")
        with self._probes.expect(api_base) as probe:
            inputs = {"webhook_url": _address(base, probe), "timeout_seconds": int(_CALL_SECONDS)}
            prediction = await client.create_prediction(
                version=f"{CHECK_MODEL}:{newest.id}", input=inputs, cancel_after=int(limit) + 5
            )
            try:
                async with asyncio.timeout(limit):
                    while not prediction.is_terminal:
                        await asyncio.sleep(_POLL_SECONDS)
                        prediction = await client.get_prediction(prediction.id)
            except TimeoutError:
                message = f"Replicate did not run the check within {limit:g} s."
                return {
                    **_report(base, error=message),
                    "prediction_id": prediction.id,
                    "details": {},
                }
            reached = probe.seen.is_set()
        if reached and not is_loopback(api_base):
            self._listener.sightings.confirm("webhook", CHECK_MODEL)
        output = prediction.output if isinstance(prediction.output, dict) else {}
        status, elapsed_ms = output.get("status_code"), output.get("latency_ms")
        error = prediction.error or output.get("error") or f"the answer was {status}"
        # The model does not sign its request, so a rejected request proves the route as well.
        report = (
            _report(
                base, message="Replicate reaches the address.", status=status, elapsed_ms=elapsed_ms
            )
            if reached or output.get("success") is True
            else _report(base, error=f"Replicate does not get through: {error}", status=status)
        )
        return {**report, "prediction_id": prediction.id, "details": output.get("details") or {}}

    def _public_base(self, api_base: str, url: str) -> str:
        base = public_base(url) if url else self._listener.base_for(api_base)
        if not base:
            raise RefusedError(
                "No public URL is set, so there is nothing to test.",
                "Start a tunnel and set its address as the webhook URL.",
                details={"fields": {"webhook_url": "is not set"}},
            )
        return base

    async def _post(
        self, base: str, probe: WebhookProbe, secret: Secret, limit: float
    ) -> httpx.Response:
        body = json.dumps({"id": probe.name, "status": "starting", "input": {}}).encode()
        timestamp = int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": f"msg_{probe.name}",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign_webhook(secret, f"msg_{probe.name}", timestamp, body),
            "x-simpletuner-test": "true",
        }
        transport = RoutedTransport(network_of(self._live.now.network))
        async with httpx.AsyncClient(transport=transport, timeout=limit) as client:
            return await client.post(_address(base, probe), content=body, headers=headers)

    def _call_error(self, error: Exception, base: str) -> str:
        if isinstance(error, (SignatureError, httpx.InvalidURL)):
            return f"The address cannot be called: {error}."
        failure = unreached(error, base, network_of(self._live.now.network), what="the test event")
        if isinstance(failure, NotSentError) and not failure.temporary:
            return f"{failure.message} {failure.advice}"  # certificates, or a proxy that says no
        local = is_loopback_host(httpx.URL(base).host)
        return f"{failure.message} Is the {'listener' if local else 'tunnel'} running?"


def _address(base: str, probe: WebhookProbe) -> str:
    return f"{base}{WEBHOOK_PATH}?key={probe.key}"


def _problem(answer: httpx.Response) -> str:
    """Describe what is wrong with an answer, or return ""."""
    status = answer.status_code
    if 200 <= status < 300:
        return ""
    if answer.is_redirect:
        target = answer.headers.get("location", "?").partition("?")[0]
        return (
            f"The address redirects to {target}, and Replicate does not follow redirects. "
            "Set that address instead."
        )
    try:
        detail = answer.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    return f"The address answers {status}: {detail or answer.reason_phrase or 'no reason'}"


def _report(
    base: str, *, message: str = "", error: str = "", status: Any = None, elapsed_ms: Any = None
) -> webhooks.WebhookTestReport:
    return {
        "success": not error,
        "message": message or error,
        "latency_ms": None if elapsed_ms is None else round(float(elapsed_ms), 1),
        "status_code": status,
        "error": error or None,
        "url": f"{base}{WEBHOOK_PATH}",
    }
