"""A draft with all that is derived from it, and the limits that it sets itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tui.base.formatting import dollars, duration
from tui.engine.spending.service import ceiling_seconds
from tui.engine.staging.planning import StagingPlan
from tui.engine.submission.draft import Draft
from tui.engine.submission.history import History
from tui.engine.submission.model_catalog import Choice
from tui.engine.submission.same_data import DataVerdict
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.checks.estimate import Estimate
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.delivery_schedule.job import DeliveryOutlook
from tui.simpletuner.delivery_schedule.mends import Mend
from tui.simpletuner.release.profile import ReleaseProfile
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.hardware import HardwareProfile
from tui.simpletuner.request.inputs import PredictorInputs

ORDER: Final = {"error": 0, "asking": 1, "warn": 2, "ok": 3}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft with all that is derived from it.

    Attributes:
        draft: the request.
        config: the config with the draft's overrides applied.
        report: the scan of its datasets.
        trained: the scan reduced to what the trainer gets, where datasets are staged.
        profile: the hardware.
        rate_micros: price of the hardware, in micro-dollars per second.
        choice: the model version; None when Replicate could not be asked.
        release: how the SimpleTuner in that version behaves.
        inputs: the prediction's inputs, without the archive's address and the job's own keys.
        estimate: duration and price.
        checks: all findings, errors first.
        run_name: the job's name.
        uploads: whether an archive is packed and uploaded.
        delivery: where the results go.
        history: what earlier runs say.
        staging: how local datasets are staged; None when they are not.
        outlook: which weights leave the trainer, and what would help.
        mended: the change that was applied because the draft asks for it.
        same_data: whether the data are those of the job that is run again; None for other drafts.
        place_asked: whether local datasets are staged to a place that has to be asked first, so
            that `staging` is None all the same.
        release_asked: whether the trainer's version is being asked for, so that `release` is a
            guess.
    """

    draft: Draft
    config: TrainingConfig
    report: DataReport
    trained: DataReport
    profile: HardwareProfile
    rate_micros: int
    choice: Choice | None
    release: ReleaseProfile
    inputs: PredictorInputs
    estimate: Estimate
    checks: tuple[Check, ...]
    run_name: str
    uploads: bool
    delivery: Delivery
    history: History
    outlook: DeliveryOutlook
    mended: Mend | None = None
    staging: StagingPlan | None = None
    same_data: DataVerdict | None = None
    place_asked: bool = False
    release_asked: bool = False

    @property
    def ok(self) -> bool:
        """Whether no check is an error, and all is proved."""
        return not self.failed and not self.asking

    @property
    def failed(self) -> bool:
        """Whether a check is an error."""
        return any(check.level == "error" for check in self.checks)

    @property
    def asking(self) -> list[str]:
        """Ids of the findings that are not proved yet."""
        return [check.id for check in self.checks if check.level == "asking"]

    @property
    def other_hub_token(self) -> Secret | None:
        """The Hub token that the job gets instead of the one in use; None when it gets that."""
        if self.staging is None or self.delivery.kind == "hub":
            return None
        return self.staging.place.job_token()

    def with_checks(self, *more: Check) -> Prepared:
        """A copy with further findings, sorted by level."""
        checks = sorted((*self.checks, *more), key=lambda check: ORDER[check.level])
        return replace(self, checks=tuple(checks))


def cancel_after_seconds(prepared: Prepared) -> int | None:
    """Seconds after which Replicate ends the job: the smaller of time limit and cost ceiling."""
    draft = prepared.draft
    limits = [] if draft.cancel_after is None else [draft.cancel_after]
    if draft.cost_ceiling_micros is not None:
        limits.append(ceiling_seconds(draft.cost_ceiling_micros, prepared.rate_micros))
    return min(limits, default=None)


def ceiling_check(prepared: Prepared) -> list[Check]:
    """The finding about the job's own cost ceiling; empty without one."""
    ceiling, estimate = prepared.draft.cost_ceiling_micros, prepared.estimate
    if ceiling is None:
        return []
    time = duration(ceiling_seconds(ceiling, prepared.rate_micros))
    message = f"never more than {dollars(ceiling)}: Replicate ends it after {time}"
    if estimate.micros > ceiling:
        advice = f"About {dollars(estimate.micros)} are estimated; raise the ceiling or train less."
        return [Check("ceiling", "warn", f"{message}, probably before it is done", advice)]
    return [Check("ceiling", "ok", message)]
