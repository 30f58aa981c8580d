"""What people type for a job's delivery, read field by field.

Only the standard library: forms and the command line read with this, the engine reads again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from tui.simpletuner.request.delivery import JOB_ID, clean_repo_id

MOST_PREFIX: Final = 512
"""Bytes; a key may have 1024 with the run's own folders and names behind it (S3's limit)."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_DESTINATION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_OTHER_REPOS: Final = re.compile(r"(?:^|/)(?:datasets|spaces)/")


def read_repo(text: str) -> str:
    """`owner/name` or a bare name, from an id or a web address of the repository.

    Raises:
        ValueError: it is none; in words.
    """
    if _OTHER_REPOS.search(text.strip()):
        raise ValueError("is the address of a dataset or a Space; give a model repository")
    found = clean_repo_id(text)
    if found is None:
        raise ValueError("is no repository's name; write owner/name")
    return found


def _bucket(text: str) -> str:
    if not _BUCKET.fullmatch(text) or ".." in text:
        raise ValueError("is no bucket's name: 3 to 63 lower case letters, digits, dots, hyphens")
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("is no region; write it like eu-central-1")
    return text


def _destination(text: str) -> str:
    if not _DESTINATION.fullmatch(text):
        raise ValueError("is no destination's name: lower case letters, digits, - and _")
    return text


def _prefix(text: str) -> str:
    given = text.strip("/")
    parts = given.split("/")
    if not given.isprintable() or "\\" in given or any(part in ("", ".", "..") for part in parts):
        raise ValueError("must be names with / between them, such as runs/cats")
    if set(given.replace(JOB_ID, "")) & set("{}"):
        raise ValueError(f"knows one name in braces: {JOB_ID}")
    if len(given.encode()) > MOST_PREFIX:
        raise ValueError(f"must have at most {MOST_PREFIX} bytes")
    return given


def public_url(text: str) -> str:
    """The address under which a bucket can be read, as links begin with it.

    Raises:
        ValueError: it is none; in words that go on from the field's name.
    """
    words = "must be an address such as https://files.example.org"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(words) from None
    if not usable or not text.isprintable() or " " in text:
        raise ValueError(words)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password: whoever sees a link can read them")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment")
    return text.rstrip("/")


READERS: Final[dict[str, Callable[[str], str]]] = {
    "hub_model_id": read_repo,
    "destination": _destination,
    "bucket": _bucket,
    "region": _region,
    "prefix": _prefix,
    "public_base_url": public_url,
}
"""By field of a draft's delivery."""


def read_field(name: str, text: Any) -> str:
    """A field's value as it is kept.

    Raises:
        ValueError: it cannot be that; in words that go on from the field's name.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError("must not be empty")
    return READERS[name](text.strip())
