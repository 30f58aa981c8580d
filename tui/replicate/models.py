"""Pydantic models of Replicate's objects that accept unexpected values.

Two back ends answer in two styles (keys missing, or present and null), old rows lack keys, and
future ones may have new values. A field that cannot be parsed gets its default and is named in
`strange`; unknown keys are kept in `model_extra`. No JSON object raises an error.

`repr` shows only fields without secrets: inputs and outputs can contain secrets and presigned URLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from tui.base.json_types import JsonObject
from tui.replicate.values import as_links, as_mapping, as_text, plausible_time, tame

Time = Annotated[datetime | None, BeforeValidator(plausible_time)]
Text = Annotated[str | None, BeforeValidator(as_text)]
Name = Annotated[str, Field(strict=False, coerce_numbers_to_str=True)]
Object = Annotated[JsonObject, BeforeValidator(as_mapping)]
Links = Annotated[dict[str, str], BeforeValidator(as_links)]


LONGEST_RUN = 366 * 86_400.0
"""Seconds: no run takes a year. A longer one in an answer is no fact, and its price none either."""


class Answer(BaseModel):
    """Base class of all objects: tolerant, immutable, with a `repr` without secrets."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())
    _strange: tuple[str, ...] = PrivateAttr(default=())
    key: ClassVar[str] = "id"  # the field that a valid answer must have
    shown: ClassVar[tuple[str, ...]] = ("id",)

    @classmethod
    def read(cls, data: object) -> Self:
        """Parse an object; fields that cannot be parsed get their defaults.

        Raises:
            ValueError: `data` is not a JSON object.
        """
        strange: list[str] = []
        return cls.model_validate(tame(as_mapping(data)), context=strange)

    def model_post_init(self, context: Any, /) -> None:
        """Store the names of the fields that could not be parsed."""
        if isinstance(context, list):
            self._strange = tuple(dict.fromkeys(context))

    @property
    def strange(self) -> tuple[str, ...]:
        """Names of fields whose value could not be parsed."""
        return self._strange

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_if_strange(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        name = info.field_name or ""
        if value is not None:
            try:
                return handler(value)
            except ValidationError:
                if isinstance(info.context, list):
                    info.context.append(name)
        # Only here: a default that is made anew takes longer than the value takes to be read.
        return cls.model_fields[name].get_default(call_default_factory=True, validated_data={})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, getattr(self, name)) for name in self.shown)


class State(StrEnum):
    """The state of a prediction or training. `UNKNOWN` stands for any other value."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.ABORTED})
_SPELLINGS = {state.value: state for state in State} | {"cancelled": State.CANCELED}


class Account(Answer):
    """The account of a token."""

    type: Name = ""
    username: Name = ""
    name: Text = None
    github_url: Text = None
    avatar_url: Text = None
    key = "username"
    shown = ("type", "username")


class Hardware(Answer):
    """A kind of machine, such as `gpu-l40s`."""

    name: Name = ""
    sku: Name = ""
    key = "sku"
    shown = ("sku", "name")


class Version(Answer):
    """A version of a model. `openapi_schema` describes its inputs; None when missing."""

    id: Name = ""
    created_at: Time = None
    cog_version: Text = None
    openapi_schema: Annotated[JsonObject | None, BeforeValidator(as_mapping)] = None
    shown = ("id", "created_at")


class Model(Answer):
    """A model on Replicate."""

    url: Text = None
    owner: Name = ""
    name: Name = ""
    description: Text = None
    visibility: Name = ""
    github_url: Text = None
    paper_url: Text = None
    license_url: Text = None
    run_count: int | None = None
    cover_image_url: Text = None
    default_example: Annotated[JsonObject | None, BeforeValidator(as_mapping)] = None
    latest_version: Version | None = None
    is_official: bool = False
    created_at: Time = None
    key = "name"
    shown = ("owner", "name")


class Prediction(Answer):
    """A run of a model.

    Times are aware UTC or None; `metrics` are the service's seconds and counts. `id` is "" only for
    a list row without one.
    """

    id: Name = ""
    model: Name = ""
    version: Name = ""
    status: Name = ""
    input: Object = Field(default_factory=dict)
    output: Any = None
    error: Text = None
    logs: Text = None
    data_removed: bool = False
    created_at: Time = None
    started_at: Time = None
    completed_at: Time = None
    deadline: Time = None
    metrics: Object = Field(default_factory=dict)
    urls: Links = Field(default_factory=dict)
    source: Text = None
    deployment: Text = None
    shown = ("id", "status", "model")

    @property
    def state(self) -> State:
        """`status` as a known state, or `UNKNOWN`."""
        return _SPELLINGS.get(self.status.strip().lower(), State.UNKNOWN)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended. An unknown status counts as active, so that polling continues."""
        return self.state in TERMINAL

    @property
    def predict_time(self) -> float | None:
        """Billed seconds, once known; None for more than any run has."""
        return _seconds(self.metrics.get("predict_time"))

    @property
    def total_time(self) -> float | None:
        """Seconds from creation to completion, once known."""
        return _seconds(self.metrics.get("total_time"))


class Training(Prediction):
    """A training in Replicate's own sense; its result is a new version of `destination`."""

    @property
    def trained_version(self) -> str | None:
        """`owner/name:id` of the created version, once there is one."""
        value = self.output.get("version") if isinstance(self.output, dict) else None
        return value if isinstance(value, str) else None


class File(Answer):
    """An uploaded file; it is deleted at `expires_at`."""

    id: Name = ""
    name: Text = None
    content_type: Text = None
    size: int | None = None
    etag: Text = None
    checksums: Links = Field(default_factory=dict)
    metadata: Object = Field(default_factory=dict)
    created_at: Time = None
    expires_at: Time = None
    urls: Links = Field(default_factory=dict)
    shown = ("id", "size")

    @property
    def url(self) -> str | None:
        """The URL for an input of a model; it works for the same account only."""
        return self.urls.get("get")


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:  # JSON has integers of any size
        return None
    return seconds if 0 <= seconds <= LONGEST_RUN else None
