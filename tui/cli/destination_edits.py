"""`destinations add`, `edit` and `keys`: from the options, and from keys that are asked for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict, cast
from urllib.parse import urlsplit

from tui.base.errors import ApiError
from tui.cli.destination_grammar import CLEARED, KINDS, OPTIONS, full_path, option
from tui.cli.failures import wrong_usage
from tui.cli.output import tell
from tui.client.engine_process import IDLE_SECONDS
from tui.client.errors import ControlError

if TYPE_CHECKING:
    from tui.api.destinations import (
        Destination,
        DestinationChange,
        DestinationKind,
        ListedDestination,
        NewDestination,
    )
    from tui.client.call import Call
    from tui.client.client import ControlClient


class BucketKeys(TypedDict):
    """What opens a bucket."""

    access_key: str
    secret_key: str


_HELP: Final = "All options: simpletuner-tui destinations --help"
_NEEDED: Final = {"hub": ("repo",), "folder": ("path",), "s3": ("bucket",)}


def add(engine: ControlClient, options: argparse.Namespace) -> tuple[Destination, bool]:
    """Keep a destination; answers it, and whether it replaces one of the same name and kind."""
    kind: DestinationKind | None = options.kind
    if kind is None:
        raise wrong_usage("--kind is missing.", f"It is one of: {', '.join(KINDS)}.")
    body: NewDestination = {"name": options.name, "kind": kind, **_given(options, kind)}
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
        access = ask_keys(body, from_env=options.keys_from_env)
        body["access_key"], body["secret_key"] = access["access_key"], access["secret_key"]
        body["session_only"] = options.session_only
    answer = _naming_options(engine.publishing.add_destination(**body))
    _tell_how_long(engine, options)
    return answer, known is not None


def edit(engine: ControlClient, options: argparse.Namespace) -> Destination:
    """Change the options that were given; ask for keys where the server changes."""
    record = _must_know(engine, options.name)
    if options.kind not in (None, record["kind"]):
        _refuse_kind(options.name, record["kind"])
    body = _given(options, record["kind"])
    keys_too = options.keys_from_env or options.session_only
    if not body and not keys_too:
        raise wrong_usage("There is nothing to change: no option was given.", _HELP)
    if not keys_too:
        try:
            return _naming_options(engine.publishing.change_destination(options.name, **body))
        except ApiError as error:
            if not {"access_key", "secret_key"} & set(error.details.get("fields", {})):
                raise
            tell("Keys belong to one server, and this is another one: it needs its own.")
    return _with_keys(engine, options, record, body)


def keys(engine: ControlClient, options: argparse.Namespace) -> Destination:
    """Replace a bucket's keys; everything else stays."""
    record = _must_know(engine, options.name)
    if record["kind"] != "s3":
        raise wrong_usage(f"{options.name} is no bucket and has no keys.", _HELP)
    if _given(options, "s3"):
        raise wrong_usage("keys changes nothing but the keys.", "Other options: destinations edit")
    return _with_keys(engine, options, record, {})


def _with_keys(
    engine: ControlClient,
    options: argparse.Namespace,
    record: ListedDestination,
    body: DestinationChange,
) -> Destination:
    """Send a change together with keys, which are asked for."""
    moved = {"endpoint": None} if body.get("preset") or body.get("account") else {}
    bucket: dict[str, object] = {**record["options"], **moved, **body}
    access = ask_keys(bucket, from_env=options.keys_from_env)
    body["access_key"], body["secret_key"] = access["access_key"], access["secret_key"]
    body["session_only"] = options.session_only
    answer = _naming_options(engine.publishing.change_destination(options.name, **body))
    _tell_how_long(engine, options)
    return answer


def _given(options: argparse.Namespace, kind: str) -> DestinationChange:
    """The options of a kind that were typed; an option of another kind is refused."""
    body: dict[str, str | bool] = {}
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
        body["path"] = full_path(str(body["path"]))
    return cast("DestinationChange", body)


def _foreign(typed: str, kind: str) -> ApiError:
    return wrong_usage(f"{typed} means nothing for a destination of kind {kind}.", _HELP)


def _refuse_kind(name: str, kind: str) -> None:
    raise wrong_usage(
        f"{name} is a destination of kind {kind} already.",
        f"Take another name, or remove it first: simpletuner-tui destinations remove {name}",
    )


def _known(engine: ControlClient, name: str) -> ListedDestination | None:
    """The destination of a name, if there is one."""
    rows = engine.publishing.destinations().result()
    return next((row for row in rows if row["name"] == name), None)


def _must_know(engine: ControlClient, name: str) -> ListedDestination:
    """The destination of a name.

    Raises:
        ApiError: there is none.
    """
    record = _known(engine, name)
    if record is None:
        raise ApiError(
            f"There is no destination {name!r}.",
            "`simpletuner-tui destinations list` shows them.",
            status=404,
            code="not_found",
        )
    return record


def _naming_options(call: Call[Destination]) -> Destination:
    """The answer of a call; its error names options instead of the API's fields."""
    try:
        return call.result()
    except ControlError as error:
        for name in error.details.get("fields", {}):
            if error.message.startswith(f"{name}: "):
                error.message = f"{option(name)} {error.message.removeprefix(f'{name}: ')}"
        raise


def _tell_how_long(engine: ControlClient, options: argparse.Namespace) -> None:
    """Say how long keys in the engine's memory last."""
    if not options.session_only:
        return
    if engine.info().result()["mode"] == "agent":
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


def ask_keys(bucket: Mapping[str, object], *, from_env: bool) -> BucketKeys:
    """The keys of a bucket.

    Args:
        bucket: its options, as typed or as kept; what is empty counts as not given.
        from_env: take the environment's, whosever server it is.

    Raises:
        ApiError: there are none.
    """
    known: BucketKeys = {
        "access_key": os.environ.get(_VARIABLES["access_key"], "").strip(),
        "secret_key": os.environ.get(_VARIABLES["secret_key"], "").strip(),
    }
    if from_env:
        missing = [_VARIABLES[name] for name, value in known.items() if not value]
        if missing:
            raise wrong_usage(f"{' and '.join(missing)} is not set.", _HOW)
        return _from_environment(known)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    piped = None if terminal else _piped()
    if piped is not None:
        return piped
    host = _host(bucket)
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


def _host(bucket: Mapping[str, object]) -> str:
    """The host or preset of the bucket's server; empty for Amazon, whose address is never typed."""
    endpoint, preset = str(bucket.get("endpoint") or ""), str(bucket.get("preset") or "")
    if endpoint:
        return urlsplit(endpoint).hostname or endpoint
    return preset if preset not in ("", "aws") else ""


def _from_environment(known: BucketKeys) -> BucketKeys:
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


def _piped() -> BucketKeys | None:
    """The keys on standard input; None when that is empty.

    No more than two lines are read, so that a pipe that stays open keeps nobody waiting.
    """
    if sys.stdin is None:
        return None
    first = sys.stdin.readline(_MOST)
    if first.lstrip().startswith("{"):
        return _from_json(first + sys.stdin.read(_MOST))
    if not first:
        return None
    access, secret = first.strip(), sys.stdin.readline(_MOST).strip()
    if not access or not secret:
        raise wrong_usage("Standard input holds no two lines with an access key and a secret key.",
                          _HOW)  # fmt: skip
    return {"access_key": access, "secret_key": secret}


def _from_json(text: str) -> BucketKeys:
    try:
        data = json.loads(text)
    except ValueError:
        raise wrong_usage("Standard input begins like JSON and is none.", _HOW) from None
    keys: BucketKeys = {
        "access_key": str(data.get("access_key") or "").strip(),
        "secret_key": str(data.get("secret_key") or "").strip(),
    }
    missing = [name for name, value in keys.items() if not value]
    if missing:
        raise wrong_usage(f"The JSON on standard input has no {' and no '.join(missing)}.", _HOW)
    return keys
