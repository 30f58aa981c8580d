"""`hardware`, `versions`, `limit`, `rates` and `spending`: trainers and what they cost."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.consent import ASK_WITH_YES, agrees
from tui.cli.failures import not_agreed, wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.cli.spending_page import limit_line, spending_lines
from tui.simpletuner.request.hardware import TRAINERS

if TYPE_CHECKING:
    from tui.api.providers import ModelVersions
    from tui.api.spending import CostLimitChange, Rate
    from tui.api.versions import Pinned, VersionComparison
    from tui.client.client import ControlClient
    from tui.client.cloud import CloudCalls

    class _HardwareRow(Rate):
        """A machine with its rate, and its state on the status page."""

        default: bool
        state: str

    class _TrainerVersions(ModelVersions):
        """A trainer, its pinned version (null follows the newest) and all of its versions."""

        model: str
        pinned: str | None


_STATES = {
    "operational": "up", "degraded_performance": "degraded", "partial_outage": "partly down",
    "major_outage": "down", "full_outage": "down", "under_maintenance": "maintenance",
}  # fmt: skip
_HASH_LENGTH = 12


def hardware(options: argparse.Namespace) -> int:
    """List the hardware with its price, and whether it is up."""
    cloud = context.engine().cloud
    rates, page = cloud.rates().result(), cloud.status_page().result()
    default, gpus = context.settings().cloud.hardware, page["gpus"]
    rows: list[_HardwareRow] = [
        {**row, "default": row["profile"] == default,
         "state": gpus.get(row["profile"].partition("-")[0], "unknown")}
        for row in rates["rates"]
    ]  # fmt: skip
    if options.json:
        say_json({**rates, "rates": rows, "status_page": page["state"]})
        return exit_codes.FINE
    cells = [["", "HARDWARE", "VRAM", "PRICE", "STATE", "BEST FOR"], *map(_cells, rows)]
    for line in table(cells, right=frozenset({2, 3})):
        say(line)
    tell(f"* is the default. Prices read on {rates['read_on']}, {rates['source']}")
    return exit_codes.FINE


def _cells(row: _HardwareRow) -> list[str]:
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
        compared = engine.cloud.compare_versions(
            options.model, options.first or "", options.second or ""
        ).result()
        answer: VersionComparison | Pinned = compared
        lines = _comparison(compared)
    else:
        name, _, inside = options.model.partition(":")
        version = None if options.action == "follow" else options.first or inside or None
        if options.action == "pin" and version is None:
            raise wrong_usage("versions pin needs a version: owner/name:hash.")
        answer = pin = engine.cloud.pin_version(name, version).result()
        pinned = pin["pinned"]
        lines = [
            f"{name} stays at {pinned[:_HASH_LENGTH]}" if pinned else f"{name} follows the newest"
        ]
        lines += _missing(pin)
    if options.json:
        say_json(answer)
    else:
        for line in lines:
            say(line)
    return exit_codes.FINE


def _show(engine: ControlClient, options: argparse.Namespace) -> int:
    pins = context.settings().cloud.pinned_versions
    answers: list[_TrainerVersions] = [
        {"model": model, "pinned": pins.get(model), **engine.versions(model).result()}
        for model in ([options.model] if options.model else TRAINERS)
    ]
    if options.json:
        say_json(answers)
    else:
        for answer in answers:
            _say_versions(answer)
    return exit_codes.FINE


def _say_versions(answer: _TrainerVersions) -> None:
    pinned = answer["pinned"]
    say(f"{answer['model']}  {'pinned' if pinned else 'follows the newest'}")
    for number, row in enumerate(answer["versions"]):
        used = row["id"] == pinned if pinned else not number
        marks = ("  newest" if not number else "") + ("  in use" if used else "")
        say(f"  {row['id'][:_HASH_LENGTH]}  {(row['created_at'] or '')[:10]}{marks}")
    if pinned and all(row["id"] != pinned for row in answer["versions"]):
        say(f"  {pinned[:_HASH_LENGTH]}  in use")


def _comparison(answer: VersionComparison) -> list[str]:
    before, after = answer["before"], answer["after"]
    lines = [f"{answer['model']}  {before['id'][:_HASH_LENGTH]} → {after['id'][:_HASH_LENGTH]}"]
    if not answer["known"]:
        return [*lines, "  one of them does not tell its inputs"]
    lines += [f"  {change['words']}" for change in answer["changes"]] or ["  the same inputs"]
    return lines + _missing(answer)


def _missing(answer: VersionComparison | Pinned) -> list[str]:
    """Inputs that the program uses and the version does not have."""
    return [
        f"  {'needs' if row['essential'] else 'lacks'} {row['name']}: {row['purpose']}"
        for row in answer["missing"]
    ]


def limit(options: argparse.Namespace) -> int:
    """Show, set or switch off the cost limit."""
    cloud = context.engine().cloud
    change: CostLimitChange = {}
    if options.action == "off":
        change = {"enabled": False}
    elif options.action == "set":
        if options.amount is None:
            raise wrong_usage("limit set needs an amount.", "Such as: limit set 50 --per week")
        change = {"enabled": True, "amount": options.amount}
        if options.per is not None:
            change["period"] = options.per
        if options.then is not None:
            change["action"] = options.then
        if options.stop_running is not None:
            change["stop_running"] = options.stop_running
        if options.stop_running:
            _require_agreement_to_stop(cloud, options)
    state = (cloud.set_limit(**change) if change else cloud.limit()).result()
    if options.json:
        say_json(state)
    else:
        say(limit_line(state))
    return exit_codes.FINE


def _require_agreement_to_stop(cloud: CloudCalls, options: argparse.Namespace) -> None:
    """Ask once, when it is switched on, whether jobs shall be cancelled at the limit.

    Raises:
        ApiError: there was no yes.
    """
    if options.yes or cloud.limit().result()["stop_running"]:
        return
    tell("When the limit is reached, every running job is cancelled, and what it has computed")
    tell("since its last checkpoint is lost. It is not asked again then.")
    if not agrees("Stop running jobs at the limit?"):
        raise not_agreed("Nothing was changed.", ASK_WITH_YES)


def rates(options: argparse.Namespace) -> int:
    """Show, replace or reset what hardware costs."""
    cloud = context.engine().cloud
    if options.action == "reset":
        data = cloud.reset_rates().result()
    elif options.action == "set":
        if options.profile is None or options.rate is None:
            raise wrong_usage(
                "rates set needs hardware and a rate.", "Such as: rates set l40s '$3.51/h'"
            )
        data = cloud.set_rates({options.profile: options.rate}).result()
    else:
        data = cloud.rates().result()
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
    """Print what was spent, by day."""
    from tui.cli.store_answers import spending_summary

    data = spending_summary(options.days)
    if options.json:
        say_json(data)
        return exit_codes.FINE
    for line in spending_lines(data):
        say(line)
    tell(f"What Replicate billed: {data['billing_page']}")
    return exit_codes.FINE
