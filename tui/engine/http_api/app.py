"""All groups of routes, put together for the socket and for the listener."""

from __future__ import annotations

import asyncio
from functools import cache, partial

from tui.api import paths
from tui.api.base import JsonObject
from tui.api.routes import Door
from tui.engine.engine import Engine
from tui.engine.http_api.catalog import CatalogRoutes
from tui.engine.http_api.cloud import CloudRoutes
from tui.engine.http_api.description import describe
from tui.engine.http_api.engine import EngineRoutes
from tui.engine.http_api.health import HealthRoutes, StatusRoutes
from tui.engine.http_api.job_logs import LogRoutes
from tui.engine.http_api.jobs import JobRoutes
from tui.engine.http_api.metrics import MetricRoutes
from tui.engine.http_api.operation import Call, Operation, Operations
from tui.engine.http_api.providers import ProviderRoutes, TokenRoutes
from tui.engine.http_api.public import PublicApi
from tui.engine.http_api.publishing import PublishingRoutes
from tui.engine.http_api.recommendations import RecommendationRoutes
from tui.engine.http_api.settings import SettingsRoutes
from tui.engine.http_api.staging import StagingRoutes
from tui.engine.http_api.stored_files import StoredFileRoutes
from tui.engine.http_api.sweeps import SweepRoutes
from tui.engine.http_api.transfers import TransferRoutes
from tui.engine.http_api.webhook_calls import WebhookRoutes

_GROUPS = (
    EngineRoutes,
    HealthRoutes,
    JobRoutes,
    StagingRoutes,
    SweepRoutes,
    LogRoutes,
    MetricRoutes,
    CatalogRoutes,
    TokenRoutes,  # before ProviderRoutes, whose paths have a variable where this one has a name
    ProviderRoutes,
    PublishingRoutes,
    StatusRoutes,
    WebhookRoutes,
    CloudRoutes,
    SettingsRoutes,
    TransferRoutes,
    RecommendationRoutes,
    StoredFileRoutes,
)


def control_operations(engine: Engine) -> list[Operation]:
    """Every operation that the user's own socket serves."""
    return _operations(engine, "socket", "both", "listener")


def public_api(engine: Engine) -> PublicApi:
    """The operations that the listener serves behind a key."""
    operations = _operations(engine, "both", "listener")
    return PublicApi(engine, [one for one in operations if one.endpoint.door == "both"])


def _operations(engine: Engine, *doors: Door) -> list[Operation]:
    """All operations; the description among them covers these doors."""
    operations = Operations(lambda: engine.api_base)
    for group in _GROUPS:
        group(engine).add_to(operations)

    async def described(_call: Call[None, None]) -> JsonObject:
        # The first time it takes a second.
        return await asyncio.to_thread(partial(_document, *doors))

    operations.add(paths.OPENAPI, described)
    return list(operations)


_document = cache(describe)
