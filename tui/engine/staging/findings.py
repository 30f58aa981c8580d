"""Whether a draft's data are staged, and what the check says about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tui.base import formatting
from tui.engine.staging.planning import StagingPlan
from tui.engine.staging.whole_bucket import whole_bucket
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.training_config import TrainingConfig

_WAY_HERE: Final = frozenset({"listener", "public-url", "receiver-reach"})
"""Ids of the steps of a test of the delivery to this machine."""


def place_for(
    data: str | None, staging: str | None, config: TrainingConfig, *, unpacks: bool | None
) -> str | None:
    """Return the place that a draft's local datasets are staged to; None when they are not.

    "" leaves the choice of the place to the staging service.

    Args:
        data: the draft's choice of the way; None leaves it to this program.
        staging: the draft's choice of the place; without one the setting `cloud.staging` decides.
        config: the config; without local datasets nothing is staged.
        unpacks: whether the trainer unpacks archives; None when unknown.
    """
    if not config.local_datasets:
        return None
    if data == "staged" or (data is None and (staging or unpacks is False)):
        return staging or ""
    return None


def staging_findings(
    plan: StagingPlan, *, prefix_respected: bool | None = None, release_asked: bool = False
) -> list[Check]:
    """Return the findings about a plan.

    Args:
        plan: the plan.
        prefix_respected: whether the trainer reads one folder of a bucket only, and not all of it;
            None when its release is not known.
        release_asked: its version is being asked for, so that a bucket is not refused yet.
    """
    found = [Check("staging", note.level, note.message, note.advice) for note in plan.notes]
    refusal, advice = whole_bucket(prefix_respected=prefix_respected)
    if plan.place.kind == "bucket" and refusal and release_asked:
        message = "whether the trainer reads one folder of a bucket only is being asked"
        return [*found, Check("staging", "asking", message)]
    if plan.place.kind == "bucket" and refusal:
        found.append(Check("staging", "error", refusal, advice))
    if any(check.level == "error" for check in found):
        return found
    if plan.asking:
        message = f"the pictures go to {plan.leaves.to}: what is there already is being asked"
        return [*found, Check("staging", "asking", message)]
    if plan.missing is None:
        return found
    left = plan.missing
    what = f"{formatting.size(left.bytes)} to send" if left.files else "all of it is there already"
    message = f"the pictures go to {plan.leaves.to}: {what}"
    if left.unproved:
        advice = "Test the delivery to this machine on the Cloud screen."
        return [*found, Check("staging", "warn", f"{message}; {left.unproved}", advice)]
    return [*found, Check("staging", "ok", message)]


def reading_findings(steps: Iterable[Check]) -> list[Check]:
    """Return why a trainer cannot read from this machine, by a test of the way to it.

    Nobody can accept these errors: without its pictures a run has nothing to train on.
    """
    return [
        Check(
            "staging",
            "error",
            f"the trainer cannot read from this machine: {step.message}",
            step.advice,
        )
        for step in steps
        if step.level == "error" and step.id in _WAY_HERE
    ]
