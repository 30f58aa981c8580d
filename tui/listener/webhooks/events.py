"""Parses webhook bodies into events: tolerant of unknown fields, strict about JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NoReturn

import pydantic_core

from tui.base.json_types import JsonObject

PREDICTION: Final = "prediction"
SIMPLETUNER: Final = "simpletuner"

_TERMINAL = frozenset({"succeeded", "canceled", "cancelled", "aborted"})
# States of a job in the webhook bodies that SimpleTuner itself composes.
_SIMPLETUNER_STATES = frozenset({"completed", "failed", "canceled", "error"})
_LONGEST_ID = 256


class BodyError(ValueError):
    """The body is not an event."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An accepted webhook.

    Attributes:
        kind: `prediction` for Replicate's own body (a prediction or training object), `simpletuner`
            for one that SimpleTuner composed.
        subject: the id in the body: Replicate's, or for SimpleTuner's body that of the job.
        event: `start`, `output`, `logs`, `completed` or `failed`; else SimpleTuner's `type`.
        body: the whole JSON object.
        message_id: Replicate's id of the message; "" when the body was not signed.
        job_id: our job, when the URL carried a job's key; else "".
        verified: whether a signature proves that Replicate sent it.
        address: of the client, or "" when unknown.
        received_at: time of receipt.
    """

    kind: Literal["prediction", "simpletuner"]
    subject: str
    event: str
    body: Mapping[str, Any] = field(repr=False)
    message_id: str
    job_id: str
    verified: bool
    address: str
    received_at: datetime


def parse_body(raw: bytes, *, proven: bool) -> JsonObject:
    """Parse the JSON object in a body (RFC 8259).

    Bodies contain whole logs of several MiB, so the fast parser goes first when a signature proves
    the sender. Bodies that it rejects, and those of unproven senders, go to the strict parser. That
    one rejects duplicate keys, and replaces lone surrogates: a log cut inside a character has them,
    and neither UTF-8 files nor SQLite can store them.

    Args:
        raw: the body.
        proven: whether a signature proves the sender.

    Raises:
        BodyError: it is not a JSON object, nests too deeply, or (not proven) has duplicate keys.
    """
    if proven:
        try:
            value = pydantic_core.from_json(raw, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            return _parse_strictly(raw)
        if isinstance(value, dict):
            return value
    return _parse_strictly(raw)


def _parse_strictly(raw: bytes) -> JsonObject:
    try:
        value = json.loads(
            raw.decode(), parse_constant=_reject_constant, object_pairs_hook=_reject_duplicates
        )
        if b"\\ud" in raw or b"\\uD" in raw:
            value = _without_surrogates(value)
    except UnicodeDecodeError:
        raise BodyError("The body is not UTF-8.") from None
    except RecursionError:
        raise BodyError("The body is nested too deeply.") from None
    except BodyError:
        raise
    except ValueError as problem:
        raise BodyError(f"The body is not JSON: {problem}.") from None
    if not isinstance(value, dict):
        raise BodyError("The body is not a JSON object.")
    return value


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _without_surrogates(name): _without_surrogates(item) for name, item in value.items()
        }
    return value


def _reject_constant(name: str) -> NoReturn:
    raise BodyError(f"The body is not JSON: {name} is not a number there.")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BodyError("The body says a thing twice.")
    return fields


def kind_of(body: Mapping[str, Any]) -> tuple[Literal["prediction", "simpletuner"], str]:
    """Return which of the two kinds of body this is, and the id of its subject.

    A native body has `id` and `status`; SimpleTuner's names its job as `job_id` or `prediction_id`.

    Raises:
        BodyError: the body is of neither kind.
    """
    subject = body.get("id")
    if _is_id(subject) and isinstance(body.get("status"), str) and "job_id" not in body:
        return PREDICTION, str(subject)
    for name in ("job_id", "prediction_id"):
        subject = body.get(name)
        if _is_id(subject):
            return SIMPLETUNER, str(subject)
    raise BodyError("The body names no prediction and no job.")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()


def event_name(kind: str, body: Mapping[str, Any]) -> str:
    """Return the event of a body; Replicate's do not name it, so it follows from their content."""
    status = body.get("status")
    if not isinstance(status, str):  # SimpleTuner's bodies may have anything there
        status = None
    if kind == SIMPLETUNER:
        type_name = body.get("type") if isinstance(body.get("type"), str) else None
        return str(status if status in _SIMPLETUNER_STATES else type_name or "event")[:64]
    if status == "failed":
        return "failed"
    if status in _TERMINAL:
        return "completed"
    if body.get("output"):
        return "output"
    return "logs" if body.get("logs") else "start"
