"""Validates the options of a destination, and formats of speed and path."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from unicodedata import category

from tui.base import text_fields
from tui.base.addresses import BUCKET, read_address
from tui.base.errors import RefusedError
from tui.base.text_fields import FieldError
from tui.destinations.common.errors import PublishError
from tui.destinations.hub.names import check_repo_id
from tui.destinations.s3.profile import PRESETS, S3Profile, endpoint_for
from tui.simpletuner.request.delivery import public_url

T = TypeVar("T")
KINDS: Final = ("hub", "s3", "folder")
_REFUSED_CATEGORIES: Final = {"Cc", "Cs"}
"""Unicode categories (control characters, surrogates) that SQLite or servers do not accept."""
_FIELDS: Final = {
    "hub": ("repo", "private"),
    "s3": (
        "bucket", "preset", "endpoint", "account", "region", "prefix", "addressing",
        "storage_class", "encryption", "kms_key", "acl", "public_base_url",
        "data_role",
    ),
    "folder": ("path",),
}  # fmt: skip


def wrong(field: str, words: str) -> RefusedError:
    """The error for a field that is not valid."""
    return RefusedError(f"{field}: {words}.", details={"fields": {field: words}})


def read_speed(value: object) -> int:
    """Bytes per second of the field `bandwidth`; see `tui.base.text_fields.read_speed`.

    Raises:
        RefusedError: the text is not a speed.
    """
    try:
        return text_fields.read_speed(value)
    except FieldError as error:
        raise wrong("bandwidth", str(error)) from None


def whole_path(text: str) -> str:
    """Normalise a folder's path: expand `~`, remove `..` and double slashes.

    Two spellings of a folder must be the same target. Symbolic links are not resolved, because they
    may change later.

    Returns:
        The absolute path; "" if the text is not one.
    """
    path = os.path.expanduser(text)  # noqa: PTH111  pathlib raises for ~nobody
    return f"/{os.path.normpath(path).lstrip('/')}" if path.startswith("/") else ""


def read_options(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read and validate the options of a destination.

    Args:
        kind: `hub`, `s3` or `folder`.
        body: the request; fields of other kinds are ignored.

    Raises:
        RefusedError: a field is not valid.
    """
    given = {name: body[name] for name in _FIELDS[kind] if body.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, bool if name == "private" else str):
            raise wrong(name, "has the wrong kind of value")
        if isinstance(value, str) and _REFUSED_CATEGORIES & set(map(category, value)):
            raise wrong(name, "holds control characters, or bytes that are no UTF-8")
    if kind == "hub":
        repo = _for_field("repo", lambda: check_repo_id(given.get("repo", "")))
        return {"repo": repo, "private": given.get("private", True)}
    if kind == "folder":
        path = whole_path(given.get("path", ""))
        if not path:
            raise wrong("path", "must be a whole path")
        return {"path": path}
    return _s3_options(given)


def _for_field(field: str, read: Callable[[], T]) -> T:
    """Call `read`; a PublishError becomes a RefusedError about the field."""
    try:
        return read()
    except PublishError as error:
        message = f"{error.message} {error.advice}".strip()
        raise RefusedError(
            error.message, error.advice, details={"fields": {field: message}}
        ) from None


def _s3_options(given: dict[str, str]) -> dict[str, Any]:
    preset = given.pop("preset", "custom" if given.get("endpoint") else "aws")
    if preset not in PRESETS:
        raise wrong("preset", f"must be one of {', '.join(PRESETS)}")
    account = given.pop("account", "")
    if preset == "r2" and not account and not given.get("endpoint"):
        raise wrong("account", "is part of R2's address and must be given")
    for name, choices in (
        ("addressing", ("auto", "path", "virtual")),
        ("encryption", ("", "AES256", "aws:kms")),
    ):
        if given.get(name, choices[0]) not in choices:
            raise wrong(name, f"must be one of {', '.join(filter(None, choices))}")
    preset_values = PRESETS[preset]
    region = given.get("region") or preset_values.region
    options: dict[str, Any] = {
        "addressing": preset_values.addressing,
        **given,
        "preset": preset,
        "region": region,
        "bucket": given.get("bucket", ""),
        "endpoint": given.get("endpoint") or endpoint_for(preset, region=region, account=account),
    }
    _for_field("bucket", lambda: S3Profile(bucket=options["bucket"]))
    public_base_url = str(options.get("public_base_url", "")).strip()
    _for_field(
        "public_base_url", lambda: S3Profile(options["bucket"], public_base_url=public_base_url)
    )
    options |= {"public_base_url": public_url(public_base_url)} if public_base_url else {}
    _for_field("endpoint", lambda: S3Profile(**options))
    if options["endpoint"]:
        options["endpoint"] = read_address(options["endpoint"], BUCKET).url
    return options
