"""Decodes object keys and accepts those that name a file below their folder.

A key is percent-decoded once. An empty, `.` or `..` part is refused: no client that sends the files
of a folder has such a part, and nothing can stand for it. Every other key is accepted; `Folder`
stores its file under an inert name (`tui.base.stored_names`).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from tui.listener.storage.errors import S3Error

MAX_KEY_BYTES = 1024  # S3's own limit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def decode_path(raw: str) -> str:
    """Percent-decode a path once.

    Raises:
        S3Error: the result is not UTF-8.
    """
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "The path is not UTF-8.") from None


def split_path(raw: str) -> tuple[str, str]:
    """Return bucket and key of a raw path below the endpoint; either may be empty."""
    bucket, _, key = raw.removeprefix("/").partition("/")
    return decode_path(bucket), decode_path(key)


def is_bucket_name(name: str) -> bool:
    """Whether `name` follows S3's rules for bucket names."""
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def check_key(key: str) -> tuple[str, ...]:
    """Return the path components of a key.

    Raises:
        S3Error: the key is too long, or could lead outside its folder.
    """
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", f"A key has at most {MAX_KEY_BYTES} bytes.")
    names = tuple(key.split("/"))
    for name in names:
        if name in {"", ".", ".."}:
            raise S3Error(
                "InvalidArgument",
                "The key has an empty, '.' or '..' path component, or ends with '/'.",
            )
    return names
