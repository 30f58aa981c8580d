"""`destinations add`, `edit` and `keys`: what is sent to the engine for them, and what is said."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from tui.base.errors import ApiError
from tui.cli.destination_grammar import CLEARED, KINDS, OPTIONS, full_path, option
from tui.cli.failures import wrong_usage
from tui.cli.output import tell
from tui.client.agent import IDLE_SECONDS
from tui.client.client import ControlClient, ControlError

if TYPE_CHECKING:
    from collections.abc import Callable

_HELP: Final = "All options: simpletuner-tui destinations --help"
_NEEDED: Final = {"hub": ("repo",), "folder": ("path",), "s3": ("bucket",)}


def add(engine: ControlClient, options: argparse.Namespace) -> dict[str, Any]:
    """Keep a destination; `changed` in the answer says that there was one of this name."""
    kind = options.kind
    if kind is None:
        raise wrong_usage("--kind is missing.", f"It is one of: {', '.join(KINDS)}.")
    body = {"name": options.name, "kind": kind, **_given(options, kind)}
    for name in _NEEDED[kind]:
        if not body.get(name):
            raise wrong_usage(f"{option(name)} is missing.", _HELP)
    if body.get("preset") == "r2" and not body.get("account") and not body.get("endpoint"):
        raise wrong_usage("--account is missing: it is part of R2's address.", _HELP)
    if body.get("preset") == "custom" and not body.get("endpoint"):
        raise wrong_usage("--endpoint is missing: where that server is.", _HELP)
    known = _known(engine, options.name)
    if known is not None and known["kind"] != kind:
        _refuse_kind(options.name, known["kind"])
    if kind == "s3":
        body |= ask_keys(body, from_env=options.keys_from_env)
        body["session_only"] = options.session_only
    answer = _sent(lambda: engine.request("POST", "/api/engine/destinations", body))
    _tell_how_long(engine, options)
    return {**answer, "changed": known is not None}


def edit(engine: ControlClient, options: argparse.Namespace) -> dict[str, Any]:
    """Change what was given and nothing else; keys are asked for where the server is another."""
    record = _must_know(engine, options.name)
    if options.kind not in (None, record["kind"]):
        _refuse_kind(options.name, record["kind"])
    body = _given(options, record["kind"])
    keys_too = options.keys_from_env or options.session_only
    if not body and not keys_too:
        raise wrong_usage("There is nothing to change: no option was given.", _HELP)
    if not keys_too:
        try:
            return _sent(lambda: _put(engine, options.name, body))
        except ApiError as error:
            if not {"access_key", "secret_key"} & set(error.details.get("fields", {})):
                raise
            tell("Keys belong to one server, and this is another one: it needs its own.")
    return _with_keys(engine, options, record, body)


def keys(engine: ControlClient, options: argparse.Namespace) -> dict[str, Any]:
    """Give a bucket's keys again; everything else stays."""
    record = _must_know(engine, options.name)
    if record["kind"] != "s3":
        raise wrong_usage(f"{options.name} is no bucket and has no keys.", _HELP)
    if _given(options, "s3"):
        raise wrong_usage("keys changes nothing but the keys.", "Other options: destinations edit")
    return _with_keys(engine, options, record, {})


def _with_keys(
    engine: ControlClient,
    options: argparse.Namespace,
    record: Mapping[str, Any],
    body: dict[str, Any],
) -> dict[str, Any]:
    moved = {"endpoint": None} if body.get("preset") or body.get("account") else {}
    place = {**record["options"], **moved, **body}
    body = {**body, **ask_keys(place, from_env=options.keys_from_env)}
    body["session_only"] = options.session_only
    answer = _sent(lambda: _put(engine, options.name, body))
    _tell_how_long(engine, options)
    return answer


def _put(engine: ControlClient, name: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = engine.request("PUT", path_of(name), body)
    return answer


def path_of(name: str) -> str:
    """A destination's path in the engine's API."""
    return f"/api/engine/destinations/{quote(name, safe='')}"


def _given(options: argparse.Namespace, kind: str) -> dict[str, Any]:
    """The options of a kind that were typed; others would be ignored without a word."""
    body: dict[str, Any] = {}
    for other, names in OPTIONS.items():
        for name in names:
            value = getattr(options, name)
            if value is not None and other != kind:
                raise _foreign(option(name), kind)
            if value is not None:
                body[name] = "" if name in CLEARED and value == "none" else value
    if options.private is not None:
        if kind != "hub":
            raise _foreign("--private" if options.private else "--public", kind)
        body["private"] = options.private
    for name in ("keys_from_env", "session_only"):
        if getattr(options, name) and kind != "s3":
            raise _foreign(option(name), kind)
    if body.get("path"):
        body["path"] = full_path(body["path"])
    return body


def _foreign(typed: str, kind: str) -> ApiError:
    return wrong_usage(f"{typed} means nothing for a destination of kind {kind}.", _HELP)


def _refuse_kind(name: str, kind: str) -> None:
    raise wrong_usage(
        f"{name} is a destination of kind {kind} already.",
        f"Take another name, or remove it first: simpletuner-tui destinations remove {name}",
    )


def _known(engine: ControlClient, name: str) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = engine.request("GET", "/api/engine/destinations")["destinations"]
    return next((row for row in rows if row["name"] == name), None)


def _must_know(engine: ControlClient, name: str) -> dict[str, Any]:
    found = _known(engine, name)
    if found is None:
        raise ApiError(
            f"There is no destination {name!r}.",
            "`simpletuner-tui destinations list` shows them.",
            status=404,
            code="not_found",
        )
    return found


def _sent(send: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The engine's answer; it names fields where options were typed."""
    try:
        return send()
    except ControlError as error:
        for name in error.details.get("fields", {}):
            if error.message.startswith(f"{name}: "):
                error.message = f"{option(name)} {error.message.removeprefix(f'{name}: ')}"
        raise


def _tell_how_long(engine: ControlClient, options: argparse.Namespace) -> None:
    """Keys in memory live as long as the engine; from a shell that is soon over."""
    if not options.session_only:
        return
    if engine.request("GET", "/api/engine")["mode"] == "agent":
        ends = (
            f"{IDLE_SECONDS:g} s after nothing needs it any more: no window, no job, and no "
            "transfer to this destination that waits, goes or is paused"
        )
    else:
        ends = "with the program that it belongs to"
    tell(f"The keys are kept until the engine ends, which is {ends}.")
    tell(f"  To give them again: simpletuner-tui destinations keys {options.name}")


_VARIABLES: Final = {
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
}
_PAIR: Final = " and ".join(_VARIABLES.values())
_HOW: Final = (
    "Type them at the prompt, pipe them in (two lines: access key, secret key; or JSON with "
    f"access_key and secret_key), or say --keys-from-env for {_PAIR}."
)
_MOST: Final = 64 * 1024


def ask_keys(place: Mapping[str, Any], *, from_env: bool) -> dict[str, str]:
    """`{access_key, secret_key}` for a bucket.

    Args:
        place: its options, as typed or as kept; what is empty counts as not said.
        from_env: take the environment's, whosever server it is.

    Raises:
        SpokenError: there are none.
    """
    known = {name: os.environ.get(variable, "").strip() for name, variable in _VARIABLES.items()}
    if from_env:
        missing = [_VARIABLES[name] for name, value in known.items() if not value]
        if missing:
            raise wrong_usage(f"{' and '.join(missing)} is not set.", _HOW)
        return _from_environment(known)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    piped = {} if terminal else _piped()
    if piped:
        return piped
    host = _host(place)
    if all(known.values()):
        if not host:
            return _from_environment(known)
        tell(f"The keys in {_PAIR} are not sent to {host}: that would need --keys-from-env.")
    if not terminal:
        raise wrong_usage("The bucket's keys are missing.", _HOW)
    return {
        "access_key": _typed(f"Access key for {host or 'Amazon S3'}: "),
        "secret_key": _typed("Secret key: "),
    }


def _host(place: Mapping[str, Any]) -> str:
    """Whose server it is, in a word; empty for Amazon, whose address is never typed."""
    endpoint, preset = place.get("endpoint") or "", place.get("preset") or ""
    if endpoint:
        return urlsplit(endpoint).hostname or endpoint
    return preset if preset not in ("", "aws") else ""


def _from_environment(known: dict[str, str]) -> dict[str, str]:
    tell(f"The keys are those in {_PAIR}.")
    if os.environ.get("AWS_SESSION_TOKEN", "").strip():
        tell("AWS_SESSION_TOKEN is not taken along: keys that need it do not work here.")
    return known


def _typed(prompt: str) -> str:
    import getpass

    try:
        value = getpass.getpass(prompt).strip()
    except EOFError:
        value = ""
    if not value:
        raise wrong_usage("Nothing was typed.", _HOW)
    return value


def _piped() -> dict[str, str]:
    """What standard input holds; empty when that is nothing.

    No more than two lines are read, so that a pipe that stays open keeps nobody waiting.
    """
    if sys.stdin is None:
        return {}
    first = sys.stdin.readline(_MOST)
    if first.lstrip().startswith("{"):
        return _from_json(first + sys.stdin.read(_MOST))
    if not first:
        return {}
    access, secret = first.strip(), sys.stdin.readline(_MOST).strip()
    if not access or not secret:
        raise wrong_usage("Standard input holds no two lines with an access key and a secret key.",
                          _HOW)  # fmt: skip
    return {"access_key": access, "secret_key": secret}


def _from_json(text: str) -> dict[str, str]:
    try:
        data = json.loads(text)
    except ValueError:
        raise wrong_usage("Standard input begins like JSON and is none.", _HOW) from None
    found = {name: str(data.get(name) or "").strip() for name in _VARIABLES}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise wrong_usage(f"The JSON on standard input has no {' and no '.join(missing)}.", _HOW)
    return found
