"""The rule for every foreign name that becomes a path: received, collected, published or packed.

The trainer, and whoever writes to its repository or bucket, chooses the names of the files that we
store. A name can hide itself, configure a program that looks into the folder (`.git/config`), stand
for a device (`CON`), look like another name (zero-width and bidirectional characters), or be one
that a file system cannot keep (trailing dots, 256 bytes, a second `a` beside `A`). Such a name is
stored under an inert one. It is not refused: a refused file ends the trainer's whole upload.

An inert name stays as it is, and different names get different inert ones, except that a name which
is too long ends in a part of its hash, and that some file systems do not distinguish names that
differ in case or composition only: `unlike` chooses another name for those. `original_path` reads
an escaped name backwards; the owner of the files keeps a record for the others.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

MAX_STORED_BYTES: Final = 200
"""The longest name that is stored. File systems take 255 bytes; our own temporary names add up to
55 to it."""

_ESCAPED: Final = frozenset("\\:")
"""Separators of Windows: of folders, and of drives and streams."""
_ESCAPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, format characters (bidirectional, zero-width, and all that HFS+ ignores in
names), surrogates, and line separators."""
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Further characters that Unicode calls default ignorable: nothing is drawn for them."""
_PERCENT: Final = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_ACTED_UPON: Final = re.compile(
    r"""_*(?:
        \.                                                # hidden: .git, .vscode, .envrc
      | (?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\ *(?:\.|$)  # devices
      | git~[0-9]+$                                       # the short name of .git on Windows
      | (?:sitecustomize|usercustomize|conftest)(?:\.|$)  # modules that Python or pytest looks for
      | (?:head|pyvenv\.cfg|desktop\.ini|autorun\.inf)$   # HEAD makes a folder a bare repository
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names that programs act upon, and the same with underscores in front."""
_SHORTENED_DIGITS: Final = 16
_LONGEST_SUFFIX: Final = 24


def stored_path(path: str) -> str:
    """Return the path under which a file with a foreign path is stored, name by name."""
    return "/".join(stored_name(name) for name in path.split("/"))


def stored_name(name: str) -> str:
    """Return the name under which a file with a foreign name is stored.

    A character that cannot stand becomes `%` and two hexadecimal digits per byte, and so does a
    percent sign that would read as such. A name that programs act upon gets an underscore in front,
    also when it begins with underscores already, so that no two names become the same.

    Args:
        name: one name of a path; not empty, and not `.` or `..`.
    """
    escaped = _PERCENT.sub("%25", name)
    if not escaped.isascii() or not escaped.isprintable() or not _ESCAPED.isdisjoint(escaped):
        escaped = "".join(_percent(letter) if _is_escaped(letter) else letter for letter in escaped)
    if escaped and (escaped[-1] == "." or escaped[-1].isspace()):
        escaped = escaped[:-1] + _percent(escaped[-1])
    if _ACTED_UPON.match(escaped):
        escaped = f"_{escaped}"
    return escaped if len(escaped.encode()) <= MAX_STORED_BYTES else _shortened(escaped, name)


def is_inert(path: str) -> bool:
    """Whether a path can be stored as it is; every result of `stored_path` can."""
    return all(_is_inert_name(name) for name in path.split("/"))


def inert_path(path: str) -> str:
    """Return an inert path as it is, and another one as `stored_path` does."""
    return path if is_inert(path) else stored_path(path)


def has_hidden(path: str) -> bool:
    """Whether a name in a path is hidden, with or without format characters before its dot."""
    return any(_without_format_characters(name).startswith(".") for name in path.split("/"))


def _without_format_characters(name: str) -> str:
    if name.isascii():
        return name
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def original_path(stored: str) -> str:
    """Return the path that `stored_path` made this one of, unless a name in it was too long."""
    return "/".join(_original_name(name) for name in stored.split("/"))


def same_file(path: str) -> str:
    """Return what paths have in common that some file systems do not distinguish."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def unlike(path: str, original: str, is_taken: Callable[[str], bool]) -> str:
    """Return a path that is not taken: `path`, or the same with a part of a hash in its name.

    Args:
        path: an inert path.
        original: the path that it was made of; the hash is that of this path.
        is_taken: whether a path is another file's.
    """
    candidate, attempt = path, 0
    while is_taken(candidate):
        folder, slash, name = path.rpartition("/")
        marked = _shortened(name, f"{original}\n{attempt}")
        candidate = f"{folder}{slash}{marked}"
        attempt += 1
    return candidate


def distinct_paths(paths: Iterable[str]) -> dict[str, str]:
    """Return an inert path for each of several paths of one folder, no two for the same file."""
    taken: set[str] = set()  # in the form of `same_file`
    chosen: dict[str, str] = {}
    # Those that need no other path keep theirs, whatever the order is.
    for path in sorted(dict.fromkeys(paths), key=lambda path: (not is_inert(path), path)):
        chosen[path] = unlike(inert_path(path), path, lambda one: same_file(one) in taken)
        taken.add(same_file(chosen[path]))
    return chosen


def _is_inert_name(name: str) -> bool:
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_STORED_BYTES:
        return False
    if name[-1] == "." or name[-1].isspace() or any(_is_escaped(letter) for letter in name):
        return False
    bare = name.lstrip("_")
    return bool(_ACTED_UPON.match(name)) <= (bare != name)


def _is_escaped(letter: str) -> bool:
    return (
        letter in _ESCAPED
        or unicodedata.category(letter) in _ESCAPED_CATEGORIES
        or _INVISIBLE.match(letter) is not None
    )


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def _original_name(stored: str) -> str:
    name = stored.removeprefix("_") if _ACTED_UPON.match(stored) else stored
    data = re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda match: bytes([int(match[1], 16)]),
        name.encode("utf-8", "surrogatepass"),
    )
    return data.decode("utf-8", "surrogatepass")


def _shortened(escaped: str, original: str) -> str:
    """Return a name with a part of the hash of `original`; it keeps its suffix."""
    mark = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:_SHORTENED_DIGITS]
    stem, dot, suffix = escaped.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = escaped, "", ""
    room = MAX_STORED_BYTES - len(f"~{mark}{dot}{suffix}".encode())
    kept = stem.encode()[:room].decode(errors="ignore")
    return f"{kept}~{mark}{dot}{suffix}"
