"""`token`: the tokens in the system's keyring. They are read from a prompt or from input."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import sys

from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, tell
from tui.client.agent import REPLICATE_VARIABLE

_SLOW = 120.0
"""Seconds for a call behind which the Hub is asked."""
_AWAY = ("unreachable", "rate_limited")


def token(options: argparse.Namespace) -> int:
    """Set, show the state of, validate or delete the token."""
    from tui.secrets.keyring import delete_token, read_token

    if options.hub:
        return _hub(options)
    host = _host()
    if options.action == "set":
        return _set(options, host)
    if options.action == "delete":
        deleted = asyncio.run(delete_token("replicate", host))
        _tell_engine()
        return _say(options, {"deleted": deleted}, "deleted" if deleted else "there was none")
    if options.action == "validate":
        answer = context.engine().request("GET", "/api/cloud/providers/replicate/validate")
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


def _hub(options: argparse.Namespace) -> int:
    """The same for Hugging Face; the engine knows which Hub belongs to which API."""
    engine, path = context.engine(), "/api/engine/tokens/huggingface"
    if options.action == "set":
        value = _typed("Hugging Face token: ")
        answer = engine.request("PUT", path, {"token": value}, timeout=_SLOW)
        for warning in answer.get("warnings") or ():
            tell(warning)
        return _say(options, answer, f"kept in {answer['backend']}")
    if options.action == "delete":
        answer = engine.request("DELETE", path, timeout=_SLOW)
        return _say(options, answer, "deleted" if answer["deleted"] else "there was none")
    if options.action == "validate":
        answer = engine.request("GET", f"{path}/validate", timeout=_SLOW)
        words = f"valid, @{answer['username']}" if answer["valid"] else str(answer["error"])
        _say(options, answer, words)
        if answer["valid"]:
            return exit_codes.FINE
        away = answer.get("reason") in _AWAY
        return exit_codes.NETWORK if away else exit_codes.NOT_AUTHORISED
    state = engine.request("GET", "/api/engine/tokens", timeout=_SLOW)["huggingface"]
    kept = f"stored ({state['backend']})" if state["keyring"] else state["problem"] or "empty"
    return _say(options, state, f"in use: {state['in_use'] or 'none'}; keyring: {kept}")


def _typed(prompt: str) -> str:
    """What was typed unseen, or piped in, without white space.

    Raises:
        SpokenError: it is nothing.
    """
    text = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    value = "".join(text.split())
    if not value:
        raise wrong_usage("No token was given.", "Type it at the prompt, or pipe it in.")
    return value


def _set(options: argparse.Namespace, host: str) -> int:
    from tui.replicate.secret import Secret
    from tui.secrets.keyring import store_token

    value = _typed(f"Replicate token for {host}: ")
    if not value.startswith("r8_"):
        tell("Replicate's tokens usually start with r8_; kept as it is.")
    backend = asyncio.run(store_token("replicate", host, Secret(value)))
    _tell_engine()
    return _say(options, {"stored": True, "backend": backend}, f"kept in {backend}")


def _tell_engine() -> None:
    """An engine that runs looks into the keyring again; one that does not needs no telling."""
    from tui.client.client import ControlClient, ControlError

    client = ControlClient(context.home().socket, context.settings().cloud.api_base)
    with contextlib.suppress(ControlError):
        client.request("PUT", "/api/session", {"keyring_changed": True}, timeout=5.0)


def _host() -> str:
    from urllib.parse import urlsplit

    return urlsplit(context.settings().cloud.api_base).netloc


def _say(options: argparse.Namespace, data: dict[str, object], words: str) -> int:
    if options.json:
        say_json(data)
    else:
        say(words)
    return exit_codes.FINE
