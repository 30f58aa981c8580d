"""The API on the listener's TCP address: the same routes behind a key, and closed to browsers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from tui.api.scopes import Scope, includes
from tui.base.hosts import is_loopback_host
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.api_keys import HOW_TO_MAKE_ONE
from tui.engine.engine import Engine
from tui.engine.http_api.caller import Caller, calling, folder_filter
from tui.engine.http_api.failures import answered, failure
from tui.engine.http_api.operation import API_BASE, Handler, Operation

_LONGEST_KEY: Final = 512


class PublicApi:
    """Mounts routes on the listener. Every one of them needs a key."""

    def __init__(self, engine: Engine, operations: Iterable[Operation]) -> None:
        """Args: the engine, and the operations that it serves behind a key."""
        self._engine = engine
        self._operations: list[Operation] = []
        self._stored: list[Operation] = []
        for operation in operations:
            # These share their paths with the S3 receiver.
            stored = operation.endpoint.path.startswith(STORAGE_PATH)
            (self._stored if stored else self._operations).append(operation)

    def add_routes(self, app: web.Application) -> None:
        """Add them to `app`."""
        for operation in self._operations:
            endpoint = operation.endpoint
            app.router.add_route(endpoint.method, endpoint.path, self._guarded(operation))
        app.middlewares.append(self._storage_door())

    def _guarded(self, operation: Operation) -> Handler:
        handler = operation.handler
        needed: Scope = operation.endpoint.scope or "admin"

        async def guarded(request: web.Request) -> web.StreamResponse:
            problem = self._problem(request)
            if problem is not None:
                return problem
            caller = self._caller(request, needed)
            if isinstance(caller, web.Response):
                return caller
            if self._engine.stopping.is_set():
                return failure(503, "engine_gone", "The engine is about to end.")
            with self._engine.needed(), calling(caller):
                response = _without_folders(caller, await answered(request, handler))
            if not response.prepared:
                response.headers.setdefault("Cache-Control", "no-store")
                response.headers.setdefault("X-Content-Type-Options", "nosniff")
            return response

        return guarded

    # -- who may ----------------------------------------------------------------------------

    def _problem(self, request: web.Request) -> web.Response | None:
        """Why a request is not let in, as an answer; None when it is."""
        host = _name_of(request.headers.get("Host", ""))
        if not self._is_our_name(host):
            return failure(
                421,
                "wrong_host",
                f"This server is not called {host!r}.",
                "Call it by its address, or by the public URL in its settings.",
            )
        origin = request.headers.get("Origin")
        if origin is not None and _origin_host(origin) != host:
            return failure(403, "cross_origin", "Web pages of other servers may not call this API.")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return failure(403, "cross_origin", "Web pages of other servers may not call this API.")
        return None

    def _caller(self, request: web.Request, needed: Scope) -> Caller | web.Response:
        """Whose key a request brings; or why it does not open the route, as an answer."""
        text = key_of(request)
        if not text:
            return _no_key("An API key is needed.")
        key = self._engine.api_keys.find(text) if len(text) <= _LONGEST_KEY else None
        if key is None:
            return _no_key("This API key is not good (any more).")
        if not includes(key["scope"], needed):
            return failure(
                403,
                "scope",
                f"This needs a key with the scope {needed}; this key has the scope {key['scope']}.",
                f"Make another: {HOW_TO_MAKE_ONE} --scope {needed}",
            )
        base = request.headers.get(API_BASE)
        if base and base != self._engine.api_base and not includes(key["scope"], "admin"):
            return failure(
                403,
                "scope",
                f"Naming an API in {API_BASE} needs a key with the scope admin.",
                "Leave the header out; the settings name the API.",
            )
        return Caller(key["scope"], self._engine.confinement)

    def _is_our_name(self, host: str) -> bool:
        """An address cannot be made to point at us by a stranger's name server; names can."""
        if not host:  # no name at all, as in "[": a public URL that is not set has none either
            return False
        if is_loopback_host(host):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            listening = self._engine.listening
            bound = self._engine.live.now.listener.listen.rpartition(":")[0]
            return host in (_name_of(urlsplit(listening.public_url).netloc), bound.lower())
        return True

    # -- files, at the paths of the S3 receiver ---------------------------------------------

    def _storage_door(self) -> Any:
        """GET with an API key lists and reads what was delivered; all else is the receiver's."""
        stored = self._stored

        @web.middleware
        async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
            path = request.path
            ours = path == STORAGE_PATH or path.startswith(f"{STORAGE_PATH}/")
            if not ours or request.method != "GET" or not key_of(request):
                return await handler(request)
            found = next((one for one in stored if _fits(one.endpoint.path, path)), None)
            if found is None:
                return await handler(request)
            return await self._guarded(found)(request)

        return door


def _without_folders(caller: Caller, response: web.StreamResponse) -> web.StreamResponse:
    """A failure without this machine's folders, for keys that only read."""
    hide = folder_filter(caller)
    if hide is not None and response.status >= 400 and isinstance(response, web.Response):
        response.text = hide(response.text or "")
    return response


def _fits(pattern: str, path: str) -> bool:
    """Whether a storage path has the depth of a route: endpoint, bucket or key."""
    depth = min(2, len([part for part in path.removeprefix(STORAGE_PATH).split("/", 2) if part]))
    return depth == len([part for part in pattern.removeprefix(STORAGE_PATH).split("/") if part])


def key_of(request: web.Request) -> str:
    """The key that a request brings, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("X-API-Key", "").strip()


def _origin_host(origin: str) -> str:
    """The host of an `Origin` header; "" when it is none, such as an unclosed bracket."""
    try:
        return _name_of(urlsplit(origin).netloc)
    except ValueError:
        return ""


def _name_of(netloc: str) -> str:
    """The host in `host:port`, in lower case and without brackets."""
    name = netloc.rpartition("@")[2].strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def _no_key(words: str) -> web.Response:
    response = failure(
        401,
        "unauthorised",
        words,
        f"Make one on the machine that runs this: {HOW_TO_MAKE_ONE}   "
        "then send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
    )
    response.headers["WWW-Authenticate"] = 'Bearer realm="simpletuner-tui"'
    return response
