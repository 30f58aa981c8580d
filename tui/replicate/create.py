"""Starts paid work at most once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tui.base.json_types import JsonObject
from tui.replicate.errors import (
    BadAnswerError,
    InvalidRequestError,
    NoAnswerError,
    PageError,
    ReplicateError,
    ServiceError,
    UncertainError,
)
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.replicate.session import Call, Session

P = TypeVar("P", bound=Prediction)

SHORTEST_LIFE = 5
"""The smallest `cancel_after` that Replicate accepts, in seconds."""


async def create_once(
    session: Session,
    kind: type[P],
    url: str,
    fixed: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    webhook: str | None = None,
    webhook_events_filter: Sequence[str] = (),
    cancel_after: int | None = None,
) -> P:
    """POST a run. See `ReplicateClient.create_prediction`.

    Raises:
        UncertainError: the request was sent, and it is unknown whether the run was started: there
            was no answer, a partial one, a 5xx or a page (a gateway may send them after the
            service has accepted the request), or a success that cannot be parsed.
        ReplicateError: the run was certainly not started.
    """
    body: JsonObject = {**fixed, "input": _revealed(values)}
    if webhook:
        body["webhook"] = webhook
        if webhook_events_filter:
            body["webhook_events_filter"] = list(webhook_events_filter)
    headers = {"Content-Type": "application/json"}
    if cancel_after is not None:
        if cancel_after < SHORTEST_LIFE:
            raise InvalidRequestError(f"A run cannot be ended before {SHORTEST_LIFE} s.")
        headers["Cancel-After"] = f"{math.ceil(cancel_after)}s"
    try:
        content = json.dumps(body, allow_nan=False).encode()
    except ValueError:
        raise InvalidRequestError(
            "The input holds a number that JSON does not have (nan or infinity)."
        ) from None
    call = Call(
        "the new job",
        "POST",
        url,
        headers=headers,
        body=lambda: content,
        repeatable=False,
        secrets=(*_secrets(values), *([Secret(webhook)] if webhook else [])),
    )
    try:
        answer = await session.json(call)
        run = kind.read(answer)
    except (NoAnswerError, ServiceError, PageError) as error:
        raise _uncertain(error) from None
    except BadAnswerError as error:
        if error.status is not None and not 200 <= error.status < 300:
            raise
        raise _uncertain(error) from None
    except ValueError:
        run = None
    if run is None or not run.id:
        raise _uncertain(BadAnswerError(f"{session.base.service} answered without an id."))
    return run


def _uncertain(error: ReplicateError) -> UncertainError:
    return UncertainError(
        f"It is not known whether the job was started. {error.message}",
        advice="It is looked up at Replicate before anything is sent again.",
        status=error.status,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {str(name): _revealed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(item) for item in value]
    return value


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)
