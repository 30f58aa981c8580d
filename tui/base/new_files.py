"""Writes files where the user says, which may be a folder that others can write to as well.

Whoever puts a link, a pipe or a device there under the name that is about to be written must not
choose what is overwritten, or let the writer wait for ever.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

Result = TypeVar("Result")


def create(path: Path, write: Callable[[BinaryIO], Result]) -> Result:
    """Write a new file and return what `write` returns; one that it does not finish is deleted.

    Raises:
        FileExistsError: something of that name is there, be it a link that leads nowhere.
        OSError: it cannot be written.
    """
    try:
        file = path.open("xb")  # exclusively: no link is followed
    except FileExistsError as error:
        message = "a file of that name is there already"
        raise FileExistsError(errno.EEXIST, message, str(path)) from error
    with file:
        try:
            result = write(file)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return result


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all; what has its name is replaced, and no link is followed.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # a name that cannot be guessed
    create(part, write)
    try:
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
