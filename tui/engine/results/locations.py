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
from tui.store.transfers import TransferTables

_HUB_HOSTS: Final = ("huggingface.co", "www.huggingface.co", "hf.co")
_REVISION: Final = re.compile(r"/(?:tree|commit)/([^/?#]+)")
_EARLY: Final = timedelta(minutes=10)

Opened = tuple[str, str, Callable[[], Awaitable[Source]]]
"""Origin, name of the place for the user, and a function that opens the source."""


class ResultLocations:
    """Finds the sources of a job's results."""

    def __init__(
        self,
        clients: ReplicateClients,
        live: LiveSettings,
        tables: TransferTables,
        places: Callable[[], Destinations],
    ) -> None:
        """Take the services it works with; `places` gives the user's destinations."""
        self._clients = clients
        self._live = live
        self._tables = tables
        self._places = places

    def of(self, job: JobRecord) -> list[Opened]:
        """All sources of a job's results; opening one may raise PublishError."""
        found: list[Opened] = []
        if links := links_of(job.output, job.api_base).files:
            files = ReplicateOutputs(links, lambda: self._clients.get(job.api_base))
            found.append(("replicate", files.place, _ready(files)))
        if bucket := bucket_of(job, self._tables.destinations()):
            where = f"s3://{bucket['bucket']}/{bucket['prefix']}"
            found.append(("s3", where, lambda: self._bucket(job, bucket)))
        if (repo := _repo_of(job, self._clients.hub_endpoint(job.api_base))) is not None:
            found.append(("hub", repo[0], lambda: self._repo(job, *repo)))
        return found

    def refused(self, job: JobRecord) -> dict[str, str]:
        """The reasons why web addresses of the output are not fetched, by address.

        An address at another host than Replicate's is reported only when nothing else says where
        the results are: trainers also put the address of their bucket or repository there.
        """
        links = links_of(job.output, job.api_base)
        named = job.delivery == "local" or any(one[0] != "replicate" for one in self.of(job))
        return links.refused if named else links.refused | links.elsewhere

    async def _bucket(self, job: JobRecord, told: dict[str, str]) -> Source:
        place = self._destination(told)
        if place is None:
            raise PublishError(
                f"No destination holds keys for the bucket {told['bucket']}.",
                "Add one with `simpletuner-tui destinations add NAME --kind s3 …`, then fetch "
                "again.",
                Trouble.CREDENTIALS,
            )
        keys = await self._places().keys.of(place.profile, place.options)
        known = S3Profile(**place.options)
        profile = S3Profile(
            bucket=told["bucket"],
            endpoint=known.endpoint,
            region=told["region"] or known.region,
            prefix=told["prefix"],
            addressing=known.addressing,
            public_base_url=known.public_base_url,
        )
        own = job.job_id in told["prefix"]
        since = None if own else (job.started_at or job.created_at) - _EARLY
        target = _below(place.profile, known, profile)
        return Bucket(profile, keys, self._live.now.network, since, target)

    def _destination(self, told: dict[str, str]) -> Target | None:
        """The user's destination with the job's bucket and endpoint, so no other gets its keys."""
        named = told["destination"]
        records = [one for one in self._tables.destinations() if one.kind == "s3"]
        records.sort(key=lambda one: one.name != named)
        for record in records:
            endpoint = record.options.get("endpoint") or ""
            same = _host(endpoint) == _host(told["endpoint"])
            if same and (record.name == named or record.options["bucket"] == told["bucket"]):
                return self._places().read(record.name)
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


def _below(name: str, known: S3Profile, found: S3Profile) -> str:
    """A bucket's folder as a target of the destination `name`; "" if it is not below it."""
    top, prefix = known.prefix.strip("/"), found.prefix.strip("/")
    inside = not top or prefix == top or prefix.startswith(f"{top}/")
    if not inside or known.bucket != found.bucket:
        return ""
    return f"s3:{name}/{prefix.removeprefix(top).strip('/')}"


def _ready(source: Source) -> Callable[[], Awaitable[Source]]:
    async def give() -> Source:
        return source

    return give


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
        found = _REVISION.search(parts.path)
        return repo, unquote(found[1]) if found else "main"
    return None


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).netloc if endpoint else ""
