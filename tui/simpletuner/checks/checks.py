"""All checks of a job that need neither the network nor an account.

Each check is a pure function of `Facts` and independent of the other checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tui.base.formatting import duration, plural
from tui.simpletuner.checks.buckets import bucket_checks
from tui.simpletuner.checks.data import CheckRow, data_checks, resting_on
from tui.simpletuner.checks.dataloader import dataloader_checks
from tui.simpletuner.checks.delivery_schedule import schedule_checks
from tui.simpletuner.checks.estimate import RUN_LIMIT_SECONDS, Estimate, estimate, guess_memory
from tui.simpletuner.checks.hosted import hosted_checks
from tui.simpletuner.checks.option_rules import rule_checks
from tui.simpletuner.checks.options import option_checks
from tui.simpletuner.checks.resume import resume_checks
from tui.simpletuner.config.families import family, title
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import OptionValue, as_bool, as_text
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.delivery_schedule.job import DeliveryOutlook, delivery_outlook
from tui.simpletuner.errors import Level
from tui.simpletuner.release.profile import ReleaseProfile
from tui.simpletuner.request.delivery import (
    Delivery,
    clean_repo_id,
    default_delivery_kind,
)
from tui.simpletuner.request.hardware import DEFAULT_PROFILE, PROFILES, HardwareProfile
from tui.simpletuner.request.inputs import NOTHING_TO_READ, PredictorInputs, hf_token_reason
from tui.simpletuner.request.modes import DatasetMode, default_mode

State: TypeAlias = Level | Literal["asking"]
"""How a finding stands; `asking`: it is not proved yet, and somebody is being asked."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the check list.

    Attributes:
        id: stable name for scripts.
        level: `ok`, `warn` (may waste the run), `error` (cannot work) or `asking`.
        message: the finding, for the screen.
        advice: what the user can do; empty for `ok`.
        changes: options (plain names) that correct the problem; a form can apply them.
        release: the release profile that the finding rests on, for the screen; "" when it rests on
            none.
    """

    id: str
    level: State
    message: str
    advice: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    release: str = ""


def without_echo(checks: Sequence[Check]) -> list[Check]:
    """Leave out that no dataset is left where it says why a dataset was refused.

    It would be a second thing to correct, with an advice that was followed already.
    """
    refused = any(
        check.level == "error" and check.id in ("staging", "datasets") for check in checks
    )
    return [check for check in checks if not refused or check.message != NOTHING_TO_READ]


@dataclass(frozen=True, slots=True)
class Facts:
    """The input of the checks.

    Attributes:
        config: the config with the form's changes applied.
        report: the scan of the datasets; None when they were not scanned.
        profile: the hardware.
        delivery: where the trainer uploads its results.
        mode: how the trainer gets its data.
        inputs: the inputs of the request; None before they are built.
        schema: the version's `openapi_schema`; None when unknown.
        release: the version's release profile; None when unknown.
        has_hf_token: whether a Hugging Face token is available; None when unknown.
        guess: estimated duration and price.
        outlook: which weights leave the trainer, and what would help.
        release_asked: the release is being asked for, so that what depends on it waits.
    """

    config: TrainingConfig
    report: DataReport | None
    profile: HardwareProfile
    delivery: Delivery
    mode: DatasetMode
    inputs: PredictorInputs | None
    schema: Mapping[str, Any] | None
    release: ReleaseProfile | None
    has_hf_token: bool | None
    guess: Estimate
    outlook: DeliveryOutlook
    release_asked: bool

    @property
    def option_release(self) -> str | None:
        """The release whose options apply, such as `4.10.1`; None when unknown."""
        return self.release.options if self.release is not None else None


def check_config(
    config: TrainingConfig,
    report: DataReport | None = None,
    *,
    profile: HardwareProfile | None = None,
    delivery: Delivery | None = None,
    mode: DatasetMode | None = None,
    inputs: PredictorInputs | None = None,
    schema: Mapping[str, Any] | None = None,
    release: ReleaseProfile | None = None,
    has_hf_token: bool | None = None,
    step_seconds: float | None = None,
    outlook: DeliveryOutlook | None = None,
    release_asked: bool = False,
) -> list[Check]:
    """Run every local check, in the order of the submit form.

    Every argument but `config` is optional. Defaults are the default hardware and the delivery and
    dataset mode that fit the config; a check whose facts are unknown gives no result.

    Args:
        config: the config with the form's changes applied.
        report: the scan of the datasets.
        profile: the hardware.
        delivery: where the trainer uploads its results.
        mode: how the trainer gets its data.
        inputs: the inputs of the request.
        schema: the version's `openapi_schema`.
        release: the version's release profile.
        has_hf_token: whether a Hugging Face token is available.
        step_seconds: seconds per step of a similar earlier run.
        outlook: what leaves the trainer; None to compute it.
        release_asked: whether the release is being asked for.
    """
    machine = profile or PROFILES[DEFAULT_PROFILE]
    way = delivery or Delivery(default_delivery_kind(config))
    if outlook is None:
        outlook = delivery_outlook(config, way, report=report, release=release, gpus=machine.gpus)
    facts = Facts(
        config=config,
        report=report,
        profile=machine,
        delivery=way,
        mode=mode or default_mode(config),
        inputs=inputs,
        schema=schema,
        release=release,
        has_hf_token=has_hf_token,
        guess=estimate(config, machine, report, step_seconds=step_seconds),
        outlook=outlook,
        release_asked=release_asked,
    )
    return [Check(*fields) for check in _CHECKS for fields in check(facts)]


def _check_readable(facts: Facts) -> Iterator[CheckRow]:
    config = facts.config
    for note in config.notes:
        yield "config", note.level, note.message, note.advice
    if config.family is None:
        advice = 'Add "model_family": "flux" (or sdxl, sd3, …) to the config.'
        yield "model-family", "error", "the config names no model_family", advice
        return
    known = family(config.family)
    flavour = config.flavour or (known.default_flavour if known else None)
    shown = flavour if config.flavour else f"{flavour} (its default)" if flavour else None
    parts = [title(config.family, shown), _method(config)]
    yield "config", "ok", f"config readable · {' · '.join(parts)}"


def _method(config: TrainingConfig) -> str:
    if config.model_type == "full":
        return "full fine-tuning"
    if config.lora_type == "lycoris":
        return f"lycoris {(config.lycoris or {}).get('algo', '')}".strip()
    return f"{config.model_type} rank {config.lora_rank}"


def _check_options(facts: Facts) -> Iterator[CheckRow]:
    yield from resting_on(facts.release, option_checks(facts.config, facts.option_release))
    rules = rule_checks(facts.config, facts.delivery, facts.option_release, gpus=facts.profile.gpus)
    yield from resting_on(facts.release, rules)


def _check_steps(facts: Facts) -> Iterator[CheckRow]:
    config = facts.config
    if config.max_train_steps and config.num_train_epochs:
        both = f"max_train_steps ({config.max_train_steps})"
        both += f" and num_train_epochs ({config.num_train_epochs})"
        advice = "Set one of them to 0."
        yield "steps", "error", f"both {both} are set", advice, {"num_train_epochs": 0}
        return
    steps = facts.guess.steps
    if steps:
        yield "steps", "ok", plural(steps, "step")
    else:
        message = f"{plural(config.num_train_epochs, 'epoch')}; the steps depend on the hosted data"
        yield "steps", "ok", message
    sends_final = facts.release is not None and facts.release.publishes_final
    is_said = facts.delivery.uses_s3 and not sends_final  # by the delivery schedule
    if config.checkpoint_interval > steps > 0 and not is_said:
        message = f"no checkpoint before the end: one is due every {config.checkpoint_interval}"
        half = max(1, steps // 2)
        advice = "Lower checkpoint_step_interval, or a run that is cut short leaves nothing."
        finding = "checkpoints", "warn", message, advice, {"checkpoint_step_interval": half}
        yield from resting_on(facts.release, [finding] if facts.delivery.uses_s3 else [])
        yield from [] if facts.delivery.uses_s3 else [finding]


def _check_run_time(facts: Facts) -> Iterator[CheckRow]:
    guess = facts.guess
    if not guess.steps:
        message = "how long it runs and what it costs depends on data that is not known here"
        advice = "Set max_train_steps, or a cost ceiling or a time after which Replicate ends it."
        yield "run-time", "warn", message, advice
        return
    time = duration(guess.seconds)
    if guess.seconds > RUN_LIMIT_SECONDS:
        advice = (
            "Use fewer steps or faster hardware, or make sure that this model's limit was raised; "
            "frequent checkpoints keep what was reached."
        )
        limit = duration(RUN_LIMIT_SECONDS)
        message = f"about {time}: Replicate stops a run after {limit} by default"
        yield "run-time", "warn", message, advice
    else:
        yield "run-time", "ok", f"about {time}, from {guess.basis}"


def _check_memory(facts: Facts) -> Iterator[CheckRow]:
    need = guess_memory(facts.config)
    vram = facts.profile.vram_gb
    if need is None or need.total_gb <= vram * 0.92:
        return
    # The estimate is rough, so only a need far above the GPU's memory is an error.
    level = "error" if need.total_gb > vram * 1.6 else "warn"
    message = f"may run out of memory: about {need.total_gb:.0f} GB of {vram} GB"
    changes: dict[str, OptionValue] = {}
    if facts.config.train_batch_size > 1:
        changes["train_batch_size"] = 1
    if not facts.config.gradient_checkpointing:
        changes["gradient_checkpointing"] = True
    precision = as_text(facts.config.values.get("base_model_precision")) or "no_change"
    if facts.config.model_type == "lora" and precision == "no_change":
        changes["base_model_precision"] = "int8-quanto"
    listed = ", ".join(f"{name} = {str(value).lower()}" for name, value in changes.items())
    more = "a card with 80 GB" if vram < 80 else "a smaller model or a LoRA"
    advice = f"Set {listed}, or choose {more}." if listed else f"Choose {more}."
    yield "memory", level, message, advice, changes


def _check_gpus(facts: Facts) -> Iterator[CheckRow]:
    gpus, processes = facts.profile.gpus, facts.config.num_processes
    if gpus != processes:
        yield (
            "processes",
            "warn" if processes < gpus else "error",
            f"the config uses {processes} of {gpus} cards"
            if processes < gpus
            else f"the config wants {processes} cards, {facts.profile.label} has {gpus}",
            f"Set num_processes to {gpus}.",
            {"num_processes": gpus},
        )


def _check_delivery(facts: Facts) -> Iterator[CheckRow]:
    kind = facts.delivery.kind
    config = facts.config
    if kind == "none":
        advice = "Choose delivery to this machine, to the Hub or to S3."
        yield "delivery", "warn", "no delivery: the result stays in the trainer and is lost", advice
    elif kind == "hub":
        wanted = facts.delivery.hub_model_id or config.hub_model_id
        repository = clean_repo_id(wanted) if wanted else None
        if repository is None:
            reason = f"{wanted!r} is no repository name" if wanted else "no hub_model_id is set"
            yield "hub", "error", f"push_to_hub, but {reason}", "Set hub_model_id to owner/name."
        elif "/" not in repository:
            advice = "Write owner/name, so that it cannot land elsewhere."
            yield "hub", "warn", f"hub_model_id {repository} has no owner", advice
        else:
            private = as_bool(config.values.get("model_card_private"), default=True)
            look = "private" if private else "public"
            yield "hub", "ok", f"result goes to {repository} on the Hub, {look}"
    else:
        place = "this machine" if kind == "local" else f"bucket {facts.delivery.bucket or '?'}"
        yield "delivery", "ok", f"result goes to {place}"
    yield from _check_schedule(facts)


def _check_schedule(facts: Facts) -> Iterator[CheckRow]:
    schedule = facts.outlook.schedule
    if facts.release_asked and schedule is not None and schedule.promise != "yes":
        # Some versions send more; a terminal would keep the line for good.
        message = "which weights leave the trainer depends on its version, which is being asked"
        yield "delivery-schedule", "asking", message, ""
        return
    yield from resting_on(facts.release, schedule_checks(facts.config, facts.outlook))


def _check_token(facts: Facts) -> Iterator[CheckRow]:
    reason = hf_token_reason(facts.config, facts.delivery)
    if reason is None or facts.has_hf_token is not False:
        return
    level = "error" if facts.delivery.kind == "hub" else "warn"
    advice = "Set HF_TOKEN, or save a token on the Publishing screen."
    yield "hf-token", level, f"a Hugging Face token is needed {reason}", advice


def _check_resume(facts: Facts) -> Iterator[CheckRow]:
    yield from resume_checks(facts.config, facts.delivery)


def _check_request(facts: Facts) -> Iterator[CheckRow]:
    if facts.inputs is None:
        return
    for note in facts.inputs.notes:
        yield "request", note.level, note.message, note.advice
    for reason in facts.inputs.dropped:
        yield "left-out", "ok", f"not sent: {reason}"


def _check_data(facts: Facts) -> Iterator[CheckRow]:
    yield from data_checks(facts.config, facts.report, facts.mode, facts.schema, facts.release)
    if facts.mode != "images":  # with the archive alone no dataloader is sent
        yield from dataloader_checks(facts.config, staged=facts.mode == "staged")
        yield from hosted_checks(facts.config, facts.release)
    yield from bucket_checks(facts.config, facts.report)


_CHECKS: tuple[Callable[[Facts], Iterator[CheckRow]], ...] = (
    *(
        _check_readable,
        _check_options,
        _check_data,
        _check_steps,
        _check_gpus,
        _check_memory,
        _check_delivery,
        _check_token,
    ),
    *(_check_resume, _check_run_time, _check_request),
)
