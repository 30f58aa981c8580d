"""Before a job and its start: the draft, what is found out about it, the answer to a submit."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, Required, TypeAlias

from tui.api.base import (
    Bounds,
    CheckLevel,
    Delivery,
    JsonObject,
    JsonValue,
    Micros,
    Timestamp,
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


# -- what is found out ---------------------------------------------------------------------------


class CheckQuery(TypedDict, total=False):
    """When a check answers.

    Attributes:
        proofs: `wait`, the usual one: when everything is proved that can be proved. `later`: at
            once, with what is known on this machine; the answer's `asking` names the rest, and
            `GET /api/cloud/check/{check_id}` answers when more is known.
    """

    proofs: Literal["wait", "later"]


class LaterQuery(TypedDict, total=False):
    """Which answer of a check is known already: the next one has a higher `rev` than `after`."""

    after: Annotated[int, Bounds(ge=0)]


class Check(TypedDict):
    """One line of the check list.

    Attributes:
        id: stable name for scripts.
        level: fine, may waste the run, cannot work, or not proved yet: somebody is being asked.
        message: what was found.
        advice: what to do; empty for `ok`.
        changes: options for the draft's overrides that correct it; null takes one out of the config
            (the draft's `unset`). Empty when none would.
        release: the release profile of the trainer that it rests on; empty when it rests on none.
    """

    id: str
    level: CheckLevel | Literal["asking"]
    message: str
    advice: str
    changes: JsonObject
    release: str


class CheckedConfig(TypedDict):
    """What a config asks for, under SimpleTuner's names; null where it says nothing.

    Attributes:
        name: of the config.
        path: of its file, absolute.
        model_family: such as `flux`.
        model_flavour: such as `dev`.
        model_type: `lora` or `full`, as written.
        lora_type: `standard` or `lycoris`.
        lora_rank: of the adapter.
        max_train_steps: 0 or null where epochs count.
        num_train_epochs: 0 where steps count.
        train_batch_size: samples per step and card.
        gradient_accumulation_steps: steps per update.
        learning_rate: as read.
        optimizer: its name.
        resolution_pixels: edge of the images, in pixels.
        base_model_precision: such as `int8-quanto`.
        checkpoint_step_interval: steps between two checkpoints.
        validation_step_interval: steps between two validations.
        push_to_hub: whether results go to the Hub by the config.
        hub_model_id: the repository.
        tracker_run_name: the run's name in the config.
        data_backend_config: path of the dataloader's file.
    """

    name: str
    path: str
    model_family: str | None
    model_flavour: str | None
    model_type: str
    lora_type: str | None
    lora_rank: int | None
    max_train_steps: int | None
    num_train_epochs: int | None
    train_batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float | None
    optimizer: str | None
    resolution_pixels: int | float | None
    base_model_precision: str | None
    checkpoint_step_interval: int | None
    validation_step_interval: int | None
    push_to_hub: bool
    hub_model_id: str | None
    tracker_run_name: str | None
    data_backend_config: str | None


class SkippedFile(TypedDict):
    """A file that is not packed, and why."""

    path: str
    reason: str


class DatasetProblem(TypedDict):
    """Something about a dataset that the user should know."""

    level: CheckLevel
    message: str
    advice: str


class AspectBucket(TypedDict):
    """Images of one shape; a batch holds images of one bucket.

    Attributes:
        aspect: width by height, rounded as the trainer names the bucket.
        width: of the training size, in pixels.
        height: of the training size, in pixels.
        images: how many images it holds.
    """

    aspect: float
    width: int
    height: int
    images: int


class ImageSizes(TypedDict):
    """Between which sizes the images of a dataset lie, in pixels as they are shown.

    Attributes:
        smallest_width: of the image with the fewest pixels.
        smallest_height: of the same.
        largest_width: of the image with the most pixels.
        largest_height: of the same.
    """

    smallest_width: int
    smallest_height: int
    largest_width: int
    largest_height: int


class CheckedDataset(TypedDict):
    """One data backend of the config, with what was found in its folder.

    Attributes:
        id: the backend's id.
        kind: what it holds, such as `local` or `hosted`.
        type: the backend's type, as written.
        dataset_type: such as `image` or `text_embeds`.
        caption_strategy: such as `textfile`.
        disabled: whether the trainer leaves it out.
        path: its folder on this machine; null for others.
        images: how many there are.
        captions: how many there are.
        bytes: of what would be packed.
        sizes: the smallest and the largest image; null where no size is known.
        buckets: the aspect buckets that the trainer makes of it; null where they cannot be known.
        repeats: how often each image is repeated in an epoch.
        samples_per_step: images that one step takes from a bucket, over all cards.
        missing_captions: images without a caption, by name; the first of them.
        empty_captions: images whose caption is empty.
        corrupt_images: images that cannot be read.
        small_images: images below the resolution.
        skipped: files that are not packed.
        problems: what the user should know.
    """

    id: str
    kind: str
    type: str | None
    dataset_type: str | None
    caption_strategy: str | None
    disabled: bool
    path: str | None
    images: int
    captions: int
    bytes: int
    sizes: ImageSizes | None
    buckets: list[AspectBucket] | None
    repeats: int
    samples_per_step: int
    missing_captions: list[str]
    empty_captions: list[str]
    corrupt_images: list[str]
    small_images: list[str]
    skipped: list[SkippedFile]
    problems: list[DatasetProblem]


class PastError(TypedDict):
    """By how much past estimates of prices were wrong.

    Attributes:
        runs: completed runs that were compared.
        percent: half of the estimates were wrong by at most so much.
        bias_percent: above zero when runs cost more than was estimated.
    """

    runs: int
    percent: int
    bias_percent: int


class QueueWait(TypedDict):
    """How long jobs of the hardware waited for their start.

    Attributes:
        runs: runs that were counted.
        seconds: half of them waited at most so long.
        long_seconds: 95 of 100 waited at most so long.
    """

    runs: int
    seconds: int
    long_seconds: int


class CostEstimate(TypedDict):
    """A guess of a run's length and price, with its range.

    Attributes:
        steps: optimisation steps; 0 when they cannot be known.
        seconds: the likeliest length.
        low_seconds: of a fast run.
        high_seconds: of a slow one.
        micros: the likeliest price.
        low_micros: of a fast run.
        high_micros: of a slow one.
        rate_micros: micro-dollars for each second.
        free: nothing is charged: the API is a sandbox on this machine, wherever the data go.
        basis: what the guess rests on, in words.
        measured_runs: earlier runs like this one whose steps were measured; 0 for a guess from
            typical times.
        error: how good past estimates were; null before the first completed run.
        queue: the wait before the start, from earlier runs; null when none is known.
    """

    steps: int
    seconds: int
    low_seconds: int
    high_seconds: int
    micros: Micros
    low_micros: Micros
    high_micros: Micros
    rate_micros: Micros
    free: bool
    basis: str
    measured_runs: int
    error: PastError | None
    queue: QueueWait | None


class LeavingData(TypedDict):
    """What would leave this machine.

    Attributes:
        images: how many; 0 without an upload.
        captions: how many.
        bytes: all together.
        destination: who gets it, for people.
        skipped: files that stay, at most 200 of them.
        stays_here: who gets it and the API are servers on this machine.
        until: how long it stays there, in words; empty where Replicate decides.
        token: which credential travels with the job so that the trainer can read it, in words.
        missing_bytes: what of it is not there yet.
        place: the place of staged data, as `staging` names it; `upload` for an archive; empty
            when nothing leaves.
        digest: SHA-256 over the receiver, the content and the token that travels, to be sent back
            as `agreed`.
    """

    images: int
    captions: int
    bytes: int
    destination: str
    skipped: list[SkippedFile]
    stays_here: bool
    until: str
    token: str
    missing_bytes: int
    place: str
    digest: str


class PlannedRequest(TypedDict):
    """What would be sent to Replicate.

    Attributes:
        version: `owner/name:hash`; null when Replicate could not be asked.
        input: the trainer's inputs, secrets as `***`.
        dropped: what the config or the draft asked for and the request does not carry, in words.
    """

    version: str | None
    input: JsonObject
    dropped: list[str]


class LicenceFields(TypedDict, total=False):
    """The licence fields of a model card, by the Hub's names; empty when it is not known."""

    license: str
    license_name: str
    license_link: str


class PlannedDelivery(TypedDict):
    """Where results would go; null where a field does not belong to the way.

    Attributes:
        kind: the way.
        hub_model_id: the repository, as written where it cannot be read.
        private: whether the repository would be made private.
        push_checkpoints: whether checkpoints go as well.
        background: whether uploads go on beside the training.
        safe_for_work: as the card will say.
        note: text for the card.
        comment: text for the file's metadata.
        licence: what the result inherits from its base model.
        destination: name of the user's S3 destination.
        bucket: of the way by S3.
        region: of the bucket.
        endpoint: of the bucket's server; null is AWS.
        base_path: before all keys.
        public_base_url: what links begin with.
    """

    kind: Delivery
    hub_model_id: str | None
    private: bool | None
    push_checkpoints: bool | None
    background: bool | None
    safe_for_work: bool | None
    note: str | None
    comment: str | None
    licence: LicenceFields
    destination: str | None
    bucket: str | None
    region: str | None
    endpoint: str | None
    base_path: str | None
    public_base_url: str | None


class OptionChange(TypedDict):
    """One line of a diff of options; `before` is null where the config says nothing."""

    name: str
    before: JsonValue
    after: JsonValue


class DeliveryMend(TypedDict):
    """A change after which the final weights leave the trainer.

    Attributes:
        id: the kind of change: other intervals, rounded steps, no accumulation, or the Hub.
        title: what it does, for people.
        overrides: options for the draft's overrides.
        delivery: fields for the draft's delivery; empty where that stays.
        changes: the diff.
        words: the diff in one line.
        line: what leaves the trainer then.
    """

    id: Literal["intervals", "steps", "accumulation", "hub"]
    title: str
    overrides: JsonObject
    delivery: JsonObject
    changes: list[OptionChange]
    words: str
    line: str


class PlannedWeights(TypedDict):
    """Which weights would leave the trainer.

    Attributes:
        way: how they would leave; null without a delivery.
        line: the outcome in one line.
        reason: why the final weights do not leave, or why that cannot be told; else empty.
        steps: optimisation steps; 0 when they cannot be known.
        weights: steps of the checkpoints that leave; of long runs the last ones.
        last: step of the last weights that leave.
        final: whether these are the weights of the last step.
        promise: whether the final weights leave for certain.
        uploads: how often the run folder is uploaded; null when unknown.
        sent_bytes: estimate of what all uploads send, repetitions included; null when unknown.
        stored_bytes: estimate of what arrives; null when unknown.
        mends: changes that would help, the mildest first.
        mended: the change that was applied because the draft asks for it.
    """

    way: Literal["s3", "local", "hub"] | None
    line: str
    reason: str
    steps: int
    weights: list[int]
    last: int | None
    final: bool
    promise: Literal["yes", "no", "unknown"]
    uploads: int | None
    sent_bytes: int | None
    stored_bytes: int | None
    mends: list[DeliveryMend]
    mended: DeliveryMend | None


class ChosenHardware(TypedDict):
    """The machine a job would run on.

    Attributes:
        id: the hardware profile.
        label: for people.
        vram_gb: memory of one card, in GB.
        rate_micros: micro-dollars for each second.
    """

    id: str
    label: str
    vram_gb: int
    rate_micros: Micros


class ChosenVersion(TypedDict):
    """The trainer's version a job would run on.

    Attributes:
        id: the hash; null when Replicate could not be asked.
        model: `owner/name`; null where no trainer runs on the hardware.
        created_at: when it was pushed.
    """

    id: str | None
    model: str | None
    created_at: Timestamp | None


class CostLimitDetails(TypedDict, total=False):
    """Why the cost limit refuses a job, in millionths of a dollar.

    Attributes:
        spent_micros: spent in the window until now.
        running_micros: what active jobs are expected to cost further.
        estimate_micros: what the new job is expected to cost.
        projected_micros: all three together.
        limit_micros: the limit.
        over_micros: by how much it would be exceeded.
        period: the rolling window.
        action: what the limit does.
        reason: `unknown_spending` where what was spent cannot be worked out; then alone.
    """

    spent_micros: Micros
    running_micros: Micros
    estimate_micros: Micros
    projected_micros: Micros
    limit_micros: Micros
    over_micros: Micros
    period: Literal["daily", "weekly", "monthly"]
    action: Literal["warn", "block"]
    reason: str


class CheckReport(TypedDict):
    """Everything that can be known about a job before it costs anything.

    Attributes:
        check_id: the check, for a second look.
        rev: of the report; it grows as proofs arrive.
        asking: ids of the findings that are not proved yet; empty when the report is complete.
        config: what the config asks for, the draft's overrides applied.
        datasets: what it trains on.
        checks: all findings, the worst first.
        ok: whether the job could be started; false until all is proved.
        acceptable: whether only findings stand in the way that the user may override.
        accepts: the fields of the draft that would override them, such as `accept_delivery`.
        estimate: time and price.
        leaves: what would leave this machine.
        request: what would be sent.
        cost_limit: the figures where the cost limit refuses the job; else null.
        delivery: where results would go.
        weights: which weights would leave the trainer.
        cancel_after: seconds after which Replicate would end the job; null without a limit.
        cost_ceiling_micros: as in the draft.
        run_name: the job's name.
        hardware: the machine.
        version: the trainer's version.
    """

    check_id: str
    rev: int
    asking: list[str]
    config: CheckedConfig
    datasets: list[CheckedDataset]
    checks: list[Check]
    ok: bool
    acceptable: bool
    accepts: list[str]
    estimate: CostEstimate
    leaves: LeavingData
    request: PlannedRequest
    cost_limit: CostLimitDetails | None
    delivery: PlannedDelivery
    weights: PlannedWeights
    cancel_after: int | None
    cost_ceiling_micros: Micros | None
    run_name: str
    hardware: ChosenHardware
    version: ChosenVersion


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
