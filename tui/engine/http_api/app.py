"""All groups of routes, put together for the socket and for the listener."""

from __future__ import annotations

from tui.engine.engine import Engine
from tui.engine.http_api.catalog import Planning
from tui.engine.http_api.engine import EngineCalls
from tui.engine.http_api.health import Health
from tui.engine.http_api.jobs import Jobs
from tui.engine.http_api.metrics import Numbers
from tui.engine.http_api.openapi import description_route
from tui.engine.http_api.providers import Providers
from tui.engine.http_api.public import PublicApi
from tui.engine.http_api.publishing import Publishing
from tui.engine.http_api.replicate_status import ReplicateStatus
from tui.engine.http_api.routes import Route
from tui.engine.http_api.stored_files import StoredFiles
from tui.engine.http_api.tokens import Tokens
from tui.engine.http_api.webhook_calls import WebhookCalls

_GROUPS = (
    EngineCalls,
    Health,
    Jobs,
    Numbers,
    Planning,
    Tokens,  # before Providers, whose paths have a variable where this one has a name
    Providers,
    Publishing,
    ReplicateStatus,
    WebhookCalls,
)


def all_routes(engine: Engine) -> list[Route]:
    """Every route, for the user's own socket."""
    return [*_plain(engine), *StoredFiles(engine).routes()]


def public_api(engine: Engine) -> PublicApi:
    """The same for the listener, behind a key."""
    return PublicApi(engine, _plain(engine), StoredFiles(engine).routes())


def _plain(engine: Engine) -> list[Route]:
    routes = [route for group in _GROUPS for route in group(engine).routes()]
    described = [*routes, *StoredFiles(engine).routes()]
    return [*routes, description_route(described)]
