"""Reads Replicate's status page: components, incidents and maintenances.

The page (incident.io) serves two formats: one compatible with Statuspage's summary, which names
every component, and the widget's, which names only affected ones. The first readable one is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from tui.base.clock import utc_now
from tui.base.hosts import is_loopback
from tui.base.json_types import JsonObject
from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.replicate.network import Network, RoutedTransport
from tui.replicate.transport_errors import unreached
from tui.settings.network import network_of
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import network

PAGE: Final = "https://www.replicatestatus.com"
FACT: Final = "status_page"
_SOURCES: Final = ("/api/v2/summary.json", "/api/v1/summary")
_LIMIT: Final = 5.0  # seconds
_FRESH: Final = 60.0  # seconds
_MOST_BYTES: Final = 2_000_000
_WORST: Final = ("under_maintenance", "degraded_performance", "partial_outage", "major_outage",
                 "full_outage")  # fmt: skip
_CARDS: Final = ("l40s", "h100", "a100", "t4", "cpu")
_INDICATORS: Final[dict[str, network.ServiceState]] = {
    "none": "operational", "minor": "degraded", "major": "outage", "critical": "outage",
    "maintenance": "maintenance",
}  # fmt: skip


class StatusPage:
    """Reads the page; keeps an answer for a minute."""

    def __init__(self, live: LiveSettings, writer: StoreWriter, bus: EventBus) -> None:
        self._live = live
        self._writer = writer
        self._bus = bus
        self._known: dict[str, tuple[float, network.StatusPage]] = {}

    async def read(self, api_base: str, *, fresh: bool = False) -> network.StatusPage:
        """Return the page's summary, or `state: unknown` with the reason; never raises."""
        address = page_of(api_base, self._live.now.network.status_page)
        read_at, known = self._known.get(address, (0.0, None))
        if known and not fresh and time.monotonic() - read_at < _FRESH:
            return known
        page = await self._fetch(address, api_base)
        self._known[address] = (time.monotonic(), page)
        self._writer.set_fact(FACT, page)
        self._bus.publish("fact", name=FACT)
        return page

    async def _fetch(self, address: str, api_base: str) -> network.StatusPage:
        reason = "it answered with something else"
        in_force = network_of(self._live.now.network)
        async with httpx.AsyncClient(
            transport=RoutedTransport(in_force), timeout=_LIMIT, follow_redirects=True
        ) as client:
            for source in _SOURCES:
                url = f"{address}{source}"
                try:
                    data = await _json(client, url)
                except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
                    reason = _failure_reason(error, url, in_force)
                    continue
                if (summary := read_summary(data)) is not None:
                    return {
                        **summary.data(), "page_url": address, "source": source,
                        "api_base": api_base,
                    }  # fmt: skip
        return {
            **unknown(reason), "page_url": address, "source": None, "api_base": api_base,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of a status page.

    Attributes:
        state: `operational`, `degraded`, `outage`, `maintenance` or `unknown`.
        description: the page's own text.
        components: (name, state) of each listed component.
        incidents: current incidents.
        maintenances: current and scheduled maintenances.
    """

    state: network.ServiceState
    description: str
    components: tuple[tuple[str, str], ...]
    incidents: tuple[network.PageEvent, ...]
    maintenances: tuple[network.PageEvent, ...]

    def data(self) -> network.StatusSummary:
        """Return the summary as JSON data, with the state of each kind of GPU."""
        return {
            "state": self.state,
            "description": self.description,
            "components": [{"name": name, "state": state} for name, state in self.components],
            "gpus": {card: card_state(self.components, card) for card in _CARDS},
            "incidents": list(self.incidents),
            "maintenances": list(self.maintenances),
            "error": None,
            "read_at": utc_now().isoformat(),
        }


def unknown(reason: str) -> network.StatusSummary:
    """Return the answer when the page cannot be read."""
    return {**Summary("unknown", "", (), (), ()).data(), "error": reason}


def page_of(api_base: str, setting: str) -> str:
    """Return the page of an API base: from the settings, the sandbox's own, or Replicate's."""
    if setting:
        return setting.rstrip("/")
    if is_loopback(api_base):
        parts = urlsplit(api_base)
        return f"{parts.scheme}://{parts.netloc}/status-page"
    return PAGE


def card_state(components: Iterable[tuple[str, str]], card: str) -> str:
    """Return the state of a kind of hardware, matched by name; `unknown` without a match."""
    for name, state in components:
        if card in name.lower().split():
            return state
    return "unknown"


def read_summary(data: object) -> Summary | None:
    """Parse either format of a page's summary; None when it is neither."""
    if not isinstance(data, dict):
        return None
    status = data.get("status")
    if isinstance(status, dict) and isinstance(data.get("components"), list):
        return _statuspage(data, status)
    if any(isinstance(data.get(name), list) for name in ("ongoing_incidents", "incidents")):
        return _widget(data)
    return None


def _statuspage(data: JsonObject, status: JsonObject) -> Summary:
    components = tuple(
        (_text(item, "name"), _text(item, "status") or "unknown")
        for item in _dicts(data.get("components"))
        if item.get("group") is not True
    )
    incidents = tuple(
        _event(item) for item in _dicts(data.get("incidents")) if item.get("status") != "resolved"
    )
    plans = tuple(_event(item) for item in _dicts(data.get("scheduled_maintenances")))
    state = _INDICATORS.get(_text(status, "indicator")) or _overall(components, incidents)
    return Summary(state, _text(status, "description"), components, incidents, plans)


def _widget(data: JsonObject) -> Summary:
    events = _dicts(data.get("ongoing_incidents") or data.get("incidents"))
    components = tuple(
        (_text(part, "name"), _text(part, "current_status") or "unknown")
        for event in events
        for part in _dicts(event.get("affected_components"))
    )
    incidents = tuple(_event(event) for event in events)
    at_work = _dicts(data.get("in_progress_maintenances"))
    plans = tuple(_event(item) for item in [*at_work, *_dicts(data.get("scheduled_maintenances"))])
    state = _overall(components, incidents)
    if state == "operational" and at_work:
        state = "maintenance"
    description = "All systems operational" if state == "operational" else ""
    return Summary(state, description, components, incidents, plans)


def _overall(
    components: Iterable[tuple[str, str]], incidents: Sequence[network.PageEvent]
) -> network.ServiceState:
    worst = max((_WORST.index(state) for _, state in components if state in _WORST), default=-1)
    if worst >= _WORST.index("partial_outage"):
        return "outage"
    if worst == _WORST.index("degraded_performance") or incidents:
        return "degraded"
    return "maintenance" if worst == 0 else "operational"


def _event(item: JsonObject) -> network.PageEvent:
    updates = _dicts(item.get("incident_updates"))
    return {
        "name": _text(item, "name"),
        "status": _text(item, "status"),
        "impact": _text(item, "impact") or _text(item, "current_worst_impact"),
        "url": _text(item, "shortlink") or _text(item, "url"),
        "message": _text(item, "last_update_message")
        or (_text(updates[0], "body") if updates else ""),
        "started_at": _text(item, "started_at") or _text(item, "created_at"),
        "starts_at": _text(item, "starts_at") or _text(item, "scheduled_for"),
        "ends_at": _text(item, "ends_at") or _text(item, "scheduled_until")
        or _text(item, "scheduled_end_at"),
        "updated_at": _text(item, "updated_at") or _text(item, "last_update_at"),
    }  # fmt: skip


async def _json(client: httpx.AsyncClient, url: str) -> Any:
    """Fetch JSON of a limited size, within the time limit as a whole."""
    async with asyncio.timeout(_LIMIT), client.stream("GET", url) as reply:
        if reply.status_code != httpx.codes.OK:
            raise ValueError(f"HTTP {reply.status_code}")
        body = b""
        async for piece in reply.aiter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ValueError("it answered with too much")
    try:
        import json

        return json.loads(body)
    except ValueError:
        raise ValueError("it answered with something that is not JSON") from None


def _failure_reason(error: Exception, url: str, network: Network) -> str:
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return f"it did not answer within {_LIMIT:g} s"
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, httpx.InvalidURL):
        return "its address is none"
    failure = unreached(error, url, network, what="its page")
    return failure.message.partition(". ")[0].rstrip(".")


def _dicts(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(item: JsonObject, name: str) -> str:
    """Return a page's text as one line, without control characters, which a terminal would obey."""
    value = item.get(name)
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value)[:500].strip()
