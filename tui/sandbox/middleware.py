"""Middleware of every request: fault injection, token, rate limits, errors as problem+json."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from email.utils import format_datetime

from aiohttp import web

from tui.sandbox.core import CORE, Core
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.http_tools import OTHER_USER, answer
from tui.sandbox.problems import (
    ProblemError,
    not_found,
    throttled,
    throttled_in_words,
    unauthenticated,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
_NO_TOKEN = "You did not pass an authentication token"  # noqa: S105 - a sentence, not a token
_BAD_TOKEN = "You did not pass a valid authentication token"  # noqa: S105 - a sentence
_WRONG_TOKEN = "Invalid or expired API token."  # noqa: S105 - a sentence
_SERVER_ERROR_PAGE = "<!doctype html>\n<html><head><title>Server Error (500)</title></head>\
<body><h1>Server Error (500)</h1></body></html>\n"
_GATEWAY_PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>\
<h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
_OF_EACH_ACCOUNT = ("/v1/predictions", "/v1/files")
"""Routes whose objects belong to the account that made them."""
_GARBAGE = b'{"id": "\xff\xfe", "status": '


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into the service's error answers."""
    try:
        return await handler(request)
    except ProblemError as problem:
        return problem.response()
    except web.HTTPNotFound:
        return not_found().response()
    except web.HTTPMethodNotAllowed as error:
        detail = f'Method "{request.method}" not allowed.'
        allow = {"Allow": ", ".join(sorted(error.allowed_methods))}
        return ProblemError(405, detail, headers=allow).response()
    except web.HTTPRequestEntityTooLarge:
        return ProblemError(413, "Request body is too large").response()
    except web.HTTPException:
        raise
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - a bug here must look like the service's server error
        _log.exception("%s %s failed", request.method, request.path)
        return web.Response(status=500, text=_SERVER_ERROR_PAGE, content_type="text/html")


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the active faults of HTTP."""
    core = request.app[CORE]
    if not request.path.startswith("/v1/") or not core.faults.active():
        return await handler(request)
    place = f"{request.method} {request.path}"

    def strikes(kind: FaultKind) -> Fault | None:
        return core.faults.take(kind, place)

    if strikes(FaultKind.CUT_REQUEST):
        _break_off(request)
        raise ConnectionResetError("a fault cut the connection")
    if strikes(FaultKind.SERVER_ERROR):
        return web.Response(status=500, text=_SERVER_ERROR_PAGE, content_type="text/html")
    if strikes(FaultKind.BAD_GATEWAY):
        return web.Response(status=502, text=_GATEWAY_PAGE, content_type="text/html")
    if fault := strikes(FaultKind.RATE_LIMIT):
        raise throttled(int(fault.number(1)))
    if fault := strikes(FaultKind.RATE_LIMIT_TEXT):
        raise throttled_in_words(int(fault.number(1)))
    if strikes(FaultKind.EXPIRED_TOKEN):
        raise unauthenticated(_WRONG_TOKEN)
    response = await handler(request)
    if fault := strikes(FaultKind.SLOW):
        await core.clock.sleep(fault.number(10))
    if strikes(FaultKind.GARBAGE):
        return web.Response(body=_GARBAGE, content_type="application/json")
    if fault := strikes(FaultKind.CUT):
        return await _damaged(request, response, fault, extra=0)
    if fault := strikes(FaultKind.WRONG_LENGTH):
        return await _damaged(request, response, fault, extra=int(fault.number(16)))
    return response


async def _damaged(
    request: web.Request, response: web.StreamResponse, fault: Fault, extra: int
) -> web.StreamResponse:
    """Send an answer that is shorter than its Content-Length, then close the connection."""
    body = response.body if isinstance(response, web.Response) else None
    data = bytes(body) if isinstance(body, bytes | bytearray) else b""
    damaged = web.StreamResponse(status=response.status, headers=response.headers)
    damaged.content_length = len(data) + extra
    damaged.force_close()
    await damaged.prepare(request)
    sent = data if extra else data[: int(fault.number(len(data) // 2))]
    if sent:
        await damaged.write(sent)
    if request.transport is not None:
        request.transport.close()
    return damaged


def _break_off(request: web.Request) -> None:
    if isinstance(request.transport, asyncio.WriteTransport):
        request.transport.abort()


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the token and count the request against its rate limit."""
    core = request.app[CORE]
    if not _is_open(request):
        user = _check_token(request, core)
        if user != core.config.username:
            if request.path == "/v1/account":
                return answer(core.views.account(user))
            reads = request.method == "GET" and request.path.startswith("/v1/models/")
            if not reads and not request.path.startswith(_OF_EACH_ACCOUNT):
                return not_found().response()  # not raised, so that a fault can delay it
            request[OTHER_USER] = user
    headers = {}
    if request.path.startswith("/v1/"):
        poor = core.faults.peek(FaultKind.LOW_CREDIT) is not None
        headers = core.limits.take(request.method, request.path.removeprefix("/v1"), poor=poor)
    response = await handler(request)
    if not response.prepared:
        response.headers.update(headers)
        if core.clock.skew:
            response.headers["Date"] = format_datetime(core.clock.now(), usegmt=True)
    return response


def _is_open(request: web.Request) -> bool:
    """Whether a path needs no token: search, the status page, and unguessable addresses."""
    path = request.path
    if path == "/v1/search" or path.startswith(("/streams/", "/p/", "/status-page/")):
        return True
    return path.startswith("/v1/files/") and path.endswith("/download")


def _check_token(request: web.Request, core: Core) -> str:
    """The user of the request's token.

    Raises:
        ProblemError: 401, the token is missing or wrong.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if not header:
        raise unauthenticated(_NO_TOKEN)
    if scheme.lower() not in {"bearer", "token"} or not token.strip():
        raise unauthenticated(_BAD_TOKEN)
    if (other := core.config.other_users.get(token.strip())) is not None:
        return other
    if not hmac.compare_digest(token.strip().encode(), core.config.token.encode()):
        raise unauthenticated(_WRONG_TOKEN)
    return core.config.username
