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
from tui.replicate.failures import unreached
from tui.replicate.network import RoutedTransport
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.settings.network import network_of
from tui.simpletuner.checks.checks import Check

_KNOCK_SECONDS: Final = 15.0
_KEY_LIFE: Final = timedelta(minutes=2)
_BYTES: Final = 2048
_FORWARD: Final = (
    "Forward /api/cloud/storage/ to the listener as well, with its path and Host unchanged."
)


class LocalDelivery:
    """Tests whether a trainer's files would reach the storage receiver."""

    def __init__(self, listening: ListenerService, keys: StorageKeys, live: LiveSettings) -> None:
        """Take the listener, the keys of its storage receiver and the settings."""
        self._listening = listening
        self._keys = keys
        self._live = live

    def place(self, api_base: str) -> str:
        """The addresses that a test depends on, as part of a cache key."""
        return f"{self._listening.address} {self._listening.storage_url(api_base)}"

    async def prove(self, api_base: str) -> DeliveryResult:
        """Test that the listener listens, the public URL leads to it, and a file arrives."""
        where = str(self._listening.outputs)
        if not self._listening.address:
            why = self._listening.problem or "it is off"
            advice = "Free its port, or set listener.listen to another one."
            steps = [Check("listener", "error", f"the listener does not listen: {why}", advice)]
            return DeliveryResult(steps, where=where)
        steps = [Check("listener", "ok", f"listening on {self._listening.address}")]
        url = self._listening.storage_url(api_base)
        if url is None:
            advice = "Start a tunnel and set listener.public_url to its https address."
            words = "the trainer cannot reach this machine: no public https URL is set"
            return DeliveryResult(
                [*steps, Check("public-url", "error", words, advice)], where=where
            )
        problem = await self._knock(url)
        way = network_of(self._live.now.network).proxy_for(httpx.URL(url)) or ""
        if problem is None and way.startswith("socks"):  # botocore supports no SOCKS proxy
            words = f"the storage receiver answers at {url}"
            return DeliveryResult([*steps, Check("receiver-reach", "ok", words)], where=where)
        if problem is None:
            pair = self._keys.personal_pair(_KEY_LIFE)
            folder, network = self._listening.outputs / PERSONAL_FOLDER, self._live.now.network
            problem = await asyncio.to_thread(_send, url, pair, folder, network)
        if problem is None:
            words = f"a file sent to {url} came in here, and was removed again"
            problem = Check("receiver-reach", "ok", words)
        return DeliveryResult([*steps, problem], where=where)

    async def _knock(self, url: str) -> Check | None:
        """Check that our receiver answers at the URL: an unsigned request gets AccessDenied."""
        network = network_of(self._live.now.network)
        try:
            async with httpx.AsyncClient(
                transport=RoutedTransport(network), timeout=_KNOCK_SECONDS
            ) as client:
                reply = await client.get(f"{url}/{BUCKET}")
        except (httpx.HTTPError, OSError, ValueError) as error:
            lost = unreached(error, url, network, what="the storage receiver")
            advice = "Is the tunnel or reverse proxy running, and does it forward to the listener?"
            if isinstance(lost, NotSentError) and not lost.temporary:
                advice = lost.advice  # certificates, or a proxy that says no
            return Check("receiver-reach", "error", lost.message.rstrip("."), advice)
        if reply.status_code == httpx.codes.FORBIDDEN and "<Code>AccessDenied</Code>" in reply.text:
            return None
        words = f"something else answers at {url} (HTTP {reply.status_code})"
        return Check("receiver-reach", "error", words, _FORWARD)


def _send(url: str, pair: KeyPair, folder: Path, network: NetworkSettings) -> Check | None:
    """Upload a file with temporary keys, and check that it is on this machine's disk."""
    profile = S3Profile(BUCKET, endpoint=url, addressing="path")
    name, data = f"delivery-check-{secrets.token_hex(8)}", os.urandom(_BYTES)
    landed = folder / name
    try:
        client = make_client(profile, S3Keys(pair.access_key, Secret(pair.secret_key)), network)
        try:
            client.put_object(Bucket=BUCKET, Key=name, Body=data)
            there = landed.is_file() and landed.read_bytes() == data
            client.delete_object(Bucket=BUCKET, Key=name)
        finally:
            client.close()
    except PublishError as error:
        return _refused(url, error)
    except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
        return _refused(url, explain(error, profile))
    if not there:
        words = f"a file sent to {url} was taken, but it did not come to this machine"
        return Check("receiver-reach", "error", words, "Another program answers at the public URL.")
    return None


def _refused(url: str, error: PublishError) -> Check:
    words = f"a file sent to {url} does not come through: {error.message.rstrip('.')}"
    advice = (
        "The tunnel or proxy must leave path, Host and headers as they are and take large bodies."
    )
    if error.kind in (Trouble.NETWORK, Trouble.TLS):
        advice = error.advice
    return Check("receiver-reach", "error", words, advice)
