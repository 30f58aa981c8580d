"""The status of account, spending, API and listener, in the words of the top bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tui.app.shell.messages import EngineState
from tui.base import formatting
from tui.base.hosts import is_loopback
from tui.base.json_types import JsonObject
from tui.base.money import running_cost
from tui.settings import Settings
from tui.store.fact_names import scoped
from tui.store.lost_contact import LostContact
from tui.store.reader import StoreReader
from tui.store.schema import StoreError

_FACT_LIFE: Final = timedelta(minutes=1)
"""How long jobs are taken to run on after the spending was written; then the engine is gone."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A state with a glyph in the top bar.

    Attributes:
        state: `ok`, `wait` or `bad`.
        words: a few words beside the glyph.
        short: fewer words for where there is no room; empty for the same.
    """

    state: str
    words: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """The right side of the top bar."""

    sandbox: bool = False
    account: str = ""
    spending: str = ""
    api: Indicator | None = None
    listener: Indicator | None = None


def read_status(
    reader: StoreReader,
    settings: Settings,
    engine: EngineState,
    now: datetime,
    *,
    sandbox: bool = False,
) -> AppStatus:
    """Reads the status; where the store cannot be read, only what is known without it."""
    sandbox = sandbox or is_loopback(settings.cloud.api_base)
    try:
        account = _fact(reader, scoped("account", settings.cloud.api_base))
        listener = _fact(reader, "listener")
        spending = _fact(reader, "spending:sandbox" if sandbox else "spending")
        unheard = reader.contacts().marks
    except StoreError:
        return AppStatus(sandbox, api=_api({}, engine))
    return AppStatus(
        sandbox=sandbox,
        account=username(account),
        spending=_spending(spending, now, engine),
        api=(_unheard(unheard, now) if engine.state == "ready" else None) or _api(account, engine),
        listener=_listener(listener) if engine.state == "ready" else None,
    )


def username(account: Mapping[str, Any]) -> str:
    """Returns the owner of the token from the account's fact; empty when not known."""
    user = account.get("user_info")
    source = user if isinstance(user, dict) else account
    return str(source.get("username") or "")


def _fact(reader: StoreReader, name: str) -> JsonObject:
    fact = reader.fact(name)
    return fact.value if fact is not None and isinstance(fact.value, dict) else {}


def _spending(fact: Mapping[str, Any], now: datetime, engine: EngineState) -> str:
    """Returns `$31.20 of $50 / 7 d`; without a limit what was spent, without either nothing.

    The engine writes the fact every half minute; running jobs have cost more since then. While it
    is known to write nothing, or jobs are not heard of, it is what was spent at least.
    """
    spent, since = fact.get("spent_micros"), fact.get("as_of")
    if not isinstance(spent, int) or not isinstance(since, str):
        return ""
    written = datetime.fromisoformat(since)
    burn = int(fact.get("burn_micros") or 0)
    unheard = fact.get("unheard_jobs") or (burn and engine.state in ("gone", "silent"))
    if not unheard:
        spent += running_cost(burn, written, min(now, written + _FACT_LIFE))
    words = formatting.cost_words(spent, "at least" if unheard else "")
    if fact.get("enabled") and isinstance(fact.get("limit_micros"), int):
        words += f" of {formatting.dollars(fact['limit_micros'])}"
    elif not spent:
        return ""
    return f"{words} / {fact.get('window', '7 d')}"


def _api(account: Mapping[str, Any], engine: EngineState) -> Indicator:
    if engine.state == "starting":
        return Indicator("wait", "engine: starting…")
    if engine.state == "gone":
        return Indicator("bad", "engine: not running")
    if engine.state == "silent":
        return Indicator("bad", "engine: does not answer", "engine silent")
    if not account:
        return Indicator("wait", "api")
    if account.get("valid"):
        return Indicator("ok", "api")
    if not account.get("token_source"):
        return Indicator("wait", "no token")
    return Indicator("bad", "api")


def _unheard(marks: Mapping[str, LostContact], now: datetime) -> Indicator | None:
    """The job that was not heard from for the longest; None while all are followed."""
    mark = min(marks.values(), key=lambda one: one.since, default=None)
    if mark is None:
        return None
    return Indicator(
        "bad",
        formatting.unheard(mark.why, mark.since, now),
        f"not heard of for {formatting.duration((now - mark.since).total_seconds())}",
    )


def _listener(fact: Mapping[str, Any]) -> Indicator | None:
    if not fact:
        return None
    if fact.get("state") == "listening":
        return Indicator("ok", "listener")
    return Indicator("bad" if fact.get("problem") or fact.get("error") else "wait", "listener")
