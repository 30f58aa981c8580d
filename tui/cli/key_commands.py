"""`api-key` and `storage-key`: keys for other programs, made, listed and revoked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.key_grammar import seconds_of
from tui.cli.output import say, say_json, table, tell


def api_key(options: argparse.Namespace) -> int:
    """Make, list or revoke keys for the HTTP API."""
    if options.action == "list":
        return _list(context.engine().api_keys().result()["keys"], options, _api_row, "API keys")
    if options.action == "revoke":
        if not options.id:
            raise wrong_usage("api-key revoke needs the id of a key.", "List: api-key list")
        return _revoked(context.engine().revoke_api_key(options.id).result(), options)
    seconds = seconds_of(options.expires) if options.expires else None
    made = context.engine().make_api_key(options.name or "", options.scope, seconds).result()
    if options.json:
        say_json(made)
        return exit_codes.FINE
    say(made["key"])
    until = f" until {_when(made['expires_at'])}" if made["expires_at"] else ""
    tell(
        f"Key {made['id']}, good for {made['scope']}{until}. It is shown this once; "
        "send it as “Authorization: Bearer …”."
    )
    return exit_codes.FINE


def storage_key(options: argparse.Namespace) -> int:
    """Make, list or revoke key pairs for the user's own S3 tools."""
    if options.action == "list":
        rows = context.engine().storage_keys().result()["keys"]
        return _list(rows, options, _storage_row, "storage keys")
    if options.action == "revoke":
        if not options.id:
            advice = "List: storage-key list"
            raise wrong_usage("storage-key revoke needs the access key of a pair.", advice)
        return _revoked(context.engine().revoke_storage_key(options.id).result(), options)
    answer = context.engine().make_storage_key(seconds_of(options.ttl)).result()
    if options.json:
        say_json(answer)
        return exit_codes.FINE
    say(f"export AWS_ACCESS_KEY_ID={answer['access_key']}")
    say(f"export AWS_SECRET_ACCESS_KEY={answer['secret_key']}")
    say(f"export AWS_DEFAULT_REGION={answer['region']}")
    say(f"export AWS_ENDPOINT_URL_S3={answer['endpoint']}")
    tell(f"Good for {options.ttl}, for the bucket s3://{answer['bucket']}")
    return exit_codes.FINE


def _revoked(answer: Any, options: argparse.Namespace) -> int:
    if options.json:
        say_json(answer)
    else:
        say(f"Key {options.id} is good no longer.")
    return exit_codes.FINE


def _list(
    rows: Any, options: argparse.Namespace, row_of: Callable[[Any], list[str]], what: str
) -> int:
    if options.json:
        say_json(rows)
        return exit_codes.FINE
    if not rows:
        say(f"No {what}. Make one with: simpletuner-tui {options.command} create")
        return exit_codes.FINE
    header = ["ID", "NAME", "SCOPE"] if options.command == "api-key" else ["ACCESS KEY"]
    for line in table([[*header, "MADE", "UNTIL", "LAST USED"], *map(row_of, rows)]):
        say(line)
    return exit_codes.FINE


def _api_row(key: Mapping[str, Any]) -> list[str]:
    until = _when(key["expires_at"]) if key["expires_at"] else "revoked"
    if key["expired"]:
        until += ", expired"
    return [key["id"], key["name"], key["scope"], *_times(key, until)]


def _storage_row(key: Mapping[str, Any]) -> list[str]:
    return [key["access_key"], *_times(key, _when(key["expires_at"]))]


def _times(key: Mapping[str, Any], until: str) -> list[str]:
    used = _when(key["last_used_at"]) if key["last_used_at"] else "never"
    return [_when(key["created_at"]), until, used]


def _when(text: str) -> str:
    return formatting.stamp(datetime.fromisoformat(text))
