"""Failures: one shape for every route, whoever serves it."""

from __future__ import annotations

from typing import Literal, NotRequired

from tui.api.base import Micros, SpendingAction, SpendingPeriod, TypedDict
from tui.api.check_report import Check


class FailureDetails(TypedDict, total=False):
    """What scripts can read of a failure; which fields there are depends on its code.

    Attributes:
        fields: what is wrong, by the name of the field (nested names joined by dots).
        checks: all findings about a job, for `check_failed`.
        acceptable: whether the fields `accepts` would let the job start all the same.
        accepts: fields of the draft that override what the checks refuse.
        member: name of the run of a sweep that is refused.
        reason: `unknown_spending` where the sum of what was spent cannot be worked out.
        spent_micros: used in the window until now, for `cost_limit_exceeded`.
        running_micros: what active jobs are expected to cost from now on.
        estimate_micros: what the refused job was expected to cost.
        projected_micros: the three together.
        limit_micros: the limit.
        over_micros: how far the projection is over it.
        period: the limit's window.
        action: what the limit does.
        transfers: ids of transfers that use what was to be changed, for `in_use`.
        problem: what the keyring said, for `keyring_unavailable`.
        session_only: whether the session-only way is still open.
        success: false, where SimpleTuner's client expects it.
    """

    fields: dict[str, str]
    checks: list[Check]
    acceptable: bool
    accepts: list[str]
    member: str
    reason: str
    spent_micros: Micros
    running_micros: Micros
    estimate_micros: Micros
    projected_micros: Micros
    limit_micros: Micros
    over_micros: Micros
    period: SpendingPeriod
    action: SpendingAction
    transfers: list[str]
    problem: str
    session_only: bool
    success: Literal[False]


class Failure(TypedDict):
    """The answer of every request that was refused or failed.

    Attributes:
        error: a short code for scripts, such as `validation` or `cost_limit_exceeded`.
        message: what is the matter, as a sentence.
        advice: what to do; may be empty.
        detail: both in one text, which SimpleTuner's client prints.
        details: machine-readable extras.
    """

    error: str
    message: str
    advice: str
    detail: str
    details: FailureDetails


class ListenerFailure(TypedDict):
    """The answer of the listener where none of its parts serves a path or a method.

    Attributes:
        detail: the reason phrase of the status.
    """

    detail: str


class S3Failure(TypedDict):
    """The XML answer of the storage receiver, field by field.

    Attributes:
        Code: S3's name of the error, such as `AccessDenied`.
        Message: the same for people.
        Resource: the path that was asked for.
        RequestId: also in the header `x-amz-request-id`.
    """

    Code: str
    Message: str
    Resource: str
    RequestId: NotRequired[str]
