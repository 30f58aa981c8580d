"""Failures as answers: a code for scripts, words and advice for people, a true status."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from typing import Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.engine.http_api.operation import Handler
from tui.replicate.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientCreditError,
    NotFoundError,
    RateLimitedError,
    ReplicateError,
    TooLargeError,
)
from tui.replicate.known_secrets import KNOWN
from tui.secrets.keyring import KeyringError
from tui.settings import SettingsError
from tui.simpletuner.errors import MissingConfigError, SimpleTunerError
from tui.store.schema import DuplicateError, StoreError

LOG = logging.getLogger(__name__)

_STATUS: Final[tuple[tuple[type[ReplicateError], int, str], ...]] = (
    (AuthenticationError, 401, "unauthorised"),
    (InsufficientCreditError, 402, "insufficient_credit"),
    (ForbiddenError, 403, "permission_denied"),
    (NotFoundError, 404, "not_found"),
    (TooLargeError, 413, "too_large"),
    (RateLimitedError, 429, "rate_limit"),
    (ReplicateError, 502, "provider_error"),
)
_PLAIN: Final = {404: "not_found", 405: "not_found", 413: "too_large"}


async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a handler answers, or its failure as an answer."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        code = _PLAIN.get(error.status, "validation")
        words = f"The engine does not take {request.method} {request.path}: {error.reason}."
        return failure(error.status, code, words)
    except RefusedError as error:
        return failure(error.status, error.code, error.message, error.advice, error.details)
    except ReplicateError as error:
        status, code = next((s, c) for kind, s, c in _STATUS if isinstance(error, kind))
        return failure(status, code, error.message, error.advice)
    except MissingConfigError as error:
        return failure(400, "config_not_found", error.message, error.advice)
    except SimpleTunerError as error:
        return failure(400, "invalid_config", error.message, error.advice)
    except SettingsError as error:
        return failure(400, "validation", error.message, error.advice)
    except KeyringError as error:
        return failure(500, "keyring", f"{error.message}.".capitalize(), error.advice)
    except StoreError as error:
        return failure(507, "store", error.message, error.advice)
    except DuplicateError as error:
        return failure(409, "duplicate", error.message, error.advice)
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception as error:
        # The system's bound, which differs between disks.
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return failure(400, "validation", "A file name in the request is too long.")
        LOG.exception("%s %s failed", request.method, request.path)
        return failure(
            500,
            "internal",
            "Something went wrong inside the engine.",
            "engine.log in the state folder has the details; nothing was lost.",
        )


def failure(
    status: int, code: str, message: str, advice: str = "", details: JsonObject | None = None
) -> web.Response:
    """A failure as an answer."""
    body = {
        "error": code,
        "message": message,
        "advice": advice,
        "detail": f"{message} {advice}".strip(),
        "details": details or {},
    }
    return web.json_response(text=KNOWN.redact(json.dumps(body)), status=status)
