"""Changes of a config after which its final weights leave the trainer.

Each mend is computed again after it is applied, and only one that keeps its promise is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tui.base.formatting import plural
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import OptionValue, as_bool, as_int, as_text, first_present
from tui.simpletuner.delivery_schedule.plan import BUILT_IN_VALIDATION, Plan, has_prompt, read_plan
from tui.simpletuner.delivery_schedule.schedule import DeliverySchedule
from tui.simpletuner.request.delivery import Delivery, clean_repo_id

MOST_PARTS: Final = 20
"""Most checkpoints that a mend's interval makes of a run."""
_LONG: Final = 100
"""A run of more steps is not mended by a single checkpoint at its end."""
_DEFAULTS: Final[Mapping[str, Any]] = {
    "checkpoint_step_interval": 500,
    "validation_step_interval": 100,
    "gradient_accumulation_steps": 1,
    "validation_disable": False,
    "validation_disable_unconditional": False,
    "validation_method": BUILT_IN_VALIDATION,
}
_FORMER_NAMES: Final = {
    "checkpoint_step_interval": "checkpointing_steps",
    "validation_step_interval": "validation_steps",
}

MendId = Literal["intervals", "steps", "accumulation", "hub"]
Recompute = Callable[[TrainingConfig, Delivery], DeliverySchedule | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One option that a mend changes; `before` is None where the config says nothing."""

    name: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        """The change as a line of a diff."""
        default = _DEFAULTS.get(self.name)
        before = self.before if self.before is not None else f"{_word(default)} (default)"
        return f"{self.name}: {_word(before)} → {_word(self.after)}"


@dataclass(frozen=True, slots=True)
class Mend:
    """A change after which the final weights leave the trainer.

    Attributes:
        id: `intervals`, `steps`, `accumulation` or `hub`.
        title: what it does, for the screen.
        overrides: options for the job.
        delivery: fields of the draft's delivery; empty where that stays.
        changes: the diff.
        schedule: what leaves the trainer then.
    """

    id: MendId
    title: str
    overrides: Mapping[str, Any]
    changes: tuple[Change, ...]
    schedule: DeliverySchedule
    delivery: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The diff in one line."""
        return ", ".join(change.words for change in self.changes)


def find_mends(
    config: TrainingConfig,
    delivery: Delivery,
    schedule: DeliverySchedule,
    recompute: Recompute,
) -> tuple[Mend, ...]:
    """The mends of a run whose final weights do not leave for certain; the mildest first.

    Args:
        config: the config with the job's overrides applied.
        delivery: where the results go.
        schedule: what leaves the trainer without a mend.
        recompute: computes the schedule of a changed config.
    """
    if schedule.promise == "yes" or delivery.kind not in ("local", "s3"):
        return ()
    plan = read_plan(config.values)
    mends: dict[MendId, Mend] = {}
    for identity, title, overrides in _candidates(config, plan, schedule.steps or plan.steps):
        if identity in mends or not overrides:
            continue
        mended = recompute(with_options(config, overrides), delivery)
        if mended is not None and mended.promise == "yes":
            changes = _changes(config, overrides)
            mends[identity] = Mend(identity, title, overrides, changes, mended)
    if hub := _to_the_hub(config, delivery, recompute):
        mends[hub.id] = hub
    return tuple(mends.values())


def _candidates(
    config: TrainingConfig, plan: Plan, steps: int
) -> Iterator[tuple[MendId, str, dict[str, OptionValue]]]:
    """Identity, title and overrides of what may help, the mildest first."""
    validation = _validation_on(config.values, plan, steps)
    divisor = _divisor(steps, plan) if plan.steps else 0
    every = _intervals(plan, divisor) if divisor else {}
    rounded, interval = _rounded(steps, plan)
    to_multiple: dict[str, OptionValue] = (
        {"max_train_steps": rounded} if rounded != plan.steps else {}
    )
    to_multiple |= _intervals(plan, interval)
    to_multiple |= _validation_on(config.values, plan, rounded)
    if divisor:
        pace = "step" if divisor == 1 else f"{divisor} steps"
        title = f"save and validate every {pace}, the last one included"
        yield "intervals", title, every | validation
    if steps and rounded != plan.steps:
        title = f"train {rounded} steps, a multiple of both intervals"
        yield "steps", title, to_multiple
    if plan.accumulation > 1:
        batch = config.train_batch_size * plan.accumulation
        folded: dict[str, OptionValue] = {
            "train_batch_size": batch,
            "gradient_accumulation_steps": 1,
            **validation,
        }
        title = "accumulate no gradients: a larger batch, which needs more memory"
        yield "accumulation", title, folded
        if divisor:
            yield "accumulation", title, folded | every
        if steps:
            yield "accumulation", title, folded | to_multiple


def _divisor(steps: int, plan: Plan) -> int:
    """An interval that divides the steps, near the config's own; 0 when none is sensible."""
    for own in (plan.checkpoint_steps, plan.validation_steps):
        if 0 < own <= steps and steps % own == 0 and steps // own <= MOST_PARTS:
            return own
    fits = [steps // parts for parts in range(1, MOST_PARTS + 1) if steps % parts == 0]
    if steps > _LONG:
        fits = [interval for interval in fits if interval < steps]
    wanted = min(plan.checkpoint_steps or steps, max(1, steps // 2))
    near = (interval for interval in fits if steps > 1)
    return min(near, key=lambda interval: abs(interval - wanted), default=0)


def _rounded(steps: int, plan: Plan) -> tuple[int, int]:
    """A number of steps near the given one with an interval that divides it."""
    if steps < 2:
        return 2, 1
    fits = [
        own
        for own in (plan.checkpoint_steps, plan.validation_steps)
        if 0 < own <= steps and steps // own <= MOST_PARTS
    ]
    unit = fits[0] if fits else int(float(f"{max(1, steps // 4):.1g}"))
    return max(unit, round(steps / unit) * unit), unit


def _intervals(plan: Plan, interval: int) -> dict[str, OptionValue]:
    """The overrides that save and validate every `interval` steps, where that is a change."""
    wanted: dict[str, OptionValue] = {}
    if not plan.checkpoint_steps or interval % plan.checkpoint_steps:
        wanted["checkpoint_step_interval"] = interval
    if not plan.validation_steps or interval % plan.validation_steps:
        wanted["validation_step_interval"] = interval
    return wanted


def _validation_on(values: Mapping[str, Any], plan: Plan, steps: int) -> dict[str, OptionValue]:
    """The overrides without which no validation uploads."""
    wanted: dict[str, OptionValue] = {}
    if as_bool(values.get("validation_disable")):
        wanted["validation_disable"] = False
    if as_bool(values.get("validation_disable_unconditional")) and not has_prompt(values):
        wanted["validation_disable_unconditional"] = False
    method = as_text(values.get("validation_method"))
    if method and method != BUILT_IN_VALIDATION:
        wanted["validation_method"] = BUILT_IN_VALIDATION
    if plan.after_step > steps > 0:
        wanted["validate_after_step"] = 0
    if plan.after_epoch > 1:
        wanted["validate_after_epoch"] = 0
    return wanted


def _to_the_hub(config: TrainingConfig, delivery: Delivery, recompute: Recompute) -> Mend | None:
    """Delivery to the Hub, which gets the final weights in any case; None without a repository."""
    repository = clean_repo_id(config.hub_model_id) if config.hub_model_id else None
    if repository is None or "/" not in repository:
        return None
    schedule = recompute(config, replace(delivery, kind="hub", hub_model_id=repository))
    if schedule is None or schedule.promise != "yes":
        return None
    return Mend(
        "hub",
        f"deliver to {repository} on the Hub, which gets the final weights in any case",
        {},
        (Change("delivery", delivery.kind, f"hub, {repository}"),),
        schedule,
        {"kind": "hub", "hub_model_id": repository},
    )


def _changes(config: TrainingConfig, overrides: Mapping[str, Any]) -> tuple[Change, ...]:
    changes = []
    for name, after in overrides.items():
        names = (name, _FORMER_NAMES.get(name, name))
        before = first_present(config.values, names)
        if name == "max_train_steps" and not as_int(before):
            before = f"{plural(config.num_train_epochs, 'epoch')}"
        elif name == "train_batch_size":
            before = config.train_batch_size
        changes.append(Change(name, before, after))
    return tuple(changes)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
