"""`token`: the tokens in the system's keyring, read from a prompt or standard input."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Mapping

from tui.base.token_text import judge_token
from tui.cli import context, exit_codes
from tui.cli.failures import failed, wrong_usage
from tui.cli.output import say, say_json, tell
from tui.client.engine_process import REPLICATE_VARIABLE

_MOST_PIPED = 10_000  # characters, more than any token has
_UNREACHED = ("unreachable", "rate_limited")


def token(options: argparse.Namespace) -> int:
    """Set, show, validate or delete the Replicate token."""
    from tui.secrets.keyring import delete_token, read_token

    if options.hub:
        return _hub(options)
    host = _host()
    if options.action == "set":
        return _set(options, host)
    if options.action == "delete":
        deleted = asyncio.run(delete_token("replicate", host))
        _announce_keyring_change()
        return _print(options, {"deleted": deleted}, "deleted" if deleted else "there was none")
    if options.action == "validate":
        answer = context.engine().validate().result()
        user = answer["user_info"]
        username = None if user is None else user["username"]
        message = f"valid, @{username}" if answer["valid"] else str(answer["error"])
        return _judged(options, answer, message, away=bool(answer.get("unreachable")))
    stored = asyncio.run(read_token("replicate", host))
    given = os.environ.get(REPLICATE_VARIABLE, "").strip()
    environment, judged = bool(given), judge_token("replicate", given)
    if environment and judged.problem:
        tell(f"{REPLICATE_VARIABLE}: the token {judged.problem}. {judged.advice}")
    elif environment:
        for note in judged.notes:
            tell(f"{REPLICATE_VARIABLE}: {note}")
    state = {
        "host": host,
        "environment": environment,
        "keyring": stored.value is not None,
        "backend": stored.backend or None,
        "problem": stored.problem or None,
        "used": "environment" if environment else "keyring" if stored.value else None,
    }
    kept = f"stored ({stored.backend})" if stored.value else stored.problem or "empty"
    return _print(options, state, f"in use: {state['used'] or 'none'}; keyring: {kept}")


def _hub(options: argparse.Namespace) -> int:
    """Set, show, validate or delete the Hub's token; the engine knows which Hub the API uses."""
    cloud = context.engine().cloud
    if options.action == "set":
        text = _typed(
            "huggingface", "Hugging Face token: ",
            lambda: cloud.tokens().result()["huggingface"]["problem"],
        )  # fmt: skip
        stored = cloud.set_token("huggingface", text).result()
        for warning in stored["warnings"]:
            tell(warning)
        return _print(options, stored, f"kept in {stored['backend']}")
    if options.action == "delete":
        deleted = cloud.delete_token("huggingface").result()
        return _print(options, deleted, "deleted" if deleted["deleted"] else "there was none")
    if options.action == "validate":
        answer = cloud.validate_token("huggingface").result()
        message = f"valid, @{answer['username']}" if answer["valid"] else str(answer["error"])
        return _judged(options, answer, message, away=answer["reason"] in _UNREACHED)
    state = cloud.tokens().result()["huggingface"]
    kept = f"stored ({state['backend']})" if state["keyring"] else state["problem"] or "empty"
    return _print(options, state, f"in use: {state['in_use'] or 'none'}; keyring: {kept}")


def _judged(
    options: argparse.Namespace, answer: Mapping[str, object], message: str, *, away: bool
) -> int:
    """Print what a validation found; the exit status says who did not agree."""
    if answer["valid"]:
        return _print(options, answer, message)
    code = "provider_error" if away else "unauthorised"
    _print(
        options,
        failed(answer, code, message, str(answer.get("advice") or "Give another one: token set.")),
        message,
    )
    return exit_codes.NETWORK if away else exit_codes.NOT_AUTHORISED


def _typed(kind: str, prompt: str, problem: Callable[[], str]) -> str:
    """A token typed without echo, or piped in, as it is.

    Args:
        kind: of the token.
        prompt: what is asked.
        problem: why the keyring cannot be used, or ""; nobody is asked for what cannot be kept.

    Raises:
        ApiError: it is empty.
        KeyringError: there is such a problem.
    """
    if sys.stdin.isatty():
        if words := problem():
            from tui.secrets.keyring import KeyringError

            raise KeyringError(words, kind)
        text = getpass.getpass(prompt)
    else:
        text = sys.stdin.read(_MOST_PIPED)
    if not text.strip():
        raise wrong_usage("No token was given.", "Type it at the prompt, or pipe it in.")
    return text


def _set(options: argparse.Namespace, host: str) -> int:
    from tui.replicate.secret import Secret
    from tui.secrets.keyring import read_token, store_token

    typed = _typed(
        "replicate", f"Replicate token for {host}: ",
        lambda: asyncio.run(read_token("replicate", host)).problem,
    )  # fmt: skip
    judged = judge_token("replicate", typed)
    if judged.problem:
        raise wrong_usage(f"The token {judged.problem}.", judged.advice)
    for note in judged.notes:
        tell(note)
    backend = asyncio.run(store_token("replicate", host, Secret(judged.value)))
    _announce_keyring_change()
    return _print(options, {"stored": True, "backend": backend}, f"kept in {backend}")


def _announce_keyring_change() -> None:
    """Have an engine that runs read the keyring again; without one there is nothing to do."""
    from tui.client.client import ControlClient
    from tui.client.errors import ControlError

    client = ControlClient(context.home().socket, context.settings().cloud.api_base)
    with contextlib.suppress(ControlError):
        client.set_session({"keyring_changed": True}, timeout=5.0).result()


def _host() -> str:
    from tui.base.doors import keyring_host

    return keyring_host(context.settings().cloud.api_base)


def _print(options: argparse.Namespace, data: Mapping[str, object], message: str) -> int:
    if options.json:
        say_json(data)
    else:
        say(message)
    return exit_codes.FINE
