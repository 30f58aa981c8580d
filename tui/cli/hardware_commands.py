"""`hardware` and `versions`: what a job can run on, and with which trainer."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote, urlencode

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.client.client import ControlClient
from tui.simpletuner.request.hardware import TRAINERS

_STATES = {
    "operational": "up", "degraded_performance": "degraded", "partial_outage": "partly down",
    "major_outage": "down", "full_outage": "down", "under_maintenance": "maintenance",
}  # fmt: skip
_SLOW = 120.0
"""Seconds for a call behind which Replicate is asked."""
_HASH = 12


def hardware(options: argparse.Namespace) -> int:
    """What hardware there is, what it costs, and whether it is up."""
    engine = context.engine()
    rates = engine.request("GET", "/api/engine/rates")
    page = engine.request("GET", "/api/engine/status-page?fresh=0", timeout=_SLOW)
    default, gpus = context.settings().cloud.hardware, page.get("gpus") or {}
    rows = [
        {**row, "default": row["profile"] == default,
         "state": gpus.get(row["profile"].partition("-")[0], "unknown")}
        for row in rates["rates"]
    ]  # fmt: skip
    if options.json:
        say_json({**rates, "rates": rows, "status_page": page.get("state", "unknown")})
        return exit_codes.FINE
    cells = [["", "HARDWARE", "VRAM", "PRICE", "STATE", "BEST FOR"], *map(_cells, rows)]
    for line in table(cells, right=frozenset({2, 3})):
        say(line)
    tell(f"* is the default. Prices read on {rates['read_on']}, {rates['source']}")
    return exit_codes.FINE


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        "*" if row["default"] else "", row["profile"], f"{row['vram_gb'] * row['gpus']} GB",
        formatting.rate(row["rate_micros"]), _STATES.get(row["state"], "unknown"), row["best_for"],
    ]  # fmt: skip


def versions(options: argparse.Namespace) -> int:
    """List, compare, pin or follow the versions of a trainer."""
    engine = context.engine()
    if options.action == "show":
        return _show(engine, options)
    if options.model is None:
        raise wrong_usage(f"versions {options.action} needs a model, owner/name.")
    if options.action == "compare":
        query = urlencode(
            {"model": options.model, "before": options.first or "", "after": options.second or ""}
        )
        answer = engine.request("GET", f"/api/engine/versions/compare?{query}", timeout=_SLOW)
        lines = _compared(answer)
    else:
        name, _, inside = options.model.partition(":")
        wanted = None if options.action == "follow" else options.first or inside or None
        if options.action == "pin" and wanted is None:
            raise wrong_usage("versions pin needs a version: owner/name:hash.")
        body = {"model": name, "version": wanted}
        answer = engine.request("PUT", "/api/engine/versions/pin", body, timeout=_SLOW)
        pinned = answer["pinned"]
        lines = [f"{name} stays at {pinned[:_HASH]}" if pinned else f"{name} follows the newest"]
        lines += _missing(answer)
    if options.json:
        say_json(answer)
    else:
        for line in lines:
            say(line)
    return exit_codes.FINE


def _show(engine: ControlClient, options: argparse.Namespace) -> int:
    pins = context.settings().cloud.pinned_versions
    answers = []
    for model in [options.model] if options.model else TRAINERS:
        path = f"/api/cloud/providers/replicate/versions?model_id={quote(model, safe='')}"
        answer = engine.request("GET", path, timeout=_SLOW)
        answers.append({"model": model, "pinned": pins.get(model), **answer})
    if options.json:
        say_json(answers)
    else:
        for answer in answers:
            _say_versions(answer)
    failed = [answer["error"] for answer in answers if answer.get("error")]
    return exit_codes.NETWORK if failed else exit_codes.FINE


def _say_versions(answer: dict[str, Any]) -> None:
    pinned = answer["pinned"]
    say(f"{answer['model']}  {'pinned' if pinned else 'follows the newest'}")
    if answer.get("error"):
        tell(f"  {answer['error']}")
    for number, row in enumerate(answer["versions"]):
        used = row["id"] == pinned if pinned else not number
        words = ("  newest" if not number else "") + ("  in use" if used else "")
        say(f"  {row['id'][:_HASH]}  {str(row.get('created_at') or '')[:10]}{words}")
    if pinned and all(row["id"] != pinned for row in answer["versions"]):
        say(f"  {pinned[:_HASH]}  in use")


def _compared(answer: dict[str, Any]) -> list[str]:
    before, after = answer["before"], answer["after"]
    lines = [f"{answer['model']}  {before['id'][:_HASH]} → {after['id'][:_HASH]}"]
    if not answer["known"]:
        return [*lines, "  one of them does not tell its inputs"]
    lines += [f"  {change['words']}" for change in answer["changes"]] or ["  the same inputs"]
    return lines + _missing(answer)


def _missing(answer: dict[str, Any]) -> list[str]:
    """What we use and a version does not have."""
    return [
        f"  {'needs' if row['essential'] else 'lacks'} {row['name']}: {row['purpose']}"
        for row in answer["missing"]
    ]


def limit(options: argparse.Namespace) -> int:
    """Show, set or switch off the cost limit."""
    engine = context.engine()
    body: dict[str, Any] = {}
    if options.action == "off":
        body = {"enabled": False}
    elif options.action == "set":
        if options.amount is None:
            raise wrong_usage("limit set needs an amount.", "Such as: limit set 50 --per week")
        body = {"enabled": True, "amount": options.amount}
        if options.per is not None:
            body["period"] = options.per
        if options.then is not None:
            body["action"] = options.then
        if options.stop_running is not None:
            body["stop_running"] = options.stop_running
    if body:
        state = engine.request("PUT", "/api/engine/limit", body)
    else:
        state = engine.request("GET", "/api/engine/limit")
    if options.json:
        say_json(state)
    else:
        say(_limit_words(state))
    return exit_codes.FINE


def _limit_words(state: dict[str, Any]) -> str:
    if not state["enabled"]:
        return f"no limit; {state['words']}"
    stop = ", stops running jobs" if state["stop_running"] else ""
    words = f"{state['words']} ({state['action']}{stop})"
    if state["running_micros"]:
        words += f"; {formatting.money(state['running_micros'])} more expected from running jobs"
    if state["over_micros"]:
        words += f"; {formatting.money(state['over_micros'])} over"
    return words


def rates(options: argparse.Namespace) -> int:
    """Show, replace or reset what hardware costs."""
    engine = context.engine()
    if options.action == "reset":
        data = engine.request("DELETE", "/api/engine/rates")
    elif options.action == "set":
        if options.profile is None or options.rate is None:
            raise wrong_usage(
                "rates set needs hardware and a rate.", "Such as: rates set l40s '$3.51/h'"
            )
        data = engine.request("PUT", "/api/engine/rates", {options.profile: options.rate})
    else:
        data = engine.request("GET", "/api/engine/rates")
    if options.json:
        say_json(data)
        return exit_codes.FINE
    rows = [["HARDWARE", "VRAM", "PRICE", "PUBLISHED", "BEST FOR"]]
    for row in data["rates"]:
        published = formatting.rate(row["published_micros"]) if row["changed"] else ""
        rows.append(
            [
                row["profile"], f"{row['vram_gb'] * row['gpus']} GB",
                formatting.rate(row["rate_micros"]), published, row["best_for"],
            ]
        )  # fmt: skip
    for line in table(rows, right=frozenset({1, 2, 3})):
        say(line)
    tell(f"published rates read on {data['read_on']}, {data['source']}")
    return exit_codes.FINE


def spending(options: argparse.Namespace) -> int:
    """What was spent, by day."""
    data = context.engine().request("GET", f"/api/engine/spending?days={options.days}")
    if options.json:
        say_json(data)
        return exit_codes.FINE
    for name, words in (("daily", "24 h"), ("weekly", "7 d"), ("monthly", "30 d")):
        say(f"{words:>5}  {formatting.money(data[f'{name}_micros'])}")
    say(f"limit  {_limit_words(data)}")
    for day in data["by_day"]:
        if day["cost_micros"] or day["jobs"]:
            states = ", ".join(f"{count} {state}" for state, count in sorted(day["jobs"].items()))
            say(f"{day['date']}  {formatting.money(day['cost_micros']):>9}  {states}".rstrip())
    if data["average_seconds"] is not None:
        say(f"average run  {formatting.duration(data['average_seconds'])}")
    return exit_codes.FINE
