"""Files sent to this machine, as a trainer sends them."""

from __future__ import annotations

from tests.engine.world import World
from tui.base.listener_address import STORAGE_PATH
from tui.destinations.s3.client import make_client
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.credentials.storage_keys import BUCKET
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.store.records import JobRecord


def send(world: World, job: JobRecord, name: str, data: bytes) -> None:
    """Upload a file with the keys of a job, as its trainer does."""
    pair = world.engine.keys.pair(job.job_id)
    endpoint = f"{world.engine.listening.reachable_at}{STORAGE_PATH}"
    profile = S3Profile(BUCKET, endpoint=endpoint)
    client = make_client(
        profile, S3Keys(pair.access_key, Secret(pair.secret_key)), NetworkSettings()
    )
    try:
        client.put_object(Bucket=BUCKET, Key=f"simpletuner/cog-1/{name}", Body=data)
    finally:
        client.close()
