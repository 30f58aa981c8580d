"""Private dataset repositories on the Hub as a place for staged data.

One repository for each dataset id of this state directory. The trainer reads it with the Secret
input `hf_token`, in every published version (source: SimpleTuner 4.8.0 and 4.10.1, `cog.py` and
`helpers/data_backend/huggingface.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
from tui.engine.credentials.token_store import DEFAULT_HUB, Token
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.engine.staging.place import JobData, Leaves, Missing, PlaceKind, Progress
from tui.engine.staging.receiver import Receiver, receiver_of, require_same
from tui.engine.staging.records import StagedRecords
from tui.engine.staging.threads import run_until_cancelled
from tui.replicate.secret import Secret
from tui.simpletuner.datasets.safety import folder_names
from tui.simpletuner.staging.config import dataset_names
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.simpletuner.staging.rewrite import hub_entry
from tui.store.records import JobRecord

_OWNER: Final = "you"
"""Stands for the token's user in names while the Hub has not been asked."""


@dataclass(frozen=True, slots=True)
class _Account:
    """Whose datasets they are, and with which tokens.

    Attributes:
        user: the owner of the repositories.
        endpoint: the Hub's address.
        writer: the token that stages.
        reader: a read-only token of the same user for the job; None when none is known.
    """

    user: str
    endpoint: str
    writer: Token
    reader: Token | None


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
        self._account: _Account | None = None
        self._locks: dict[str, asyncio.Lock] = {}

    # -- before ---------------------------------------------------------------------------------

    async def missing(self, manifest: Manifest) -> Missing:
        """See `StagingPlace.missing`. Content that was sent and not completed counts as missing."""
        account = await self._choose_tokens()
        files = size = 0
        for dataset in manifest.datasets:
            repository = self._repository(account, self._name(account, dataset))
            if await _is_there(repository, self._known_commit(account, dataset)):
                continue
            await asyncio.to_thread(repository.state)
            files += len(dataset.files)
            size += dataset.bytes
        self._account = account  # of the names that `entry` and `describe` give at once after this
        return Missing(files, size)

    def describe(self, manifest: Manifest) -> Leaves:
        """See `StagingPlace.describe`."""
        names = [self._name(self._account, dataset) for dataset in manifest.datasets]
        noun = "dataset" if len(names) == 1 else "datasets"
        endpoint = self._clients.hub_endpoint(self._api_base)
        # A paid trainer may read over a mirror or a tunnel on this machine: the data leave it.
        here = is_loopback(endpoint) and is_loopback(self._api_base)
        hub = "the Hugging Face Hub" if endpoint in ("", DEFAULT_HUB) else f"the Hub at {endpoint}"
        reader = self._account.reader if self._account is not None else None
        token = (
            f"your read-only Hugging Face token (of the {reader.source})"
            if reader is not None
            else "your Hugging Face token, which may also write,"
        )
        return Leaves(
            what=f"{formatting.plural(manifest.images, 'file')} with "
            f"{formatting.plural(manifest.captions, 'caption')}, {formatting.size(manifest.bytes)}",
            to=f"the private {noun} {', '.join(names)} on "
            f"{'the Hub of the sandbox' if here else hub}",
            until="until the last job that reads it has ended",
            token=f"{token} travels with the job as a Secret input",
            stays_here=here,
        )

    def receiver(self, manifest: Manifest) -> Receiver:  # noqa: ARG002  one account has them all
        """See `StagingPlace.receiver`: the owner of the datasets, and the token that travels."""
        if self._account is None:
            return Receiver("the datasets of an account that is not known", {})
        return _receiver(self._account)

    def job_token(self) -> Secret | None:
        """See `StagingPlace.job_token`: a token that may only read is preferred."""
        reader = self._account.reader if self._account is not None else None
        return reader.secret if reader is not None else None

    def entry(
        self,
        dataset: StagedDataset,
        entry: Mapping[str, Any],
        job_id: str | None,  # noqa: ARG002  part of the protocol
    ) -> dict[str, Any]:
        """See `StagingPlace.entry`."""
        repo_id = self._name(self._account, dataset)
        return hub_entry(dataset, entry, repo_id=repo_id, revision=_placeholder(dataset))

    # -- sending --------------------------------------------------------------------------------

    async def require_receiver(self, manifest: Manifest, job: JobRecord) -> None:
        """See `StagingPlace.require_receiver`: another token may be in use since the consent."""
        self._require(await self._choose_tokens(patient=True), manifest, job)

    def _require(self, account: _Account, manifest: Manifest, job: JobRecord) -> None:
        require_same(receiver_of(job), _receiver(account, carries_writer=job.delivery == "hub"))
        named = dataset_names(str(job.inputs.get("dataloader_json") or ""))
        for dataset in manifest.datasets:
            if self._name(account, dataset) not in named:
                raise _not_of(account, dataset, named)

    async def send(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        """See `StagingPlace.send`."""
        account = await self._choose_tokens(patient=True)
        total = sum(dataset.bytes for dataset in manifest.datasets)
        meter = Meter(total, progress, cancel, self._throttle)
        for dataset in manifest.datasets:
            repo_id = self._name(account, dataset)
            async with self._locks.setdefault(repo_id, asyncio.Lock()):
                await self._send(account, dataset, meter)
        meter.finish()

    async def _send(self, account: _Account, dataset: StagedDataset, meter: Meter) -> None:
        repository = self._repository(account, self._name(account, dataset))
        if await _is_there(repository, self._known_commit(account, dataset)):
            meter.add(dataset.bytes, limited=False)
            return
        commit = await run_until_cancelled(meter.cancel, lambda: repository.send(dataset, meter))
        self._remember(account, dataset, commit)

    async def prepare_job(self, manifest: Manifest, job: JobRecord) -> JobData:
        """See `StagingPlace.prepare_job`: the commits, which only grow, are all a job needs."""
        account = await self._choose_tokens(patient=True)
        self._require(account, manifest, job)
        values: dict[str, str] = {}
        for dataset in manifest.datasets:
            commit = self._known_commit(account, dataset)
            if not commit:
                raise _not_of(account, dataset, ())
            values[_placeholder(dataset)] = commit
        inputs = {"hf_token": account.reader.secret} if account.reader else {}
        return JobData(values, inputs=inputs)

    # -- ending ---------------------------------------------------------------------------------

    async def job_ended(self, job: JobRecord) -> None:
        """Do nothing: a job has nothing of its own here."""

    async def remove(self, manifest: Manifest, others: Sequence[Manifest]) -> None:
        """See `StagingPlace.remove`: a repository that another manifest uses stays whole."""
        account = await self._choose_tokens(patient=True)
        used = {home for other in others for data in other.datasets for home in self._homes(data)}
        used |= {
            (account.endpoint, self._name(account, data))
            for other in others
            for data in other.datasets
        }
        for dataset in manifest.datasets:
            named = {(account.endpoint, self._name(account, dataset))}
            for endpoint, repo_id in sorted((self._homes(dataset) or named) - used):
                if endpoint != account.endpoint:
                    raise PublishError(
                        f"{repo_id} lies on the Hub at {endpoint}, and the one in use is "
                        f"{account.endpoint}.",
                        "Use that Hub again (HF_ENDPOINT), or delete it there.",
                        Trouble.MISSING,
                    )
                if repo_id.partition("/")[0] != account.user:
                    raise PublishError(
                        f"{repo_id} belongs to another account than {account.user}.",
                        "Use its Hugging Face token, or delete it on the Hub.",
                        Trouble.PERMISSION,
                    )
                async with self._locks.setdefault(repo_id, asyncio.Lock()):
                    await asyncio.to_thread(self._repository(account, repo_id).delete)

    # -- parts ----------------------------------------------------------------------------------

    def _name(self, account: _Account | None, dataset: StagedDataset) -> str:
        """The repository of a dataset, which belongs to this state directory alone."""
        own = hashlib.sha256(f"{self._installation}\n{dataset.id}".encode()).hexdigest()[:8]
        name = folder_names([dataset.id])[0].replace("--", "-").replace("..", ".")[:60].strip("-.")
        return f"{account.user if account else _OWNER}/staged-{name}-{own}"

    def _repository(self, account: _Account, repo_id: str) -> StagedRepository:
        api = open_api(account.endpoint, account.writer.secret, self._live.now.network)
        return StagedRepository(api, repo_id, self._installation)

    async def _choose_tokens(self, *, patient: bool = False) -> _Account:
        """Choose among the known tokens one that may write, and a read-only one for the job.

        Args:
            patient: wait after the engine's start for a token that a shell may hand in.

        Raises:
            PublishError: there is none, or none that may write.
        """
        endpoint = self._clients.hub_endpoint(self._api_base)
        if patient:
            await self._clients.resumed_hub_token(self._api_base)
            endpoint = self._clients.hub_endpoint(self._api_base)
        if not endpoint:
            raise PublishError(NO_HUB, NO_HUB_ADVICE, Trouble.NAME)
        tokens = await self._clients.tokens.every("huggingface", self._api_base)
        if not tokens:
            raise PublishError(*self._clients.no_hub_token(self._api_base), Trouble.CREDENTIALS)
        known: list[tuple[Token, Identity]] = []
        problem: PublishError | None = None
        for token in tokens:
            try:
                identity = await self._repositories.identity_of(token.secret, endpoint)
            except PublishError as error:
                problem = problem or error
            else:
                known.append((token, identity))
        able = [(token, one) for token, one in known if one.may_write(f"{one.user}/x") is not False]
        if not able:
            if problem is not None and not known:
                raise problem
            user = known[0][1].user
            raise PublishError(
                f"The Hugging Face token of {user} can read but not write, so nothing can be "
                "staged with it.",
                f"Use one with write access ({TOKENS_PAGE}), or stage to another place.",
                Trouble.PERMISSION,
            )
        writer, owner = able[0]
        readers = (one for one, who in known if who.role == "read" and who.user == owner.user)
        return _Account(owner.user, endpoint, writer, next(readers, None))

    def _known_commit(self, account: _Account, dataset: StagedDataset) -> str:
        """The commit that a content was verified at; "" when it never was."""
        name = f"{account.endpoint} {self._name(account, dataset)} {dataset.digest}"
        found = (record.facts.get(name) for record in self._records.all())
        return next((str(commit) for commit in found if commit), "")

    def _homes(self, dataset: StagedDataset) -> set[tuple[str, str]]:
        """The Hubs and repositories that hold a content, by the records."""
        return {
            (name.split(" ")[0], name.split(" ")[1])
            for record in self._records.all()
            if record.place == self.name and record.api_base == self._api_base
            for name in record.facts
            if name.endswith(f" {dataset.digest}")
        }

    def _remember(self, account: _Account, dataset: StagedDataset, commit: str) -> None:
        name = f"{account.endpoint} {self._name(account, dataset)} {dataset.digest}"
        for record in self._records.all():
            if record.place == self.name and dataset.id in record.datasets:
                self._records.change(record.key, facts={**record.facts, name: commit})


def _receiver(account: _Account, *, carries_writer: bool = False) -> Receiver:
    """Who gets the data.

    Args:
        account: the account.
        carries_writer: the job carries a token that may write whatever the data need.
    """
    parts = {"Hub": account.endpoint, "account": account.user}
    reads = account.reader is not None
    if reads or carries_writer:  # one that may read only is never worse than what was agreed to
        parts["right of the token"] = "read"
    rights = "may only read" if reads else "may write"
    return Receiver(
        f"the private datasets of {account.user} at {account.endpoint}, with a token that {rights}",
        parts,
    )


def _not_of(account: _Account, dataset: StagedDataset, named: Collection[str]) -> PublishError:
    wanted = f" but in one of {', '.join(sorted(named))}" if named else ""
    return PublishError(
        f"{dataset.id} is not in a dataset of {account.user} on the Hub{wanted}.",
        "Is another Hugging Face token in use now? Run the job again.",
        Trouble.MISSING,
    )


def _placeholder(dataset: StagedDataset) -> str:
    return f"(the commit of {dataset.id}, once it is staged)"


async def _is_there(repository: StagedRepository, commit: str) -> bool:
    return bool(commit) and await asyncio.to_thread(repository.holds, commit)
