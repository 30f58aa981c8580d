"""What is true now about the account, the API and the listener, in the words of the top bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tui import formatting
from tui.app.messages import EngineState
from tui.settings import Settings
from tui.store.reader import StoreReader, is_loopback
from tui.store.schema import StoreError

SPENDING_WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp of the bar.

    Attributes:
        state: `ok`, `wait` or `bad`.
        words: a few words beside the glyph.
    """

    state: str
    words: str


@dataclass(frozen=True, slots=True)
class WorldStatus:
    """The right side of the top bar."""

    sandbox: bool = False
    account: str = ""
    spending: str = ""
    api: Light | None = None
    listener: Light | None = None


def world_status(
    reader: StoreReader,
    settings: Settings,
    engine: EngineState,
    now: datetime,
    *,
    sandbox: bool = False,
) -> WorldStatus:
    """Read the facts the bar shows. A store that cannot be read gives a bar without them."""
    sandbox = sandbox or is_loopback(settings.cloud.api_base)
    try:
        account = _fact(reader, "account")
        listener = _fact(reader, "listener")
        finished, running = reader.spent_since(now - SPENDING_WINDOW, now)
    except StoreError:
        return WorldStatus(sandbox, api=_api({}, engine))
    if account.get("api_base", settings.cloud.api_base) != settings.cloud.api_base:
        account = {}
    spent = finished + running
    return WorldStatus(
        sandbox=sandbox,
        account=str(account.get("username") or ""),
        spending=f"{formatting.money(spent)} / 7 d" if spent else "",
        api=_api(account, engine),
        listener=_listener(listener) if engine.state == "ready" else None,
    )


def _fact(reader: StoreReader, name: str) -> dict[str, Any]:
    found = reader.fact(name)
    return found.value if found is not None and isinstance(found.value, dict) else {}


def _api(account: dict[str, Any], engine: EngineState) -> Light:
    if engine.state == "starting":
        return Light("wait", "engine: starting…")
    if engine.state == "gone":
        return Light("bad", "engine: not running")
    if not account:
        return Light("wait", "api")
    if account.get("valid"):
        return Light("ok", "api")
    if not account.get("token_source"):
        return Light("wait", "no token")
    return Light("bad", "api")


def _listener(fact: dict[str, Any]) -> Light | None:
    if not fact:
        return None
    if fact.get("error"):
        return Light("bad", "listener")
    return Light("ok" if fact.get("state") in ("listening", "ok", "running") else "wait", "listener")
