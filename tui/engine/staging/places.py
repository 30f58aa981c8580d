"""Puts the staging service and its places together."""

from __future__ import annotations

import secrets
from typing import Final

from tui.base.clock import utc_now
from tui.base.hosts import is_loopback
from tui.destinations.common.meter import Throttle
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.delivery.check import FACT as DELIVERY_FACT
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.engine.listener.service import ListenerService
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.staging.bucket_place import BucketPlace
from tui.engine.staging.here_place import HerePlace, Proof, proof_of
from tui.engine.staging.hub_place import HubPlace
from tui.engine.staging.moved_address import MovedAddress
from tui.engine.staging.records import StagedRecords
from tui.engine.staging.service import StagingService
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.transfers.destinations import Destinations
from tui.engine.transfers.service import TEST_FACT
from tui.listener.storage.staged import StagedFolder
from tui.settings import Home
from tui.store.fact_names import scoped
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

INSTALLATION_FACT: Final = "staging-installation"
"""A random name of this state directory, so that two of them never share a repository."""


def staging_service(
    *,
    recorder: JobRecorder,
    bus: EventBus,
    home: Home,
    tasks: TaskOwner,
    writer: StoreWriter,
    clients: ReplicateClients,
    live: LiveSettings,
    repositories: HubRepositories,
    throttle: Throttle,
    keys: StorageKeys,
    listening: ListenerService,
    destinations: Destinations,
    reader: StoreReader,
) -> StagingService:
    """Make the service with all places that this program knows."""
    records = StagedRecords(home.root / "staged")
    service = StagingService(
        recorder=recorder, bus=bus, home=home, tasks=tasks, now=utc_now, records=records
    )
    installation = writer.fact(INSTALLATION_FACT)
    if not isinstance(installation, str):
        installation = secrets.token_hex(8)
        writer.set_fact(INSTALLATION_FACT, installation)

    def hub(api_base: str, _rest: str) -> HubPlace:
        return HubPlace(
            api_base,
            clients=clients,
            live=live,
            records=records,
            repositories=repositories,
            installation=installation,
            throttle=throttle,
        )

    def proof(api_base: str, endpoint: str) -> Proof:
        if not listening.address:
            return Proof(problem=f"its listener is stopped ({listening.problem or 'off'})")
        if is_loopback(api_base):  # the sandbox's trainer is on this machine too
            return Proof()
        report = writer.fact(scoped(f"{DELIVERY_FACT}:local", api_base))
        seen = listening.sightings.last("storage")
        return proof_of(endpoint, report, now=utc_now(), seen=seen)

    def here(api_base: str, _rest: str) -> HerePlace:
        return HerePlace(
            api_base=api_base,
            staged=StagedFolder(home.staged),
            keys=keys,
            endpoint=lambda: listening.storage_url(api_base),
            proof=lambda endpoint: proof(api_base, endpoint),
            forget=listening.forget_view,
        )

    def bucket(api_base: str, destination: str) -> BucketPlace:
        return BucketPlace(
            api_base=api_base,
            destination=destination,
            destinations=destinations,
            network=lambda: live.now.network,
            throttle=throttle,
            waits=lambda: reader.queue_waits(api_base),
            may_read=keys.may_read_data,
            records=home.staged / "buckets",
        )

    def tested_buckets() -> list[str]:
        names = [row["name"] for row in destinations.list() if row["kind"] == "s3"]
        tests = {name: writer.fact(f"{TEST_FACT}{name}") for name in names}
        return [f"bucket:{name}" for name, test in tests.items() if test and test.get("ok")]

    moved = MovedAddress(
        recorder, bus, listening.storage_url, lambda: (listening.address, listening.problem)
    )
    live.on_change(moved.changed)
    listening.on_address = moved.listener_changed
    service.add_place("hub", hub)
    service.add_place("here", here)
    service.add_place("bucket", bucket, names=tested_buckets)
    return service
