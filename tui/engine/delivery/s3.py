"""Tests the delivery to a bucket: writes, reads and deletes an object with the trainer's keys."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from tui.base.hosts import is_loopback
from tui.destinations.common.contract import Step
from tui.destinations.common.errors import PublishError
from tui.destinations.s3.destination import S3Destination
from tui.engine.delivery.result import DeliveryResult
from tui.engine.transfers.destinations import Destinations
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.request.delivery import JOB_ID, Delivery

_ADD_ADVICE = "Add one on the Publishing screen, or: simpletuner-tui destinations add NAME s3 …"


class S3Delivery:
    """Tests whether a trainer could write to the user's buckets."""

    def __init__(self, destinations: Destinations) -> None:
        """Take the user's destinations."""
        self._destinations = destinations

    def destinations(self) -> dict[str, dict[str, Any]]:
        """The options of the user's S3 destinations, by name."""
        return {
            row["name"]: row["options"] for row in self._destinations.list() if row["kind"] == "s3"
        }

    async def test(self, api_base: str, delivery: Delivery) -> DeliveryResult:
        """Test one bucket, or all of them when the delivery names no destination.

        Args:
            api_base: API whose trainer writes there.
            delivery: names a destination; its other fields override that one's options.
        """
        available, name = self.destinations(), delivery.destination or ""
        if name and name not in available:
            message = f"there is no S3 destination called {name}"
            return DeliveryResult([Check("s3", "error", message, _ADD_ADVICE)], where=name)
        if not available:
            return DeliveryResult(
                [Check("s3", "error", "no S3 destination is set up", _ADD_ADVICE)]
            )
        wanted = [name] if name else list(available)
        steps: list[Check] = []
        for bucket_name in wanted:
            label = f"{bucket_name}: " if len(wanted) > 1 else ""
            steps += [
                Check(step.id, step.level, f"{label}{step.message}", step.advice)
                for step in await self._test_bucket(
                    api_base, bucket_name, available[bucket_name] | _overrides(delivery)
                )
            ]
        where = ", ".join(
            f"s3://{delivery.bucket or available[bucket_name]['bucket']}" for bucket_name in wanted
        )
        return DeliveryResult(steps, where=where)

    async def _test_bucket(self, api_base: str, name: str, options: dict[str, Any]) -> list[Check]:
        endpoint = str(options.get("endpoint") or "")
        if is_private(endpoint) and not is_loopback(api_base):
            message = f"{endpoint} is an address of this network only: the trainer cannot reach it"
            return [
                Check("s3-reach", "error", message, "Give an address that the world can reach.")
            ]
        try:
            target = replace(self._destinations.read(f"s3:{name}"), options=options)
            destination = await self._destinations.open(target, api_base)
            try:
                steps = (await asyncio.to_thread(destination.test)).steps
                fine = all(step.level != "error" for step in steps)
                if fine and isinstance(destination, S3Destination):
                    steps = (*steps, await asyncio.to_thread(destination.test_large))
            finally:
                await asyncio.to_thread(destination.close)
        except PublishError as error:
            steps = (Step(error.kind.value, "error", error.message, error.advice),)
        return [
            Check(f"s3-{step.name}", step.level, step.message.rstrip("."), step.advice)
            for step in steps
        ]


def _overrides(delivery: Delivery) -> dict[str, Any]:
    """The options of a destination that a job's delivery overrides."""
    options = {"bucket": delivery.bucket, "region": delivery.region}
    prefix = (delivery.base_path or "").partition(JOB_ID)[0].strip("/")
    if delivery.base_path:
        options["prefix"] = prefix
    return {name: value for name, value in options.items() if value is not None}


def is_private(endpoint: str) -> bool:
    """Whether only this machine or its local network can reach an address."""
    if is_loopback(endpoint):
        return True
    host = urlsplit(endpoint).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith((".localhost", ".local", ".internal", ".lan"))
