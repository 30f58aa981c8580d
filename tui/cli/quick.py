"""The one command that scripts run in a loop, `jobs --json`, without loading the program.

Whatever is out of the ordinary is left to the ordinary way: `quick` then answers None.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_LONGEST_SOCKET = 100


def quick(arguments: Sequence[str]) -> int | None:
    """Answer `jobs --json [-n N]`; None when it is something else, or not as simple as that."""
    limit = _limit(arguments)
    if limit is None:
        return None
    moved = os.environ.get("SIMPLETUNER_TUI_HOME", "").strip()
    base = os.path.abspath(os.path.expanduser(moved or "~/.simpletuner"))  # noqa: PTH100, PTH111
    root = base if moved else f"{base}/tui"
    if not os.path.exists(f"{root}/state.db"):  # noqa: PTH110  pathlib takes longer than all this
        return None
    try:
        with open(f"{root}/settings.toml", encoding="utf-8") as file:  # noqa: PTH123
            if "outputs_dir" in file.read():
                return None
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        return None
    from tui.store.quick_jobs import jobs_json

    answer = jobs_json(f"{root}/state.db", f"{base}/cloud_outputs", limit)
    if answer is None or (answer[1] and not _answers(f"{root}/engine.sock")):
        return None
    try:
        sys.stdout.write(answer[0])
        sys.stdout.flush()
    except (BrokenPipeError, UnicodeError):
        return None
    return 0


def _limit(arguments: Sequence[str]) -> int | None:
    """The number after `-n`, -1 without one, None for any other command line."""
    if len(arguments) < 2 or arguments[0] != "jobs" or "--json" not in arguments:
        return None
    rest = [word for word in arguments[1:] if word != "--json"]
    if not rest:
        return -1
    if len(rest) == 2 and rest[0] in ("-n", "--limit") and rest[1].isdecimal():
        return int(rest[1]) or None
    return None


def _answers(path: str) -> bool:
    """Whether an engine listens, so that what is shown of active jobs is true."""
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        return False
    import socket

    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1.0)
        try:
            line.connect(path)
        except OSError:
            return False
    return True
