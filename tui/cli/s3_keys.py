"""Keys of a bucket: from a prompt, from standard input or from the environment.

They are never arguments, which other users of the machine can read. The environment's are Amazon's;
another server gets them only when that was said.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.cli.failures import wrong_usage
from tui.cli.output import tell

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
