"""Rules for what never leaves the machine: folders of secrets, private files, unsafe names.

Only images, their captions and tables named by the dataset are ever packed. The rules here give the
reason for a file that is left out, and refuse a dataset that points at a folder of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tui.base.real_paths import real_path

# These folders hold credentials: a dataset inside one is a mistake or an attack.
SECRET_FOLDERS = frozenset(
    {".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", ".password-store"}
    | {".mozilla", ".thunderbird", ".git", ".env", "keyrings"}
)
# Folders of programs, never of images; skipped inside a dataset, with the reason.
TOOL_FOLDERS = frozenset({"__pycache__", "node_modules", ".venv", "venv"})

_SYSTEM_FOLDERS = tuple(
    Path(name)
    for name in (
        *("/etc", "/proc", "/sys", "/dev", "/boot", "/bin", "/sbin", "/lib", "/lib64"),
        *("/usr/bin", "/usr/sbin", "/usr/lib", "/var/lib", "/var/log", "/var/run"),
    )
)
_SECRET_SUFFIXES = frozenset(
    {".env", ".pem", ".key", ".crt", ".p12", ".pfx", ".jks", ".kdbx", ".ppk", ".gpg", ".keystore"}
)
_SECRET_NAMES = re.compile(
    r"^(?:id_(?:rsa|dsa|ecdsa|ed25519)(?:\.pub)?|\.env(?:\..*)?|\.netrc|\.npmrc|\.pypirc|"
    r"credentials(?:\.\w+)?|secrets?(?:\.\w+)?|known_hosts|authorized_keys|tokens?(?:\.\w+)?)$",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")


def refused_folder(folder: Path) -> str | None:
    """Why `folder` must not be read as a dataset; None when it may.

    System folders, whole home folders and folders with credentials are refused. Temporary folders
    and root's home are allowed.
    """
    try:
        real = real_path(folder)
    except OSError:
        return "the path leads in a circle, or is too long"
    if real == Path(real.anchor):
        return "this is the whole disk"
    if real == Path.home().resolve():
        return "this is your whole home folder"
    for part in (*real.parts, *folder.parts):
        if part.lower() in SECRET_FOLDERS:
            return f"it lies in {part}, where programs keep credentials or private settings"
    for system in _SYSTEM_FOLDERS:
        if real == system or system in real.parents:
            return f"{system} belongs to the system"
    return None


def is_secret_name(name: str) -> bool:
    """Whether a file with this name usually holds a key, a token or a password."""
    if name[name.rfind(".") :].lower() in _SECRET_SUFFIXES:
        return True
    return _SECRET_NAMES.match(name) is not None


def skipped_folder(name: str) -> str | None:
    """Why a folder of this name inside a dataset is left out, or None."""
    if name.lower() in SECRET_FOLDERS:
        return "private folder, never sent"
    if name in TOOL_FOLDERS:
        return "folder of a tool, not data"
    return "hidden folder" if name.startswith(".") else None


def unsafe_name(name: str) -> str | None:
    """Why a file's name cannot stand in an archive, or None."""
    match = _UNSAFE.search(name)
    if match is None:
        return None
    if (
        "\ud800" <= match[0] <= "\udfff"
    ):  # surrogateescape: Python's form of bytes that are no UTF-8
        return "its name is not valid UTF-8"
    return "its name has a backslash or a control character"


def folder_names(ids: Iterable[str]) -> list[str]:
    """A folder name for every dataset id: plain characters, unique even when case is ignored."""
    names: list[str] = []
    taken: set[str] = set()
    for identity in ids:
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", identity).strip("-.")[:80].rstrip("-.")
        name = base = base or "dataset"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names
