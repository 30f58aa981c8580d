"""What the network has to prove about a job, and what it has proved a moment ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tui.engine.delivery.check import DeliveryCheck
from tui.engine.delivery.gated_models import base_model, base_model_findings
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.request.delivery import Delivery

_WAYS: Final = {
    "local": "this machine, through its public URL",
    "hub": "the Hub",
    "s3": "the bucket",
}


@dataclass(frozen=True, slots=True)
class NetworkProof:
    """Something that has to be asked.

    Attributes:
        asking: the finding that stands there until it is answered; it proves nothing.
        known: the findings of a moment ago, which still count; None when it has to be asked.
        ask: asks, and returns the findings.
    """

    asking: Check
    known: Sequence[Check] | None
    ask: Callable[[], Awaitable[Sequence[Check]]]


class JobProofs:
    """The proofs of a job: whether its results arrive, and whether it may read its base model."""

    def __init__(self, deliveries: DeliveryCheck, repositories: HubRepositories) -> None:
        self._deliveries = deliveries
        self._repositories = repositories

    async def of(
        self,
        api_base: str,
        delivery: Delivery,
        config: TrainingConfig,
        token: Secret | None = None,
    ) -> list[NetworkProof]:
        """Return the proofs that a job needs; asks nobody.

        Args:
            api_base: the API that runs the job.
            delivery: where its results go.
            config: its config.
            token: the Hub token that it gets; None for the one that is in use.
        """

        async def deliver() -> Sequence[Check]:
            return (await self._deliveries.for_job(api_base, delivery, config, submit=False)).steps

        async def read() -> Sequence[Check]:
            return await base_model_findings(self._repositories, api_base, config, token)

        proofs = []
        if self._deliveries.is_testable(delivery):
            known = await self._deliveries.known(api_base, delivery)
            way = _WAYS.get(delivery.kind, delivery.kind)
            message = f"whether results reach {way} is being tested"
            asking = Check("delivery-proof", "asking", message)
            proofs.append(NetworkProof(asking, None if known is None else known.steps, deliver))
        repo = base_model(config)
        if repo and await self._repositories.may_be_asked(api_base):
            message = f"whether the job's token may download {repo} is being asked"
            fresh = await self._repositories.knows_readable(api_base, repo, token)
            asking = Check("base-model", "asking", message)
            proofs.append(NetworkProof(asking, await read() if fresh else None, read))
        return proofs
