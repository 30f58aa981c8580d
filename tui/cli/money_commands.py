"""`limit`, `rates` and `spending`: what may be spent, what hardware costs, what was spent."""

from __future__ import annotations

import argparse
from typing import Any

from tui.base import formatting
from tui.cli import exit_codes, world
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table, tell


def limit(options: argparse.Namespace) -> int:
    """Show, set or switch off the cost limit."""
    engine = world.engine()
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
    engine = world.engine()
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
    data = world.engine().request("GET", f"/api/engine/spending?days={options.days}")
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
