"""Tests the delivery to this machine: sends a file through the public URL, as a trainer would."""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.client import make_client
from tui.destinations.s3.errors import explain
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.storage_keys import BUCKET, PERSONAL_FOLDER, KeyPair, StorageKeys
from tui.engine.delivery.result import DeliveryResult
from tui.engine.listener.service import ListenerService
from tui.replicate.errors import NotSentError
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.settings import NetworkSettings
from tui.settings.network import network_of
from tui.simpletuner.checks.checks import Check

_PROBE_SECONDS: Final = 15.0
_KEY_LIFE: Final = timedelta(minutes=2)
_BYTES: Final = 2048
_FORWARD: Final = (
    "Forward /api/cloud/storage/ to the listener as well, with its path and Host unchanged."
)


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
        proxy = network_of(self._live.now.network).proxy_for(httpx.URL(url)) or ""
        if finding is None and proxy.startswith("socks"):  # botocore supports no SOCKS proxy
            message = f"the storage receiver answers at {url}"
            return DeliveryResult([*steps, Check("receiver-reach", "ok", message)], where=where)
        if finding is None:
            pair = self._keys.personal_pair(_KEY_LIFE)
            folder, network = self._listener.outputs / PERSONAL_FOLDER, self._live.now.network
            finding = await asyncio.to_thread(_upload, url, pair, folder, network)
        if finding is None:
            message = f"a file sent to {url} came in here, and was removed again"
            finding = Check("receiver-reach", "ok", message)
        return DeliveryResult([*steps, finding], where=where)

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
        message = f"something else answers at {url} (HTTP {reply.status_code})"
        return Check("receiver-reach", "error", message, _FORWARD)


def _upload(url: str, pair: KeyPair, folder: Path, network: NetworkSettings) -> Check | None:
    """Upload a file with temporary keys, and check that it is on this machine's disk."""
    profile = S3Profile(BUCKET, endpoint=url, addressing="path")
    name, data = f"delivery-check-{secrets.token_hex(8)}", os.urandom(_BYTES)
    stored = folder / name
    try:
        client = make_client(profile, S3Keys(pair.access_key, Secret(pair.secret_key)), network)
        try:
            client.put_object(Bucket=BUCKET, Key=name, Body=data)
            arrived = stored.is_file() and stored.read_bytes() == data
            client.delete_object(Bucket=BUCKET, Key=name)
        finally:
            client.close()
    except PublishError as error:
        return _upload_error(url, error)
    except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
        return _upload_error(url, explain(error, profile))
    if not arrived:
        message = f"a file sent to {url} was taken, but it did not come to this machine"
        return Check(
            "receiver-reach", "error", message, "Another program answers at the public URL."
        )
    return None


def _upload_error(url: str, error: PublishError) -> Check:
    message = f"a file sent to {url} does not come through: {error.message.rstrip('.')}"
    advice = (
        "The tunnel or proxy must leave path, Host and headers as they are and take large bodies."
    )
    if error.kind in (Trouble.NETWORK, Trouble.TLS):
        advice = error.advice
    return Check("receiver-reach", "error", message, advice)
