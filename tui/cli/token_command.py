"""`token`: the Replicate token in the system's keyring. It is read from a prompt or from input."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import sys

from tui.cli import exit_codes, world
from tui.cli.output import say, say_json, tell
from tui.engine.agent import REPLICATE_VARIABLE


def token(options: argparse.Namespace) -> int:
    """Set, show the state of, validate or delete the token."""
    from tui.secrets import KeyringError, delete_token, read_token

    host = _host()
    try:
        if options.action == "set":
            return _set(options, host)
        if options.action == "delete":
            deleted = asyncio.run(delete_token("replicate", host))
            _tell_engine()
            return _say(options, {"deleted": deleted}, "deleted" if deleted else "there was none")
    except KeyringError as error:
        tell(f"simpletuner-tui: {error.message}")
        tell(f"  {error.advice}")
        return exit_codes.FAILED
    if options.action == "validate":
        answer = world.engine().request("GET", "/api/cloud/providers/replicate/validate")
        user = answer.get("user_info") or {}
        words = f"valid, @{user.get('username')}" if answer["valid"] else str(answer["error"])
        _say(options, answer, words)
        if answer["valid"]:
            return exit_codes.FINE
        return exit_codes.NETWORK if answer.get("unreachable") else exit_codes.NOT_AUTHORISED
    stored = asyncio.run(read_token("replicate", host))
    environment = bool(os.environ.get(REPLICATE_VARIABLE, "").strip())
    state = {
        "host": host,
        "environment": environment,
        "keyring": stored.value is not None,
        "backend": stored.backend or None,
        "problem": stored.problem or None,
        "used": "environment" if environment else "keyring" if stored.value else None,
    }
    words = f"in use: {state['used'] or 'none'}; keyring: " + (
        f"stored ({stored.backend})" if stored.value else stored.problem or "empty"
    )
    return _say(options, state, words)


def _set(options: argparse.Namespace, host: str) -> int:
    from tui.replicate.secret import Secret
    from tui.secrets import store_token

    if sys.stdin.isatty():
        text = getpass.getpass(f"Replicate token for {host}: ")
    else:
        text = sys.stdin.readline()
    value = "".join(text.split())
    if not value:
        tell("simpletuner-tui: no token was given")
        return exit_codes.USAGE
    if not value.startswith("r8_"):
        tell("Replicate's tokens usually start with r8_; kept as it is.")
    backend = asyncio.run(store_token("replicate", host, Secret(value)))
    _tell_engine()
    return _say(options, {"stored": True, "backend": backend}, f"kept in {backend}")


def _tell_engine() -> None:
    """An engine that runs looks into the keyring again; one that does not needs no telling."""
    from tui.engine.control_client import ControlClient, ControlError

    client = ControlClient(world.home().socket, world.settings().cloud.api_base)
    with contextlib.suppress(ControlError):
        client.request("PUT", "/api/session", {"keyring_changed": True}, timeout=5.0)


def _host() -> str:
    from urllib.parse import urlsplit

    return urlsplit(world.settings().cloud.api_base).netloc


def _say(options: argparse.Namespace, data: dict[str, object], words: str) -> int:
    if options.json:
        say_json(data)
    else:
        say(words)
    return exit_codes.FINE
