"""The result of a delivery check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.request.delivery import Delivery

Verdict = Literal["works", "fails", "unknown"]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The findings about one delivery.

    Attributes:
        steps: one finding per tested thing.
        unknown: no error was found, but the test could not be completed.
        where: the destination for the user; "" when not known.
    """

    steps: Sequence[Check] = field(default_factory=tuple)
    unknown: bool = False
    where: str = ""

    @property
    def verdict(self) -> Verdict:
        """The findings summed up: an error fails; an incomplete test is unknown."""
        if any(step.level == "error" for step in self.steps):
            return "fails"
        return "unknown" if self.unknown else "works"


class CheckDelivery(Protocol):
    """Tests the delivery of a job; see `DeliveryCheck.for_job`."""

    async def __call__(
        self,
        api_base: str,
        delivery: Delivery,
        config: TrainingConfig,
        hub_token: Secret | None,
        /,
        *,
        submit: bool,
    ) -> DeliveryResult:
        """Test the delivery; the job gets `hub_token`, or the one in use where that is None."""
        ...
