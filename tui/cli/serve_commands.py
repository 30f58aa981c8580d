"""`serve`, `api-key` and `storage-key`: the engine for scripts, proxies and other programs."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import encodable_json, harmless, say, say_json, table, tell

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TTL: Final = re.compile(r"(\d{1,7})([smhd]?)")


def serve(options: argparse.Namespace) -> int:
    """Run engine and listener in the foreground; prints one line for each event."""
    from tui.base.listener_address import public_base
    from tui.engine.process.serve import serve as run

    listener: dict[str, str] = {}
    if options.listen:
        listener["listen"] = options.listen
    if options.public_url is not None:
        listener["public_url"] = public_base(options.public_url)
    run(context.home(), os.environ, {"listener": listener}, _printer(as_json=options.json))
    return exit_codes.FINE


def _printer(*, as_json: bool) -> Callable[[JsonObject], None]:
    def write(event: JsonObject) -> None:
        line = json.dumps(event, ensure_ascii=False) if as_json else _line(event)
        sys.stdout.write(f"{encodable_json(line) if as_json else harmless(line)}\n")
        sys.stdout.flush()

    return write


def _line(event: Mapping[str, Any]) -> str:
    kind = event["event"]
    if kind == "ready":
        scheme = "https" if event["tls"] else "http"
        parts = [f"Listening on {scheme}://{event['listen']}"]
        if event["webhook_url"]:
            parts.append(f"webhooks at {event['webhook_url']}")
        if event["warning"]:
            parts.append(event["warning"])
        return " · ".join(parts)
    if kind == "stopped":
        return "Stopped."
    moment = str(event.get("at", ""))[11:19]
    if kind == "rejected":
        return f"{moment} webhook rejected: {event['message']} (from {event['address'] or '?'})"
    who = " ".join(filter(None, (event.get("name"), event.get("job_id"), event.get("source"))))
    return " ".join(filter(None, (moment, who, kind, event.get("message"))))


def api_key(options: argparse.Namespace) -> int:
    """Make, list or revoke keys for the HTTP API."""
    engine = context.engine()
    if options.action == "create":
        made = engine.make_api_key(options.name or "").result()
        if options.json:
            say_json(made)
        else:
            say(made["key"])
            tell(f"Key {made['id']}. It is shown this once; send it as “Authorization: Bearer …”.")
        return exit_codes.FINE
    if options.action == "revoke":
        if not options.id:
            raise wrong_usage("api-key revoke needs the id of a key.", "List: api-key list")
        answer = engine.revoke_api_key(options.id).result()
        if options.json:
            say_json(answer)
        else:
            say(f"Key {options.id} is good no longer.")
        return exit_codes.FINE
    keys = engine.api_keys().result()["keys"]
    if options.json:
        say_json(keys)
        return exit_codes.FINE
    if not keys:
        say("No API keys. Make one with: simpletuner-tui api-key create")
        return exit_codes.FINE
    rows = [["ID", "NAME", "MADE"], *([key["id"], key["name"], key["created_at"]] for key in keys)]
    for line in table(rows):
        say(line)
    return exit_codes.FINE


def storage_key(options: argparse.Namespace) -> int:
    """Make a key pair for the user's own S3 tools."""
    answer = context.engine().make_storage_key(_seconds(options.ttl)).result()
    if options.json:
        say_json(answer)
        return exit_codes.FINE
    say(f"export AWS_ACCESS_KEY_ID={answer['access_key']}")
    say(f"export AWS_SECRET_ACCESS_KEY={answer['secret_key']}")
    say(f"export AWS_DEFAULT_REGION={answer['region']}")
    say(f"export AWS_ENDPOINT_URL_S3={answer['endpoint']}")
    tell(f"Good for {options.ttl}, for the bucket s3://{answer['bucket']}")
    return exit_codes.FINE


def ttl(text: str) -> str:
    """The argument of --ttl: a length of time such as 90s, 30m, 1h or 2d.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not _TTL.fullmatch(text) or not 1 <= _seconds(text) <= 7 * 86400:
        raise argparse.ArgumentTypeError("must be a time from 1s to 7d, such as 30m or 1h")
    return text


def _seconds(text: str) -> int:
    match = _TTL.fullmatch(text)
    return int(match[1]) * _UNITS[match[2] or "s"] if match else 0


def engine(options: argparse.Namespace) -> int:
    """Run the engine in this process."""
    from tui.store.writer import StoreBusyError, check_free

    try:
        check_free(context.home())  # before anything heavy is imported
    except StoreBusyError:
        say("busy")
        return exit_codes.FINE
    from tui.engine.process.main import run_engine

    return run_engine(context.home(), until_eof=options.until_eof, agent=options.agent)
