"""Names of a job's files: what all share, what they are called elsewhere, and on this machine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_DOTTED: Final = re.compile(r"_*\.")


def shared_folder(paths: Sequence[str]) -> str:
    """The folder that all paths lie in, with its slash; empty when there is none.

    The trainer's folders are long and the same for all files of a job: lists leave them out, and so
    do copies elsewhere.
    """
    folders = [path.rpartition("/")[0].split("/") for path in paths]
    shared: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared) + "/" if shared and shared != [""] else ""


def is_called(name: str, elsewhere: str) -> bool:
    """Whether a file of a job may have been published under a name: its own, or the end of it."""
    return name == elsewhere or name.endswith(f"/{elsewhere}")


def visible(path: str) -> str:
    """The path under which a file with a name from elsewhere is stored: without hidden segments.

    Programs act on hidden files that they find in a folder: `.git/config` and `.git/hooks` name
    commands, which git runs. A segment that begins with a dot gets an underscore before it, and so
    does one that begins with underscores and a dot, so that no two paths become the same one
    (`original` is the inverse). Format characters do not count: HFS+ ignores some of them in names.
    """
    return "/".join(f"_{part}" if _is_dotted(part) else part for part in path.split("/"))


def has_hidden(path: str) -> bool:
    """Whether a segment of a path is hidden, however many format characters precede its dot."""
    return any(_shown(part).startswith(".") for part in path.split("/"))


def _is_dotted(part: str) -> bool:
    return _DOTTED.match(_shown(part)) is not None


def _shown(part: str) -> str:
    if part.isascii():
        return part
    return "".join(letter for letter in part if unicodedata.category(letter) != "Cf")
