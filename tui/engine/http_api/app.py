"""All groups of routes, put together for the socket and for the listener."""

from __future__ import annotations

from tui.engine.engine import Engine
from tui.engine.http_api.catalog import CatalogRoutes
from tui.engine.http_api.cloud import CloudRoutes
from tui.engine.http_api.engine import EngineRoutes
from tui.engine.http_api.health import HealthRoutes
from tui.engine.http_api.jobs import JobRoutes
from tui.engine.http_api.metrics import MetricRoutes
from tui.engine.http_api.openapi import description_route
from tui.engine.http_api.operation import Operations
from tui.engine.http_api.providers import ProviderRoutes
from tui.engine.http_api.public import PublicApi
from tui.engine.http_api.publishing import PublishingRoutes
from tui.engine.http_api.recommendations import RecommendationRoutes
from tui.engine.http_api.replicate_status import StatusRoutes
from tui.engine.http_api.routes import Route
from tui.engine.http_api.settings import SettingsRoutes
from tui.engine.http_api.stored_files import StoredFileRoutes
from tui.engine.http_api.tokens import TokenRoutes
from tui.engine.http_api.transfers import TransferRoutes
from tui.engine.http_api.webhook_calls import WebhookRoutes

_GROUPS = (
    EngineRoutes,
    HealthRoutes,
    JobRoutes,
    MetricRoutes,
    CatalogRoutes,
    TokenRoutes,  # before Providers, whose paths have a variable where this one has a name
    ProviderRoutes,
    PublishingRoutes,
    StatusRoutes,
    WebhookRoutes,
)
_NEW = (CloudRoutes, SettingsRoutes, TransferRoutes, RecommendationRoutes)


def operations_of(engine: Engine) -> Operations:
    """Every operation of the table, with the code that answers it."""
    operations = Operations(lambda: engine.api_base)
    for group in _NEW:
        group(engine).add_to(operations)
    return operations


def all_routes(engine: Engine) -> list[Route]:
    """Every route, for the user's own socket."""
    return [*_plain(engine), *StoredFileRoutes(engine).routes()]


def public_api(engine: Engine) -> PublicApi:
    """The same for the listener, behind a key."""
    return PublicApi(engine, _plain(engine), StoredFileRoutes(engine).routes())


def _plain(engine: Engine) -> list[Route]:
    routes = [route for group in _GROUPS for route in group(engine).routes()]
    described = [*routes, *StoredFileRoutes(engine).routes()]
    return [*routes, description_route(described)]
