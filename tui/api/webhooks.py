"""Webhooks: the route that Replicate calls, what came in, tests of the way, polling beside it."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias

from tui.api.base import Bounds, JsonObject, JsonValue, Timestamp, TypedDict

# -- the route that Replicate calls --------------------------------------------------------------


class WebhookQuery(TypedDict, total=False):
    """The key of the job that an address was made for."""

    key: str


WebhookBody: TypeAlias = JsonObject
"""A prediction, as Replicate's API has it, or what SimpleTuner composes inside the trainer."""


class WebhookReceived(TypedDict):
    """The webhook was verified; it is worked with after this answer.

    Attributes:
        status: always `received`.
        job_id: the job's id, ours or Replicate's.
    """

    status: Literal["received"]
    job_id: str


class WebhookDuplicate(TypedDict):
    """The same message has come before."""

    status: Literal["duplicate"]


class WebhookRejected(TypedDict):
    """The webhook was turned away.

    Attributes:
        status: always `rejected`.
        reason: a short name.
        detail: the same for people.
    """

    status: Literal["rejected"]
    reason: str
    detail: str


WebhookAnswer: TypeAlias = WebhookReceived | WebhookDuplicate


# -- what came in --------------------------------------------------------------------------------


class WebhookEvent(TypedDict):
    """One request, as it is remembered; neither its body nor a key is in it.

    Attributes:
        outcome: what became of it.
        at: when it came.
        address: of the client; empty where it is not known.
        job: ours or Replicate's id of the job; empty where it is not known.
        event: what had happened; only of one that was verified.
        reason: a short name of why it was turned away.
        message: the same for people.
    """

    outcome: Literal["accepted", "duplicate", "rejected"]
    at: Timestamp
    address: str
    job: str
    event: str
    reason: str
    message: str


class WebhookEvents(TypedDict):
    """The last requests, newest first."""

    events: list[WebhookEvent]


# -- tests ---------------------------------------------------------------------------------------

TestMethod: TypeAlias = Literal["direct", "replicate_cog"]


class WebhookTestRequest(TypedDict, total=False):
    """Another public URL than that of the settings; without path."""

    webhook_url: str | None


class ExternalWebhookTestRequest(WebhookTestRequest, total=False):
    """Replicate calls the address, which costs a CPU second; `confirm` must be true."""

    confirm: bool | None


class EitherWebhookTestRequest(ExternalWebhookTestRequest, total=False):
    """Either test.

    Attributes:
        method: from here (`direct`), or by a model on Replicate.
        timeout: seconds, 1 to 60; 30 without it.
    """

    method: TestMethod | None
    timeout: Annotated[int, Bounds(ge=1, le=60)]


class WebhookTestReport(TypedDict):
    """Whether a test event came in.

    Attributes:
        success: it did.
        message: as a sentence.
        latency_ms: until the address answered.
        status_code: of the answer.
        error: why it did not come in.
        url: the address that was called, without its key.
        address: of the event's sender, as the listener saw it; missing where it did not come in.
        from_outside: whether that is an address of the internet and not of this machine. Only then
            is the way from outside proved.
    """

    success: bool
    message: str
    latency_ms: float | None
    status_code: int | None
    error: str | None
    url: str
    address: NotRequired[str]
    from_outside: NotRequired[bool]


class ExternalWebhookTestReport(WebhookTestReport):
    """The same, tried by Replicate.

    Attributes:
        prediction_id: of the run that called the address.
        details: what the model told besides.
    """

    prediction_id: str
    details: JsonValue


class EitherWebhookTestReport(WebhookTestReport):
    """The same, by the method that was asked for."""

    method: TestMethod
    prediction_id: NotRequired[str]
    details: NotRequired[JsonValue]


class Polling(TypedDict):
    """Whether jobs that have a webhook are polled as well.

    Attributes:
        is_active: they are, and there are some.
        preference: the setting.
    """

    is_active: bool
    preference: bool


class PollingChange(TypedDict):
    """The setting anew."""

    enabled: bool
