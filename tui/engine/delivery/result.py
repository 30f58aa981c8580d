"""What a check of a delivery found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.request.delivery import Delivery

Verdict = Literal["works", "fails", "unknown"]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The findings of one way.

    Attributes:
        steps: one line for each thing that was looked at.
        unknown: nothing is known to be wrong, but it could not be proved either.
        where: the place in words, as far as it is known.
    """

    steps: Sequence[Check] = field(default_factory=tuple)
    unknown: bool = False
    where: str = ""

    @property
    def verdict(self) -> Verdict:
        """The findings in one word."""
        if any(step.level == "error" for step in self.steps):
            return "fails"
        return "unknown" if self.unknown else "works"


class CheckDelivery(Protocol):
    """Proves the delivery of a job; see `DeliveryCheck.for_job`."""

    async def __call__(
        self, api_base: str, delivery: Delivery, config: TrainingConfig, /, *, submit: bool
    ) -> DeliveryResult:
        """The proof."""
        ...
