"""Tests the delivery to this machine: sends a file through the public URL, as a trainer would.

The file is sent in parts, as boto3 sends everything from 8 MiB on, so that a proxy that takes small
bodies only is found. Its arrival proves the way from outside only if its sender's address, as the
listener saw it, is one of the internet: a proxy may admit private addresses and nobody else.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback, is_loopback_host
from tui.base.listener_address import STORAGE_PATH, WEBHOOK_PATH
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.client import make_client
from tui.destinations.s3.errors import answer_of, explain
from tui.destinations.s3.probe import send_in_parts
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.storage_keys import BUCKET, PERSONAL_FOLDER, KeyPair, StorageKeys
from tui.engine.delivery.result import DeliveryResult
from tui.engine.listener.service import ListenerService
from tui.engine.listener.sightings import ExpectedFile, described, is_outside
from tui.listener.proxy_config import (
    ProxyKind,
    ProxySite,
    host_and_port,
    kind_of,
    storage_location,
)
from tui.replicate.errors import NotSentError
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.settings import NetworkSettings
from tui.settings.network import network_of
from tui.simpletuner.checks.checks import Check

_PROBE_SECONDS: Final = 15.0
_KEY_LIFE: Final = timedelta(minutes=2)
MIB: Final = 1024 * 1024
_BYTES: Final = 9 * MIB
"""boto3 sends in parts what is larger than 8 MiB."""
_FORWARD: Final = (
    f"Forward {STORAGE_PATH}/ to the listener as well, with its path and Host unchanged."
)
_ADMIT_ALL: Final = (
    "Trainers call from public addresses: see that the proxy and the firewall admit everybody to "
    f"{STORAGE_PATH} (simpletuner-tui proxy nginx, or caddy, traefik, firewall)."
)
_FIRST_DELIVERY: Final = "The first delivery from outside proves it."


class LocalDelivery:
    """Tests whether a trainer's files would reach the storage receiver."""

    def __init__(self, listener: ListenerService, keys: StorageKeys, live: LiveSettings) -> None:
        """Take the listener, the keys of its storage receiver and the settings."""
        self._listener = listener
        self._keys = keys
        self._live = live

    def cache_key(self, api_base: str) -> str:
        """The addresses that a test depends on, as part of a cache key."""
        return f"{self._listener.address} {self._listener.storage_url(api_base)}"

    def endpoint(self, api_base: str) -> str | None:
        """The address that a test is of; None without one."""
        return self._listener.storage_url(api_base)

    async def test(self, api_base: str) -> DeliveryResult:
        """Test that the listener listens, the public URL leads to it, and a file arrives."""
        where = str(self._listener.outputs)
        if not self._listener.address:
            reason = self._listener.problem or "it is off"
            advice = "Free its port, or set listener.listen to another one."
            steps = [Check("listener", "error", f"the listener does not listen: {reason}", advice)]
            return DeliveryResult(steps, where=where)
        steps = [Check("listener", "ok", f"listening on {self._listener.address}")]
        url = self._listener.storage_url(api_base)
        if url is None:
            advice = "Start a tunnel and set listener.public_url to its https address."
            message = "the trainer cannot reach this machine: no public https URL is set"
            return DeliveryResult(
                [*steps, Check("public-url", "error", message, advice)], where=where
            )
        finding = await self._probe(url)
        if finding is None and self._is_behind_socks(url):  # botocore supports no SOCKS proxy
            message = (
                f"the storage receiver answers at {url}; whether files come through is not proved"
            )
            step = Check("receiver-reach", "warn", message, _FIRST_DELIVERY)
            return DeliveryResult([*steps, step], unknown=True, where=where)
        if finding is not None:
            return DeliveryResult([*steps, finding], where=where)
        pair = self._keys.personal_pair(_KEY_LIFE)
        name = f"delivery-check-{secrets.token_hex(8)}"
        stored = self._listener.outputs / PERSONAL_FOLDER / name
        with self._listener.sightings.expect(name) as expected:
            finding = await asyncio.to_thread(
                self._upload, url, pair, name, stored, self._live.now.network
            )
        if finding is None:
            finding = self._judge_source(api_base, url, expected)
        unproved = finding.level == "warn"
        return DeliveryResult([*steps, finding], unknown=unproved, where=where)

    def _is_behind_socks(self, url: str) -> bool:
        proxy = network_of(self._live.now.network).proxy_for(httpx.URL(url))
        return proxy is not None and proxy.startswith("socks")

    def _judge_source(self, api_base: str, url: str, expected: ExpectedFile) -> Check:
        """Judge a file that came in by the address that it came from."""
        sent = f"a file of {_BYTES // MIB} MiB, sent in parts to {url}, came in here"
        if is_loopback(api_base):
            message = f"{sent}, and was removed again; the trainer is on this machine too"
            return Check("receiver-reach", "ok", message)
        if is_outside(expected.address):
            message = f"{sent} from {expected.address} and was removed again"
            return Check("receiver-reach", "ok", message)
        seen = self._listener.sightings.last("storage")
        if seen is not None:
            message = (
                f"{sent}; the last delivery from outside came from {seen.address}, "
                f"{seen.at:%Y-%m-%d %H:%M} UTC"
            )
            return Check("receiver-reach", "ok", message)
        message = f"{sent}, but from {described(expected.address)}: not proved from outside"
        settings = self._live.now.listener
        untrusted = not settings.trusted_proxies and _is_loopback_address(expected.address)
        trust = (
            "A proxy or tunnel on this machine hides the callers: set listener.trusted_proxies = "
            '["127.0.0.1"]. '
            if untrusted
            else ""
        )
        return Check("receiver-reach", "warn", message, f"{trust}{_ADMIT_ALL} {_FIRST_DELIVERY}")

    async def _probe(self, url: str) -> Check | None:
        """Check that our receiver answers at the URL: an unsigned request gets AccessDenied."""
        network = network_of(self._live.now.network)
        try:
            async with httpx.AsyncClient(
                transport=RoutedTransport(network), timeout=_PROBE_SECONDS
            ) as client:
                reply = await client.get(f"{url}/{BUCKET}")
        except (httpx.HTTPError, OSError, ValueError) as error:
            failure = unreached(error, url, network, what="the storage receiver")
            advice = "Is the tunnel or reverse proxy running, and does it forward to the listener?"
            if isinstance(failure, NotSentError) and not failure.temporary:
                advice = failure.advice  # certificates, or a proxy that says no
            return Check("receiver-reach", "error", failure.message.rstrip("."), advice)
        if reply.status_code == httpx.codes.FORBIDDEN and "<Code>AccessDenied</Code>" in reply.text:
            return None
        return await self._diagnose(url, reply)

    async def _diagnose(self, url: str, reply: httpx.Response) -> Check:
        """Explain an answer that is not our receiver's."""
        kind = kind_of(reply.headers.get("server", ""))
        if reply.status_code not in (httpx.codes.FORBIDDEN, httpx.codes.UNAUTHORIZED):
            message = f"something else answers at {url} (HTTP {reply.status_code})"
            return Check("receiver-reach", "error", message, _FORWARD)
        webhooks = await self._webhooks_come_through(url)
        message = f"a proxy in front refuses {url} (HTTP {reply.status_code})" + (
            ", while it lets webhooks through" if webhooks else ""
        )
        return Check("receiver-reach", "error", message, self._location_advice(kind))

    async def _webhooks_come_through(self, url: str) -> bool:
        """Whether our webhook route answers at the same host; the request is none of an event."""
        address = url.removesuffix(STORAGE_PATH) + WEBHOOK_PATH
        network = network_of(self._live.now.network)
        try:
            async with httpx.AsyncClient(
                transport=RoutedTransport(network), timeout=_PROBE_SECONDS
            ) as client:
                reply = await client.get(address)
        except (httpx.HTTPError, OSError, ValueError):
            return False
        return reply.status_code == httpx.codes.METHOD_NOT_ALLOWED

    def _location_advice(self, kind: ProxyKind) -> str:
        """What to add to the proxy's configuration."""
        try:
            host, port = host_and_port(self._listener.public_url)
            site = ProxySite(host, self._listener.address or "127.0.0.1:8080", port)
            location = storage_location(kind, site).strip("\n")
        except RefusedError:
            return _FORWARD
        return (
            f"Add this to the proxy's configuration; simpletuner-tui proxy {kind} writes all of "
            f"it:\n{location}"
        )

    def _upload(
        self, url: str, pair: KeyPair, name: str, stored: Path, network: NetworkSettings
    ) -> Check | None:
        """Upload a file with temporary keys, and check that it is on this machine's disk."""
        profile = S3Profile(BUCKET, endpoint=url, addressing="path")
        data = os.urandom(MIB) * (_BYTES // MIB)
        try:
            client = make_client(profile, S3Keys(pair.access_key, Secret(pair.secret_key)), network)
            try:
                send_in_parts(client, BUCKET, name, data)
                arrived = stored.is_file() and stored.read_bytes() == data
                client.delete_object(Bucket=BUCKET, Key=name)
            finally:
                client.close()
        except PublishError as error:
            return _upload_error(url, error)
        except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
            return self._refused_upload(url, error, profile)
        if not arrived:
            message = f"a file sent to {url} was taken, but it did not come to this machine"
            return Check(
                "receiver-reach", "error", message, "Another program answers at the public URL."
            )
        return None

    def _refused_upload(self, url: str, error: Exception, profile: S3Profile) -> Check:
        status, server = answer_of(error)
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            message = (
                f"a proxy in front of {url} takes small bodies only (HTTP 413): it refuses parts "
                "of 8 MiB, and every weights file is sent in such parts"
            )
            return Check("receiver-reach", "error", message, self._location_advice(kind_of(server)))
        return _upload_error(url, explain(error, profile))


def _is_loopback_address(address: str) -> bool:
    return address == "" or is_loopback_host(address)


def _upload_error(url: str, error: PublishError) -> Check:
    message = f"a file sent to {url} does not come through: {error.message.rstrip('.')}"
    advice = (
        "The tunnel or proxy must leave path, Host and headers as they are and take large bodies."
    )
    if error.kind in (Trouble.NETWORK, Trouble.TLS):
        advice = error.advice
    return Check("receiver-reach", "error", message, advice)
