"""The start of a job: the draft, how a run is started again, and the answer to a submit."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, Required, TypeAlias

from tui.api.base import (
    Bounds,
    Delivery,
    JsonObject,
    JsonValue,
    TypedDict,
    with_more,
)
from tui.api.jobs import JobStatus

# -- what is asked for ---------------------------------------------------------------------------


class DraftDelivery(TypedDict, total=False):
    """Where results shall go; without a kind, where the config says. Keys never stand here.

    Attributes:
        kind: the way; a repository or a destination alone says it as well.
        hub_model_id: `owner/name`; web addresses of it are cleaned.
        destination: name of the user's S3 destination, whose keys the trainer gets.
        bucket: instead of the destination's, like all that follow.
        region: the bucket's.
        prefix: before all keys; `{job_id}` in it is the job's id, which else stands behind it.
        public_base_url: only for links.
    """

    kind: Delivery | None
    hub_model_id: str | None
    destination: str | None
    bucket: str | None
    region: str | None
    prefix: str | None
    public_base_url: str | None


@with_more
class DraftOverrides(TypedDict, total=False):
    """Options that replace the config's for one job, by SimpleTuner's plain names.

    These have limits of their own; each other option of the trainer can be given beside them.

    Attributes:
        max_train_steps: optimisation steps.
        num_train_epochs: instead of steps.
        train_batch_size: samples per step and card.
        lora_rank: of the adapter.
        learning_rate: greater than 0.
        gradient_checkpointing: trades time for memory.
        gradient_accumulation_steps: steps per update.
        resolution: pixels or megapixels, as the config's `resolution_type` says.
        base_model_precision: such as `int8-quanto`.
        vae_batch_size: images per pass of the VAE.
        checkpoint_step_interval: steps between two checkpoints; 0 makes none.
        checkpoints_total_limit: how many are kept.
        validation_step_interval: steps between two validations, which the S3 ways upload after.
        validation_epoch_interval: epochs between two validations.
        validate_after_step: no validation by schedule before it.
        validate_after_epoch: no validation by schedule before it.
        validation_disable: without a validation the S3 ways deliver no weights.
        validation_disable_unconditional: no validation of the empty prompt.
        validation_method: only the trainer's own is followed by an upload.
        validation_prompt: of the pictures.
        report_to: a tracker.
        resume_from_checkpoint: `latest`, or the address of a checkpoint in the bucket that the
            job delivers to: `s3://bucket/…/checkpoint-N` (`outputs` is this machine's).
        num_processes: cards in use.
        model_type: `lora` or `full`.
        optimizer: by SimpleTuner's name.
        mixed_precision: such as `bf16`.
        attention_mechanism: such as `diffusers`.
        dynamo_backend: of the compiler; `no` for none.
        vae_enable_tiling: less memory for large pictures.
        find_unused_parameters: for several cards.
        flux_fast_schedule: needed by Flux schnell.
        ideogram_validation: allows validations of that family.
        trust_remote_code: lets the base model's repository run code in the trainer.
        validation_resolution: `1024` or `1024x768`.
        init_lora_step: the step that an initial LoRA was trained to.
        repeats: of every dataset of the config.
        push_checkpoints_to_hub: not only the final result.
        push_to_hub_background: while the training goes on.
        model_card_private: whether the repository is made private.
        model_card_safe_for_work: as the card says.
        model_card_note: text for the card.
        modelspec_comment: text for the file's metadata.
    """

    max_train_steps: Annotated[int, Bounds(ge=1)] | None
    num_train_epochs: Annotated[int, Bounds(ge=0)] | None
    train_batch_size: Annotated[int, Bounds(ge=1)] | None
    lora_rank: Annotated[int, Bounds(ge=1)] | None
    learning_rate: Annotated[float, Bounds(gt=0)] | None
    gradient_checkpointing: bool | None
    gradient_accumulation_steps: Annotated[int, Bounds(ge=1)] | None
    resolution: Annotated[float, Bounds(gt=0)] | None
    base_model_precision: str | None
    vae_batch_size: Annotated[int, Bounds(ge=1)] | None
    checkpoint_step_interval: Annotated[int, Bounds(ge=0)] | None
    checkpoints_total_limit: Annotated[int, Bounds(ge=1)] | None
    validation_step_interval: Annotated[int, Bounds(ge=1)] | None
    validation_epoch_interval: Annotated[int, Bounds(ge=1)] | None
    validate_after_step: Annotated[int, Bounds(ge=0)] | None
    validate_after_epoch: Annotated[int, Bounds(ge=0)] | None
    validation_disable: bool | None
    validation_disable_unconditional: bool | None
    validation_method: str | None
    validation_prompt: str | None
    report_to: str | None
    resume_from_checkpoint: str | None
    num_processes: Annotated[int, Bounds(ge=1)] | None
    model_type: str | None
    optimizer: str | None
    mixed_precision: str | None
    attention_mechanism: str | None
    dynamo_backend: str | None
    vae_enable_tiling: bool | None
    find_unused_parameters: bool | None
    flux_fast_schedule: bool | None
    ideogram_validation: bool | None
    trust_remote_code: bool | None
    validation_resolution: str | None
    init_lora_step: Annotated[int, Bounds(ge=0)] | None
    repeats: Annotated[int, Bounds(ge=0)] | None
    push_checkpoints_to_hub: bool | None
    push_to_hub_background: bool | None
    model_card_private: bool | None
    model_card_safe_for_work: bool | None
    model_card_note: str | None
    modelspec_comment: str | None


class Draft(TypedDict, total=False):
    """A job as somebody wishes it; only the config is needed.

    Attributes:
        config: path of a config, of its folder, or a name below the config roots.
        name: run name; suggested from the config when missing.
        hardware: a hardware profile.
        model: `owner/name` or `owner/name:version` instead of the profile's model.
        version: a version of the model instead of the newest (or pinned) one.
        data: `upload` packs local datasets into an archive, `staged` sends them to a place that
            the trainer reads from, `hosted` uses `images_url`, `remote` none of these.
        staging: the place, for `staged`: `hub`, `here` or `bucket:<destination>`.
        keep_staged: keep the staged data when the last job that reads them has ended.
        leave_out_uncaptioned: stage a dataset without its pictures that have no caption.
        images_url: https address of an archive, for `hosted`.
        delivery: where results shall go.
        overrides: options that replace the config's.
        unset: options of the config that this job goes without, by SimpleTuner's plain names.
        cancel_after: seconds after which Replicate ends the job.
        cost_ceiling_micros: micro-dollars that the job may cost at most; becomes such a time.
        consent: whether the user agreed to what leaves the machine.
        agreed: what they agreed to: `leaves.digest` of the check that was shown. A submit that
            would send something else, or elsewhere, is refused with `consent_required`. Without
            it, a submit that names no place is refused when the place is no longer the one that
            the newest check of the same draft showed.
        accept_delivery: start even though results would not arrive, as far as can be told here.
        accept_data: start even though the trainer is known to ignore or refuse the archive.
        trainer_release: which SimpleTuner the version holds, as the user knows it.
        fix_delivery: apply the mildest change after which the final weights leave the trainer;
            never one that sends them to another receiver.
        idempotency_key: the same key gives the same job back.
        cwd: folder that relative paths are meant from; the engine's own is another.
        tags: words to find the job by; nothing of them is sent.
        rerun_of: id of a job whose config and data are used as they ran, whatever the files say
            today; `config` is then for the screen only.
    """

    config: Required[str]
    name: Annotated[str, Bounds(max_length=200)] | None
    hardware: str | None
    model: str | None
    version: str | None
    data: Literal["upload", "staged", "hosted", "remote"] | None
    staging: Annotated[str, Bounds(max_length=200)] | None
    keep_staged: bool
    leave_out_uncaptioned: bool
    images_url: str | None
    delivery: DraftDelivery
    overrides: DraftOverrides
    unset: Annotated[list[str], Bounds(max_length=100)]
    cancel_after: Annotated[int, Bounds(ge=5)] | None
    cost_ceiling_micros: Annotated[int, Bounds(ge=1)] | None
    consent: bool
    agreed: Annotated[str, Bounds(max_length=200)] | None
    accept_delivery: bool
    accept_data: bool
    trainer_release: Literal["4.8.0", "4.10.1", "patched"] | None
    fix_delivery: bool
    idempotency_key: Annotated[str, Bounds(max_length=200)] | None
    cwd: str | None
    tags: Annotated[list[str], Bounds(max_length=500)]
    rerun_of: Annotated[str, Bounds(max_length=200)] | None


class RerunRequest(TypedDict, total=False):
    """How a job is run again; without consent nothing is started.

    Attributes:
        settings: `ran` for the same run, `today` for today's config, data and version.
        name: run name; suggested when missing.
        overrides: options that replace those of the run.
        consent: whether the user agreed to the price and to what leaves the machine.
        agreed: what they agreed to: `leaves.digest` of the check that was shown.
        most_micros: the highest price that they agreed to, in micro-dollars; an estimate above it
            is refused with `consent_required`.
        accept_delivery: start even though results would not arrive, as far as can be told here.
        accept_data: start even though the trainer is known to ignore or refuse the archive.
        idempotency_key: the same key gives the same job back.
    """

    settings: Literal["ran", "today"]
    name: Annotated[str, Bounds(max_length=200)] | None
    overrides: DraftOverrides
    consent: bool
    agreed: Annotated[str, Bounds(max_length=200)] | None
    most_micros: Annotated[int, Bounds(ge=0)] | None
    accept_delivery: bool
    accept_data: bool
    idempotency_key: Annotated[str, Bounds(max_length=200)] | None


class SimpleTunerSubmit(TypedDict, total=False):
    """A submit as SimpleTuner's own clients send it; one of the first two is needed.

    Attributes:
        config_name_to_load: a config by name.
        config: a whole config.
        dataloader_config: its data backends.
        config_name: the run's name where `tracker_run_name` is missing.
        tracker_run_name: the run's name.
        hardware_profile: the machine.
        idempotency_key: the same key gives the same job back.
        consent: our addition: whether the user agreed to what leaves the machine.
        data: our addition, as all up to `trainer_release` as in a draft: the way of the data.
        staging: the place, for `staged`: `hub`, `here` or `bucket:<destination>`.
        keep_staged: keep the staged data when the last job that reads them has ended.
        leave_out_uncaptioned: stage a dataset without its pictures that have no caption.
        delivery: where results shall go.
        accept_data: start even though the trainer is known to ignore or refuse the archive.
        accept_delivery: start even though results would not arrive, as far as can be told here.
        fix_delivery: apply the mildest change after which the final weights leave the trainer.
        trainer_release: which SimpleTuner the version holds, as the user knows it.
        webhook_url: taken and not used: each job has an address of its own.
        snapshot_name: taken and not used.
        snapshot_message: taken and not used.
        upload_id: taken and not used: the archive is made here.
    """

    config_name_to_load: str | None
    config: JsonObject | None
    dataloader_config: list[JsonValue] | None
    config_name: str | None
    tracker_run_name: str | None
    hardware_profile: str | None
    idempotency_key: str | None
    consent: bool | None
    data: Literal["upload", "staged", "hosted", "remote"] | None
    staging: Annotated[str, Bounds(max_length=200)] | None
    keep_staged: bool | None
    leave_out_uncaptioned: bool | None
    delivery: DraftDelivery | None
    accept_data: bool | None
    accept_delivery: bool | None
    fix_delivery: bool | None
    trainer_release: Literal["4.8.0", "4.10.1", "patched"] | None
    webhook_url: JsonValue
    snapshot_name: JsonValue
    snapshot_message: JsonValue
    upload_id: JsonValue


SubmitRequest: TypeAlias = Draft | SimpleTunerSubmit
"""Either form of a submit; a draft is one whose `config` is a text."""


class SubmitQuery(TypedDict, total=False):
    """Who runs the job: `replicate`, which is all there is."""

    provider: Literal["replicate"]


# -- what is answered ------------------------------------------------------------------------------


class JobSubmitted(TypedDict):
    """A job was made; packing, upload and the start go on afterwards.

    Attributes:
        success: always true.
        job_id: the job's id.
        status: where it stands.
        idempotent_hit: an earlier request with the same key has made it.
        cost_limit_warning: why the user must look at the money.
        error: always null.
        data_uploaded: whether local datasets are uploaded.
        upload_id: the job's id, if they are.
        quota_warnings: always empty.
    """

    success: Literal[True]
    job_id: str
    status: JobStatus
    idempotent_hit: bool
    cost_limit_warning: str | None
    error: None
    data_uploaded: bool
    upload_id: str | None
    quota_warnings: list[str]


# -- sensible choices for a form -----------------------------------------------------------------


class RecommendedDelivery(TypedDict):
    """Where to deliver; the kind is always given."""

    kind: Delivery
    hub_model_id: NotRequired[str]
    destination: NotRequired[str]


class Recommended(TypedDict):
    """The way for a draft's results that is most likely to work.

    Attributes:
        delivery: for the draft.
        overrides: for the draft.
        words: the choice as a sentence.
    """

    delivery: RecommendedDelivery
    overrides: DraftOverrides
    words: str
