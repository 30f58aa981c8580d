"""The list of what can be copied: `Y` on every screen."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tui.app.context import AppContext

Choice: TypeAlias = tuple[str, str]
"""What it is, and the text that is copied; one without text is left out."""


def ask_what_to_copy(context: AppContext, choices: Sequence[Choice]) -> None:
    """Asks which of several texts is wanted and copies it; a single one is copied at once."""
    from tui.app.widgets.picker import Picker

    known = [(what, text) for what, text in choices if text]
    if len(known) < 2:
        for _, text in known:
            context.copy(text)
        return

    def chosen(what: str | None) -> None:
        if what is not None:
            context.copy(dict(known)[what])

    context.push_screen(Picker("Copy", [(what, what, text) for what, text in known]), chosen)


def scp_line(path: str) -> str:
    """Returns the command that fetches a file from this host; empty where nobody came by ssh."""
    host = os.environ.get("SSH_CONNECTION", "").split()
    if len(host) != 4:  # client, its port, server, its port
        return ""
    name = f"[{host[2]}]" if ":" in host[2] else host[2]
    port = "" if host[3] == "22" else f"-P {host[3]} "
    return f"scp {port}{getpass.getuser()}@{name}:{shlex.quote(path)} ."
