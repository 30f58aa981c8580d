"""The editor of whoever uses the command line."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tui.base.errors import ApiError

_EDITORS: Final = ("sensible-editor", "nano", "vim", "vi")


def edit_in_editor(path: Path) -> None:
    """Open a file in `$VISUAL`, `$EDITOR` or one that is usual here, and wait until it is closed.

    Raises:
        ApiError: that could not be; what stands in the file is the editor's.
    """
    name = next((name for name in ("VISUAL", "EDITOR") if os.environ.get(name, "").strip()), "")
    try:
        command = shlex.split(os.environ[name]) if name else _any_editor()
    except ValueError:
        raise ApiError(
            f"{name} has a quote that is not closed.", "Correct it.", code="editor"
        ) from None
    if not command:
        raise ApiError("There is no editor.", "Set EDITOR to one.", code="editor")
    try:
        status = subprocess.run([*command, str(path)], check=False).returncode  # noqa: S603  the user's own choice
    except OSError as error:
        raise ApiError(
            f"The editor {command[0]} cannot be started: {error.strerror}.",
            "Set EDITOR to another one.",
            code="editor",
        ) from None
    if status:
        raise ApiError(
            f"The editor ended with status {status}; nothing was changed.", code="editor"
        )


def _any_editor() -> list[str]:
    return [path for name in _EDITORS if (path := shutil.which(name))][:1]
