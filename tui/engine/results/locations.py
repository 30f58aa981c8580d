"""Locates a job's results, from its inputs and its output."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.profile import S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.results.remote_sources import Bucket, Repo, bucket_of
from tui.engine.results.replicate_outputs import ReplicateOutputs, links_of, texts_of
from tui.engine.results.source import Source
from tui.engine.transfers.destinations import Destinations, Target
from tui.simpletuner.request.delivery import clean_repo_id
from tui.store.records import JobRecord
from tui.store.transfer_records import Origin
from tui.store.transfers import TransferTables

_HUB_HOSTS: Final = ("huggingface.co", "www.huggingface.co", "hf.co")
_REVISION: Final = re.compile(r"/(?:tree|commit)/([^/?#]+)")
_EARLY: Final = timedelta(minutes=10)

Location = tuple[Origin, str, Callable[[], Awaitable[Source]]]
"""Origin, name of the place for the user, and a function that opens the source."""


class ResultLocations:
    """Finds the sources of a job's results."""

    def __init__(
        self,
        clients: ReplicateClients,
        live: LiveSettings,
        tables: TransferTables,
        destinations: Callable[[], Destinations],
    ) -> None:
        """Take the services it works with; `places` gives the user's destinations."""
        self._clients = clients
        self._live = live
        self._tables = tables
        self._destinations = destinations

    def sources_of(self, job: JobRecord) -> list[Location]:
        """All sources of a job's results; opening one may raise PublishError."""
        locations: list[Location] = []
        if links := links_of(job.output, job.api_base).files:
            files = ReplicateOutputs(links, lambda: self._clients.get_for(job))
            locations.append(("replicate", files.place, _ready(files)))
        if bucket := bucket_of(job, self._tables.destinations()):
            where = f"s3://{bucket['bucket']}/{bucket['prefix']}"
            locations.append(("s3", where, lambda: self._bucket(job, bucket)))
        if (repo := _repo_of(job, self._clients.hub_endpoint(job.api_base))) is not None:
            locations.append(("hub", repo[0], lambda: self._repo(job, *repo)))
        return locations

    def refused(self, job: JobRecord) -> dict[str, str]:
        """The reasons why web addresses of the output are not fetched, by address.

        An address at another host than Replicate's is reported only when nothing else says where
        the results are: trainers also put the address of their bucket or repository there.
        """
        links = links_of(job.output, job.api_base)
        has_location = job.delivery == "local" or any(
            location[0] != "replicate" for location in self.sources_of(job)
        )
        return links.refused if has_location else links.refused | links.elsewhere

    async def _bucket(self, job: JobRecord, bucket: dict[str, str]) -> Source:
        target = self._destination(bucket)
        if target is None:
            raise PublishError(
                f"No destination holds keys for the bucket {bucket['bucket']}.",
                "Add one with `simpletuner-tui destinations add NAME --kind s3 …`, then fetch "
                "again.",
                Trouble.CREDENTIALS,
            )
        keys = await self._destinations().keys.of(target.profile, target.options)
        destination_profile = S3Profile(**target.options)
        profile = S3Profile(
            bucket=bucket["bucket"],
            endpoint=destination_profile.endpoint,
            region=bucket["region"] or destination_profile.region,
            prefix=bucket["prefix"],
            addressing=destination_profile.addressing,
            public_base_url=destination_profile.public_base_url,
        )
        is_own_prefix = job.job_id in bucket["prefix"]
        since = None if is_own_prefix else (job.started_at or job.created_at) - _EARLY
        published_target = _target_below(target.profile, destination_profile, profile)
        return Bucket(profile, keys, self._live.now.network, since, published_target)

    def _destination(self, bucket: dict[str, str]) -> Target | None:
        """The user's destination with the job's bucket and endpoint, so no other gets its keys."""
        destination_name = bucket["destination"]
        records = [record for record in self._tables.destinations() if record.kind == "s3"]
        records.sort(key=lambda record: record.name != destination_name)
        for record in records:
            endpoint = record.options.get("endpoint") or ""
            same_host = _host(endpoint) == _host(bucket["endpoint"])
            if same_host and (
                record.name == destination_name or record.options["bucket"] == bucket["bucket"]
            ):
                return self._destinations().read(record.name)
        return None

    async def _repo(self, job: JobRecord, repo_id: str, revision: str) -> Source:
        endpoint = self._clients.hub_endpoint(job.api_base)
        if not endpoint:
            raise PublishError(
                f"Which Hub {repo_id} lies on is not known.",
                "Set HF_ENDPOINT to its address (the sandbox prints its own), and HF_TOKEN, "
                "before starting.",
                Trouble.NAME,
            )
        token = await self._clients.tokens.find("huggingface", job.api_base)
        if self._clients.tokens.refusal("huggingface", job.api_base):
            raise PublishError(*self._clients.no_hub_token(job.api_base), Trouble.CREDENTIALS)
        return Repo(
            repo_id,
            revision,
            endpoint=endpoint,
            token=token.secret if token is not None else None,
            network=self._live.now.network,
        )


def _target_below(name: str, destination_profile: S3Profile, profile: S3Profile) -> str:
    """A bucket's folder as a target of the destination `name`; "" if it is not below it."""
    base, prefix = destination_profile.prefix.strip("/"), profile.prefix.strip("/")
    inside = not base or prefix == base or prefix.startswith(f"{base}/")
    if not inside or destination_profile.bucket != profile.bucket:
        return ""
    return f"s3:{name}/{prefix.removeprefix(base).strip('/')}"


def _ready(source: Source) -> Callable[[], Awaitable[Source]]:
    async def ready() -> Source:
        return source

    return ready


def _repo_of(job: JobRecord, endpoint: str) -> tuple[str, str] | None:
    """The repository and revision that the output names."""
    hosts = {*_HUB_HOSTS, urlsplit(endpoint).netloc} - {""}
    for text in texts_of(job.output):
        try:
            parts = urlsplit(text)
        except ValueError:  # half an IPv6 address
            continue
        if parts.scheme not in ("http", "https") or parts.netloc not in hosts:
            continue
        repo = clean_repo_id(f"https://huggingface.co{parts.path}")
        if repo is None or repo.count("/") != 1:
            continue
        revision = _REVISION.search(parts.path)
        return repo, unquote(revision[1]) if revision else "main"
    return None


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).netloc if endpoint else ""
