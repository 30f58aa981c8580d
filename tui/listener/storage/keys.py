"""Decodes object keys and accepts those that are safe as file names.

A key is percent-decoded once and then checked as it is. A key that could lead outside its folder on
any file system is refused rather than repaired: a repaired key would store a file under a name that
nobody asked for. Names that begin with a dot are allowed; `Folder` stores them under visible names.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from tui.listener.storage.errors import S3Error

MAX_KEY_BYTES = 1024  # S3's own limit
MAX_NAME_BYTES = 255  # one path component on the file systems that matter

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
        S3Error: the key is not safe as a file name.
    """
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", f"A key has at most {MAX_KEY_BYTES} bytes.")
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in key):
        raise S3Error("InvalidArgument", "The key has control characters.")
    if "\\" in key:
        raise S3Error("InvalidArgument", "The key has a backslash.")
    names = tuple(key.split("/"))
    for name in names:
        if name in {"", ".", ".."}:
            raise S3Error(
                "InvalidArgument",
                "The key has an empty, '.' or '..' path component, or ends with '/'.",
            )
        if len(name.encode()) > MAX_NAME_BYTES:
            raise S3Error(
                "KeyTooLongError", f"A path component has at most {MAX_NAME_BYTES} bytes."
            )
    return names
