"""`publish`, `artifacts`, `transfers` and `destinations`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tui.base import formatting
from tui.base.errors import ApiError
from tui.cli import context, destination_edits, exit_codes
from tui.cli.destination_grammar import TARGETS, full_path
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.client.client import ControlError

if TYPE_CHECKING:
    from tui.client.client import ControlClient

_ENDS: Final = ("done", "failed", "cancelled", "paused")
_REFUSED: Final = frozenset({"credentials", "permission", "token"})
"""Kinds of trouble, and steps of a test, that are about who may do it."""
_BAR: Final = 24
_NO_DESTINATIONS: Final = (
    "No destinations yet. Add one with: simpletuner-tui destinations add NAME --kind hub|s3|folder"
)


def publish(options: argparse.Namespace) -> int:
    """Queue a job's files for a place; with --wait stay until they are there."""
    to = _target(options.to)
    engine = context.engine()
    body: dict[str, Any] = {
        "job_id": options.id, "to": to, "card": options.card,
        "overwrite_card": options.overwrite_card, "overwrite": options.overwrite,
    }  # fmt: skip
    if options.public:
        body["private"] = False
    if options.checkpoint is not None:
        step = options.checkpoint
        body["checkpoint"] = int(step) if step.isdecimal() else step
    if not options.overwrite:
        ahead = engine.request("POST", "/api/engine/transfers/look", body, timeout=90)
        if ahead["replaces"]:
            raise _would_replace(ahead)
    row = engine.request("POST", "/api/engine/transfers", body)
    if options.public:
        _tell_public(engine, row["target"])
    if options.wait:
        row = _wait(engine, row["transfer_id"])
    if options.json:
        say_json(row)
    else:
        say(_line(row))
        for note in row["notes"]:
            tell(note)
    return _status_of(row, waited=options.wait)


def _status_of(row: dict[str, Any], *, waited: bool) -> int:
    """3 when a token or keys are the matter; a folder that may not be written to has none."""
    if row["state"] not in ("failed", "cancelled") and not (waited and row["state"] == "paused"):
        return exit_codes.FINE
    refused = row["kind"] in _REFUSED and not row["target"].startswith("dir:")
    return exit_codes.NOT_AUTHORISED if refused else exit_codes.FAILED


def _target(text: str) -> str:
    """A place as the engine takes it; a folder is meant from where the command was typed.

    Raises:
        SpokenError: it is none. An empty folder would be the one that the shell happens to be in.
    """
    text = text.strip()
    if not text:
        raise wrong_usage("--to says nothing.", TARGETS)
    if not text.startswith("dir:"):
        return text
    if not text[4:].strip():
        raise wrong_usage("--to dir: needs a folder, such as dir:/models or dir:.", TARGETS)
    return f"dir:{full_path(text[4:])}"


def _would_replace(ahead: dict[str, Any]) -> ApiError:
    """What lies there; nothing is queued."""
    names = ahead["replaces"]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ApiError(
        f"Other files of the same names lie at {ahead['target']}: {', '.join(names[:5])}{more}.",
        "Nothing was sent. Publish to another folder, or let them be replaced: --overwrite",
        status=409,
        code="taken",
        details={"replaces": names},
    )


def _tell_public(engine: ControlClient, target: str) -> None:
    """Say where --public changes nothing; the transfer goes on."""
    kind, _, repo = target.partition(":")
    if kind != "hub":
        tell("--public is for a new Hub repository; it changes nothing here.")
        return
    try:
        there = engine.request("POST", "/api/publishing/repository/check", {"repo_id": repo})
    except ControlError:  # the transfer has the same trouble and says so
        return
    if there["private"]:
        tell(f"{repo} is there already and stays private: --public counts when it is made.")


def _wait(engine: ControlClient, transfer_id: str) -> dict[str, Any]:
    """Follow the engine's events to the end of a transfer, with a bar on a terminal."""
    row = _get(engine, transfer_id)
    stream = engine.events_blocking()
    shown = sys.stderr.isatty()
    try:
        for event in stream:
            if event.kind == "transfer" and event.data["transfer_id"] == transfer_id:
                if shown:
                    sys.stderr.write(f"\r\x1b[2K{formatting.plain(_bar(event.data))}")
                    sys.stderr.flush()
                if event.data["state"] not in _ENDS:
                    continue
            elif event.kind not in ("resync", "beat"):
                continue
            row = _get(engine, transfer_id)
            if row["state"] in _ENDS:
                break
    finally:
        stream.close()
        if shown:
            sys.stderr.write("\r\x1b[2K")
    return row


def _get(engine: ControlClient, transfer_id: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = engine.request("GET", "/api/engine/transfers")["transfers"]
    return next(row for row in rows if row["transfer_id"] == transfer_id)


def _bar(data: dict[str, Any]) -> str:
    done, total = data["done"], data["total"]
    if not total:
        return data["message"] or f"{_word(data['state'])} …"
    full = min(_BAR, _BAR * done // total)
    words = f"{formatting.size(done)} of {formatting.size(total)}"
    if data["bytes_per_second"]:
        words += f", {formatting.size(data['bytes_per_second'])}/s"
    if data["eta_seconds"] is not None:
        words += f", {formatting.duration(data['eta_seconds'])} left"
    return f"[{'#' * full}{'.' * (_BAR - full)}] {words} {data['message']}".rstrip()


def _line(row: dict[str, Any]) -> str:
    words = f"{row['transfer_id']}  {_word(row['state'])}  {row['target']}"
    if row["message"]:
        words += f"  {row['message']} {row['advice']}".rstrip()
    return f"{words}  {row['link']}".rstrip()


def _word(state: str) -> str:
    """A state as the screen calls it; JSON has the engine's names."""
    return {"queued": "waiting", "running": "sending"}.get(state, state)


def transfers(options: argparse.Namespace) -> int:
    """List transfers, act on one, or take ended ones off the list."""
    if options.action == "clear":
        return _clear(options)
    if options.action is not None and not options.id:
        raise wrong_usage(f"transfers {options.action} needs the id of a transfer.")
    engine = context.engine()
    if options.action is not None:
        row = engine.request("POST", f"/api/engine/transfers/{options.id}/{options.action}", {})
        if options.json:
            say_json(row)
        else:
            say(f"{row['transfer_id']}: {options.action}")
        return exit_codes.FINE
    data = engine.request("GET", "/api/engine/transfers")
    if options.json:
        say_json(data)
        return exit_codes.FINE
    if not data["transfers"]:
        say("No transfers yet. Publish a job's files with: simpletuner-tui publish ID --to PLACE")
        return exit_codes.FINE
    store = context.reader()
    rows = [["ID", "JOB", "STATE", "DONE", "OF", "TO", ""]]
    for row in data["transfers"]:
        job = store.job(row["job_id"])
        rows.append(
            [row["transfer_id"], job.name if job is not None else row["job_id"],
             _word(row["state"]), formatting.size(row["done_bytes"]),
             formatting.size(row["total_bytes"]), row["target"],
             f"{row['message']} {row['advice']}".strip() or row["link"]]
        )  # fmt: skip
    for line in table(rows, frozenset({3, 4})):
        say(line)
    return exit_codes.FINE


def _clear(options: argparse.Namespace) -> int:
    answer = context.engine().request(
        "POST", "/api/engine/transfers/clear", {"id": options.id or ""}
    )
    if options.json:
        say_json(answer)
    else:
        say(f"{formatting.plural(len(answer['cleared']), 'transfer')} taken off the list.")
    return exit_codes.FINE


def artifacts(options: argparse.Namespace) -> int:
    """What jobs produced, and where it is published."""
    engine = context.engine()
    job = context.reader().find(options.id).job_id if options.id else ""
    data = engine.request("GET", f"/api/engine/artifacts?job={job}", timeout=120)
    if options.json:
        say_json(data)
        return exit_codes.FINE
    for one in data["jobs"]:
        say(f"{one['name']}  {one['folder']}")
        for file in one["files"]:
            weights = file["weights"] or {}
            words = weights.get("problem") or weights.get("kind") or ""
            if weights.get("rank"):
                words += f" rank {weights['rank']}"
            here = "" if file["here"] else "  missing or changed"
            say(f"  {file['name']}  {formatting.size(file['size'])}  {words}{here}".rstrip())
            for place in file["published"]:
                say(f"    {place['link'] or place['target']}")
        for item in one["unfetched"]:
            until = f"; deleted there at {item['until']}" if item["until"] else ""
            words = f"{item['why'] or 'on its way'} {item['advice']}".rstrip()
            say(f"  {item['name']}  not here: {words}{until}")
    return exit_codes.FINE


def destinations(options: argparse.Namespace) -> int:
    """List destinations, or add, change, test or remove one."""
    if options.action != "list" and not options.name:
        raise wrong_usage(f"destinations {options.action} needs a name.")
    engine = context.engine()
    path = destination_edits.path_of(options.name or "")
    status = exit_codes.FINE
    if options.action == "list":
        answer = engine.request("GET", "/api/engine/destinations")
        rows = [["NAME", "KIND", "WHERE", "LAST TEST"]]
        rows += [
            [one["name"], one["kind"], _where(one["options"]), _tested(one["tested"])]
            for one in answer["destinations"]
        ]
        lines = table(rows) if answer["destinations"] else []
    elif options.action == "add":
        answer = destination_edits.add(engine, options)
        word = "changed" if answer["changed"] else "kept"
        lines = [f"{answer['name']}: {word}; try it with: destinations test {answer['name']}"]
    elif options.action in ("edit", "keys"):
        answer = getattr(destination_edits, options.action)(engine, options)
        lines = [f"{answer['name']}: changed; try it with: destinations test {answer['name']}"]
    elif options.action == "remove":
        answer = engine.request("DELETE", f"{path}?force=1" if options.force else path)
        lines = [f"{answer['name']}: removed; what was published there stays"]
        if answer["keyring_problem"]:
            tell(f"If a keyring holds its keys, they stay there: {answer['keyring_problem']}.")
    else:
        answer = engine.request("POST", f"{path}/test", {}, timeout=180)
        lines = [
            f"{step['level']:5}  {step['message']} {step['advice']}".rstrip()
            for step in answer["steps"]
        ]
        bad = {step["name"] for step in answer["steps"] if step["level"] == "error"}
        refused = exit_codes.NOT_AUTHORISED if bad & _REFUSED else exit_codes.FAILED
        status = exit_codes.FINE if answer["ok"] else refused
    if options.json:
        say_json(answer)
    else:
        for line in lines or [_NO_DESTINATIONS]:
            say(line)
    return status


def _where(options: dict[str, Any]) -> str:
    """A destination's place, whatever its kind."""
    if "bucket" in options:
        below = "/".join(filter(None, (options["bucket"], options.get("prefix", "").strip("/"))))
        return f"s3://{below} at {options.get('endpoint') or 'Amazon S3'}"
    return str(options.get("repo") or options.get("path") or "")


def _tested(last: dict[str, Any] | None) -> str:
    """When a destination was tried, and what was wrong then."""
    if last is None:
        return "never"
    at = formatting.stamp(datetime.fromisoformat(last["at"]))
    wrong = [step["message"] for step in last["steps"] if step["level"] == "error"]
    return f"fine, {at}" if last["ok"] else f"failed, {at}: {' '.join(wrong[:1])}".rstrip(": ")
