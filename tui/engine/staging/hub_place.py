"""Private dataset repositories on the Hub as a place for staged data.

One repository for each dataset id of this state directory. The trainer reads it with the Secret
input `hf_token`, in every published version (source: SimpleTuner 4.8.0 and 4.10.1, `cog.py` and
`helpers/data_backend/huggingface.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui.base import formatting
from tui.base.hosts import is_loopback
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.common.meter import Meter, Throttle
from tui.destinations.hub.client import open_api
from tui.destinations.hub.errors import TOKENS_PAGE
from tui.destinations.hub.names import Identity
from tui.destinations.hub.staged_dataset import StagedRepository
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_service import NO_HUB, NO_HUB_ADVICE
from tui.engine.credentials.token_store import Token
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.engine.staging.place import JobData, Leaves, Missing, PlaceKind, Progress
from tui.engine.staging.records import StagedRecords
from tui.engine.staging.threads import run_until_cancelled
from tui.simpletuner.datasets.safety import folder_names
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.simpletuner.staging.rewrite import hub_entry
from tui.store.records import JobRecord

_OWNER: Final = "you"
"""Stands for the token's user in names while the Hub has not been asked."""


class HubPlace:
    """The datasets of one API base on its Hub."""

    kind: PlaceKind = "hub"
    name = "hub"

    def __init__(
        self,
        api_base: str,
        *,
        clients: ReplicateClients,
        live: LiveSettings,
        records: StagedRecords,
        repositories: HubRepositories,
        installation: str,
        throttle: Throttle | None = None,
    ) -> None:
        self._api_base = api_base
        self._clients = clients
        self._live = live
        self._records = records
        self._repositories = repositories
        self._installation = installation
        self._throttle = throttle
        self._owner = ""
        self._writer: Token | None = None
        self._reader: Token | None = None
        self._locks: dict[str, asyncio.Lock] = {}

    # -- before ---------------------------------------------------------------------------------

    async def missing(self, manifest: Manifest) -> Missing:
        """See `StagingPlace.missing`. Content that was sent and not completed counts as missing."""
        await self._choose_tokens()
        files = size = 0
        for dataset in manifest.datasets:
            repository = await self._repository(dataset)
            commit = self._known_commit(dataset)
            if await _is_there(repository, commit):
                continue
            await asyncio.to_thread(repository.state)
            files += len(dataset.files)
            size += dataset.bytes
        return Missing(files, size)

    def describe(self, manifest: Manifest) -> Leaves:
        """See `StagingPlace.describe`."""
        names = [self.repo_id(dataset) for dataset in manifest.datasets]
        noun = "dataset" if len(names) == 1 else "datasets"
        here = is_loopback(self._clients.hub_endpoint(self._api_base))
        return Leaves(
            what=f"{formatting.plural(manifest.images, 'file')} with "
            f"{formatting.plural(manifest.captions, 'caption')}, {formatting.size(manifest.bytes)}",
            to=f"the private {noun} {', '.join(names)} on "
            f"{'the Hub of the sandbox' if here else 'the Hugging Face Hub'}",
            until="until the last job that reads it has ended",
            token=f"{self._token_words()} travels with the job as a Secret input",
            stays_here=here,
        )

    def repo_id(self, dataset: StagedDataset) -> str:
        """The repository of a dataset."""
        own = hashlib.sha256(f"{self._installation}\n{dataset.id}".encode()).hexdigest()[:8]
        name = folder_names([dataset.id])[0].replace("--", "-").replace("..", ".")[:60].strip("-.")
        return f"{self._owner or _OWNER}/staged-{name}-{own}"

    def entry(
        self,
        dataset: StagedDataset,
        entry: Mapping[str, Any],
        job_id: str | None,  # noqa: ARG002  part of the protocol
    ) -> dict[str, Any]:
        """See `StagingPlace.entry`."""
        return hub_entry(
            dataset, entry, repo_id=self.repo_id(dataset), revision=_placeholder(dataset)
        )

    # -- sending --------------------------------------------------------------------------------

    async def send(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        """See `StagingPlace.send`."""
        await self._choose_tokens()
        total = sum(dataset.bytes for dataset in manifest.datasets)
        meter = Meter(total, progress, cancel, self._throttle)
        for dataset in manifest.datasets:
            repo_id = self.repo_id(dataset)
            async with self._locks.setdefault(repo_id, asyncio.Lock()):
                await self._send(dataset, meter)
        meter.finish()

    async def _send(self, dataset: StagedDataset, meter: Meter) -> None:
        repository = await self._repository(dataset)
        commit = self._known_commit(dataset)
        if await _is_there(repository, commit):
            meter.add(dataset.bytes, limited=False)
            return
        commit = await run_until_cancelled(meter.cancel, lambda: repository.send(dataset, meter))
        self._remember(dataset, commit)

    async def prepare_job(
        self,
        manifest: Manifest,
        job: JobRecord,  # noqa: ARG002  every job reads the same commit
    ) -> JobData:
        """See `StagingPlace.prepare_job`: the commits, which only grow, are all a job needs."""
        values: dict[str, str] = {}
        for dataset in manifest.datasets:
            commit = self._known_commit(dataset)
            if not commit:
                raise PublishError(
                    f"{dataset.id} is not on the Hub.", "Run the job again.", Trouble.MISSING
                )
            values[_placeholder(dataset)] = commit
        await self._choose_tokens()
        reader = self._reader
        return JobData(values, inputs={"hf_token": reader.secret} if reader else {})

    # -- ending ---------------------------------------------------------------------------------

    async def job_ended(self, job: JobRecord) -> None:
        """Do nothing: a job has nothing of its own here."""

    async def remove(self, manifest: Manifest, others: Sequence[Manifest]) -> None:
        """See `StagingPlace.remove`: a repository that another manifest uses stays whole."""
        await self._choose_tokens()
        used = {self.repo_id(dataset) for other in others for dataset in other.datasets}
        for dataset in manifest.datasets:
            repo_id = self.repo_id(dataset)
            if repo_id in used:
                continue
            async with self._locks.setdefault(repo_id, asyncio.Lock()):
                repository = await self._repository(dataset)
                await asyncio.to_thread(repository.delete)

    # -- parts ----------------------------------------------------------------------------------

    async def _repository(self, dataset: StagedDataset) -> StagedRepository:
        if self._writer is None:
            await self._choose_tokens()
        assert self._writer is not None  # noqa: S101  for the type checker: it raises otherwise
        endpoint = self._clients.hub_endpoint(self._api_base)
        api = open_api(endpoint, self._writer.secret, self._live.now.network)
        return StagedRepository(api, self.repo_id(dataset), self._installation)

    async def _choose_tokens(self) -> None:
        """Choose among the known tokens one that may write, and a read-only one for the job.

        Raises:
            PublishError: there is none, or none that may write.
        """
        if await self._clients.resumed_hub_token(self._api_base) is None:
            raise PublishError(*self._clients.no_hub_token(self._api_base), Trouble.CREDENTIALS)
        endpoint = self._clients.hub_endpoint(self._api_base)
        if not endpoint:
            raise PublishError(NO_HUB, NO_HUB_ADVICE, Trouble.NAME)
        known: list[tuple[Token, Identity]] = []
        problem: PublishError | None = None
        for token in await self._clients.tokens.every("huggingface", self._api_base):
            try:
                identity = await self._repositories.identity_of(token.secret, endpoint)
            except PublishError as error:
                problem = problem or error
            else:
                known.append((token, identity))
        able = [(token, one) for token, one in known if one.may_write(f"{one.user}/x") is not False]
        if not able:
            if not known:
                raise problem or PublishError(NO_HUB, NO_HUB_ADVICE, Trouble.NAME)
            user = known[0][1].user
            raise PublishError(
                f"The Hugging Face token of {user} can read but not write, so nothing can be "
                "staged with it.",
                f"Use one with write access ({TOKENS_PAGE}), or stage to another place.",
                Trouble.PERMISSION,
            )
        self._writer, identity = able[0]
        self._owner = identity.user
        readers = (one for one, who in known if who.role == "read" and who.user == identity.user)
        self._reader = next(readers, None)

    def _token_words(self) -> str:
        if self._reader is not None:
            return f"your read-only Hugging Face token (of the {self._reader.source})"
        return "your Hugging Face token, which may also write,"

    def _fact(self, dataset: StagedDataset) -> str:
        endpoint = self._clients.hub_endpoint(self._api_base)
        return f"{endpoint} {self.repo_id(dataset)} {dataset.digest}"

    def _known_commit(self, dataset: StagedDataset) -> str:
        """The commit that a content was verified at; "" when it never was."""
        name = self._fact(dataset)
        found = (record.facts.get(name) for record in self._records.all())
        return next((str(commit) for commit in found if commit), "")

    def _remember(self, dataset: StagedDataset, commit: str) -> None:
        for record in self._records.all():
            if record.place == self.name and dataset.id in record.datasets:
                facts = {**record.facts, self._fact(dataset): commit}
                self._records.change(record.key, facts=facts)


def _placeholder(dataset: StagedDataset) -> str:
    return f"(the commit of {dataset.id}, once it is staged)"


async def _is_there(repository: StagedRepository, commit: str) -> bool:
    return bool(commit) and await asyncio.to_thread(repository.holds, commit)
