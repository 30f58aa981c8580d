"""Follows links, for paths that anybody may have written.

Python's own takes a time that grows by the square of a path's parts: a name of a million letters
would hold the process for minutes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

MOST_LETTERS: Final = 4096
"""PATH_MAX of Linux; a longer path opens nothing."""


def real_path(path: Path) -> Path:
    """Return a path with its links followed.

    Raises:
        OSError: it is too long, leads in a circle, or cannot be looked at.
    """
    if len(str(path)) > MOST_LETTERS:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
