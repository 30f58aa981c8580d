"""What `--version` prints: the program's version, and that of an engine that runs."""

from __future__ import annotations

import os

from tui import __version__

_MOST_SECONDS = 0.5
"""An engine answers within milliseconds. One that does not is not waited for."""


def version_text(root: str) -> str:
    """The lines.

    Args:
        root: the state folder.
    """
    line = f"simpletuner-tui {__version__}\n"
    socket = f"{root}/engine.sock"
    if not os.path.exists(socket):  # noqa: PTH110  pathlib is slow
        return line
    from tui.client.presence import engine_version

    version = engine_version(socket, _MOST_SECONDS)
    return line if version is None else f"{line}engine {version or 'does not answer'}\n"
