"""What a check finds out about a job before it costs anything: config, data, price, delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from tui.api.base import (
    Bounds,
    CheckLevel,
    Delivery,
    JsonObject,
    JsonValue,
    Micros,
    Timestamp,
    TypedDict,
)


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
        words: whether it leaves or stays, what, where to and for how long, in one line.
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
    words: str
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
