"""Names of a job's files: what all of them share, and what they are called elsewhere."""

from __future__ import annotations

from collections.abc import Sequence


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
