"""The shapes of each operation, for who validates or describes: the engine and the tests.

Callers need only `tui.api.paths`; this module imports every shape.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args, get_type_hints

from tui.api import (
    artifacts,
    check_report,
    credentials,
    destinations,
    diagnostics,
    engine,
    jobs,
    network,
    paths,
    planning,
    providers,
    publishing,
    settings,
    spending,
    staging,
    storage,
    submission,
    sweeps,
    transfers,
    versions,
    webhooks,
)
from tui.api.base import Empty, JsonObject
from tui.api.routes import Endpoint

_MODULES = (
    artifacts, check_report, credentials, destinations, diagnostics, engine, jobs, network,
    planning, providers, publishing, settings, spending, staging, storage, submission, sweeps,
    transfers, versions, webhooks,
)  # fmt: skip


class Shapes(NamedTuple):
    """What goes in and comes out of an operation.

    Attributes:
        body: shape of the request's JSON body; None for a route that reads none.
        query: shape of the parameters in the query; None for a route that reads none.
        answer: shape of a good answer; `bytes` or `str` for one that is not JSON.
    """

    body: Any
    query: Any
    answer: Any


def shapes_of(endpoint: Endpoint[Any, Any, Any]) -> Shapes:
    """The shapes in an operation's annotation."""
    return _all()[endpoint]


@cache
def _all() -> dict[Endpoint[Any, Any, Any], Shapes]:
    names: dict[str, object] = {module.__name__.rpartition(".")[2]: module for module in _MODULES}
    names |= {"Endpoint": Endpoint, "Empty": Empty, "JsonObject": JsonObject}
    written = {
        name: annotation
        for name, annotation in paths.__annotations__.items()
        if isinstance(getattr(paths, name), Endpoint)
    }
    hints = get_type_hints(SimpleNamespace(__annotations__=written), names, include_extras=True)
    return {
        getattr(paths, name): Shapes(
            *(None if part is type(None) else part for part in get_args(hint))
        )
        for name, hint in hints.items()
    }
