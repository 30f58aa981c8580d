"""The job draft that `check` and `submit` take, validated with pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tui.base.addresses import ARCHIVE, read_address
from tui.base.annotation_text import read_tags
from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.replicate.create import SHORTEST_LIFE
from tui.simpletuner.config.any_option import read_option
from tui.simpletuner.config.overrides import read_prose
from tui.simpletuner.request.delivery import READERS, read_field

_LONGEST: Final = 8_000
"""Letters of a text; paths and addresses are shorter."""
_MOST_OPTIONS: Final = 1_000
_MOST_CHANGED: Final = 100_000
"""Letters of all changed options of a job together: they are compared, hashed and shown."""


class DeliveryDraft(BaseModel):
    """Where the results shall go. Without a kind the config decides. It never contains keys.

    Attributes:
        kind: the kind of delivery; may be left out when `hub_model_id` or `destination` is given.
        hub_model_id: `owner/name`; the web address of a repository is accepted as well.
        destination: name of the user's S3 destination, whose keys the trainer gets.
        bucket: overrides the destination's bucket.
        region: overrides the destination's region.
        prefix: overrides the destination's prefix of all keys. `{job_id}` in it is replaced by the
            job's id; without it the id is appended.
        public_base_url: overrides the destination's base of links to delivered files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=_LONGEST)

    kind: Literal["local", "hub", "s3", "none"] | None = None
    hub_model_id: str | None = None
    destination: str | None = None
    bucket: str | None = None
    region: str | None = None
    prefix: str | None = None
    public_base_url: str | None = None

    @field_validator(*READERS)
    @classmethod
    def _read(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else read_field(info.field_name or "", value)

    @property
    def wanted(self) -> str | None:
        """The kind of delivery asked for, given or implied; None when the config decides."""
        if self.kind is not None:
            return self.kind
        return "s3" if self.destination else "hub" if self.hub_model_id else None


class Overrides(BaseModel):
    """Options that replace the config's for this job, by SimpleTuner's names.

    `simpletuner.config.overrides` applies them. Beside these, which have limits of their own, each
    option of the trainer can be given.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    max_train_steps: int | None = Field(None, ge=1)
    num_train_epochs: int | None = Field(None, ge=0)
    train_batch_size: int | None = Field(None, ge=1)
    lora_rank: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    gradient_checkpointing: bool | None = None
    gradient_accumulation_steps: int | None = Field(None, ge=1)
    resolution: float | None = Field(None, gt=0)
    base_model_precision: str | None = None
    vae_batch_size: int | None = Field(None, ge=1)
    checkpoint_step_interval: int | None = Field(None, ge=0)
    checkpoints_total_limit: int | None = Field(None, ge=1)
    validation_step_interval: int | None = Field(None, ge=1)
    validation_epoch_interval: int | None = Field(None, ge=1)
    validate_after_step: int | None = Field(None, ge=0)
    validate_after_epoch: int | None = Field(None, ge=0)
    validation_disable: bool | None = None
    validation_disable_unconditional: bool | None = None
    validation_method: str | None = None
    validation_prompt: str | None = None
    report_to: str | None = None
    resume_from_checkpoint: str | None = None
    num_processes: int | None = Field(None, ge=1)
    model_type: str | None = None
    optimizer: str | None = None
    mixed_precision: str | None = None
    attention_mechanism: str | None = None
    dynamo_backend: str | None = None
    vae_enable_tiling: bool | None = None
    find_unused_parameters: bool | None = None
    flux_fast_schedule: bool | None = None
    ideogram_validation: bool | None = None
    trust_remote_code: bool | None = None
    validation_resolution: str | None = None
    init_lora_step: int | None = Field(None, ge=0)
    repeats: int | None = Field(None, ge=0)
    push_checkpoints_to_hub: bool | None = None
    push_to_hub_background: bool | None = None
    model_card_private: bool | None = None
    model_card_safe_for_work: bool | None = None
    model_card_note: str | None = None
    modelspec_comment: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _few(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > _MOST_OPTIONS:
            raise ValueError(f"must be at most {_MOST_OPTIONS:,} options")
        return data

    @field_validator("model_card_note", "modelspec_comment")
    @classmethod
    def _read(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else read_prose(info.field_name or "", value)

    @model_validator(mode="after")
    def _read_others(self) -> Self:
        others = self.model_extra or {}
        if sum(len(f"{name}{value}") for name, value in self) > _MOST_CHANGED:
            raise ValueError(f"must have at most {_MOST_CHANGED:,} characters together")
        for name, value in others.items():
            try:
                read_option(name, value)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return self

    def given(self) -> JsonObject:
        """The options that are set."""
        values = self.model_dump(exclude_none=True)
        if (resolution := self.resolution) is not None and resolution.is_integer():
            values["resolution"] = int(
                resolution
            )  # the trainer takes pixels as a whole number only
        return values


class Draft(BaseModel):
    """The request of `check` and `submit`.

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
        unset: options of the config that this job goes without, by plain name.
        cancel_after: seconds after which Replicate ends the job.
        cost_ceiling_micros: micro-dollars that the job may cost at most; converted into such a
            time by the hardware's rate.
        consent: whether the user agreed to the upload of datasets.
        agreed: what they agreed to: the digest that the check showed with what leaves.
        accept_delivery: start although the check of the delivery failed.
        accept_data: start although the trainer is known to ignore or refuse the archive.
        trainer_release: which SimpleTuner the version holds, as the user knows it.
        fix_delivery: apply the mildest change after which the final weights leave the trainer;
            never one that sends them to another receiver.
        idempotency_key: a second submit with the same key returns the first one's job.
        cwd: the caller's working folder, which relative paths refer to.
        tags: words to find the job by.
        rerun_of: a job whose config and data are used as they ran.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=_LONGEST)

    config: str
    name: str | None = Field(None, max_length=200)
    hardware: str | None = None
    model: str | None = None
    version: str | None = None
    data: Literal["upload", "staged", "hosted", "remote"] | None = None
    staging: str | None = Field(None, max_length=200)
    keep_staged: bool = False
    leave_out_uncaptioned: bool = False
    images_url: str | None = None
    delivery: DeliveryDraft = DeliveryDraft()
    overrides: Overrides = Overrides()
    unset: tuple[Annotated[str, Field(max_length=200)], ...] = Field((), max_length=100)
    cancel_after: int | None = Field(None, ge=SHORTEST_LIFE)
    cost_ceiling_micros: int | None = Field(None, ge=1)
    consent: bool = False
    agreed: str | None = Field(None, max_length=200)
    accept_delivery: bool = False
    accept_data: bool = False
    trainer_release: Literal["4.8.0", "4.10.1", "patched"] | None = None
    fix_delivery: bool = False
    idempotency_key: str | None = Field(None, max_length=200)
    cwd: str | None = None
    tags: tuple[str, ...] = Field((), max_length=500)
    rerun_of: str | None = Field(None, max_length=200)

    @field_validator("tags")
    @classmethod
    def _cleaned(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return read_tags(value)

    @field_validator("images_url")
    @classmethod
    def _archive(cls, value: str | None) -> str | None:
        return read_address(value, ARCHIVE).url if value else None

    @property
    def option_changes(self) -> JsonObject:
        """What the job changes of the config's options; None takes one out."""
        return {**dict.fromkeys(self.unset), **self.overrides.given()}


def read_draft(body: Mapping[str, Any]) -> Draft:
    """Validate the body of a request.

    Raises:
        RefusedError: a field is missing or wrong; `details.fields` says which.
    """
    try:
        return Draft.model_validate(body)
    except ValidationError as error:
        fields = {
            ".".join(str(part) for part in problem["loc"]): _without_prefix(problem["msg"])
            for problem in error.errors(include_url=False, include_input=False)
        }
        message = "; ".join(f"{name}: {text}" for name, text in fields.items())
        raise RefusedError(
            f"The job description is not right: {message}.", details={"fields": fields}
        ) from None


def _without_prefix(message: str) -> str:
    return message.removeprefix("Value error, ")
