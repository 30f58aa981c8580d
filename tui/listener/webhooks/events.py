"""From a webhook's body to an event. Bodies are read with tolerance, but never with surprises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NoReturn

import pydantic_core

PREDICTION: Final = "prediction"
SIMPLETUNER: Final = "simpletuner"

_TERMINAL = frozenset({"succeeded", "canceled", "cancelled", "aborted"})
# The names that SimpleTuner's own webhook bodies have for the state of a job.
_SIMPLETUNER_STATES = frozenset({"completed", "failed", "canceled", "error"})
_LONGEST_ID = 256


class BodyError(ValueError):
    """The body is not an event."""


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One webhook that was believed.

    Attributes:
        kind: `prediction` for Replicate's own body (a prediction or training object), `simpletuner`
            for one that SimpleTuner composed.
        subject: the id in the body: Replicate's, or for SimpleTuner's body the job it names.
        event: what happened: start, output, logs, completed or failed; else SimpleTuner's `type`.
        body: the whole JSON object.
        message_id: Replicate's id of the message; "" when the body was not signed.
        job_id: our job, when the address it came to carried a job's key; else "".
        verified: whether a signature proves that Replicate sent it.
        address: of the client, or "" when unknown.
        received_at: when it came in.
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


def parse_body(raw: bytes, *, proven: bool) -> dict[str, Any]:
    """The JSON object in a body, by the letter of the standard.

    Bodies carry whole logs, so the quick parser has the first word when a signature proves who
    speaks. What it refuses goes to the exact one, as do bodies from anybody: that one refuses what
    is said twice, and mends half characters, which a log cut at the wrong place has and which no
    file or database takes.

    Raises:
        BodyError: it is not one, nests too deeply, or (not proven) says a thing twice.
    """
    if proven:
        try:
            value = pydantic_core.from_json(raw, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            return _parse_exactly(raw)
        if isinstance(value, dict):
            return value
    return _parse_exactly(raw)


def _parse_exactly(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            raw.decode(), parse_constant=_no_constant, object_pairs_hook=_without_repetition
        )
        if b"\\ud" in raw or b"\\uD" in raw:
            value = _mended(value)
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


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value


def _no_constant(name: str) -> NoReturn:
    raise BodyError(f"The body is not JSON: {name} is not a number there.")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BodyError("The body says a thing twice.")
    return found


def kind_of(body: Mapping[str, Any]) -> tuple[Literal["prediction", "simpletuner"], str]:
    """Which of the two kinds of body this is, and the id it speaks of.

    A native body has `id` and `status`; SimpleTuner's names its job as `job_id` or `prediction_id`.

    Raises:
        BodyError: neither.
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
    """What happened. Replicate's bodies do not say it; it is read off what they contain."""
    status = body.get("status")
    if kind == SIMPLETUNER:
        said = body.get("type") if isinstance(body.get("type"), str) else None
        return str(status if status in _SIMPLETUNER_STATES else said or "event")[:64]
    if status == "failed":
        return "failed"
    if status in _TERMINAL:
        return "completed"
    if body.get("output"):
        return "output"
    return "logs" if body.get("logs") else "start"
