"""The commands that scripts run in a loop, `jobs`, `job` and `settings get`, with few imports.

Where anything is unusual, `run_fast_path` answers None and the usual command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_LONGEST_SOCKET = 100


def run_fast_path(arguments: Sequence[str]) -> int | None:
    """Print the answer of a command.

    The commands are `jobs [--json] [-n N]`, `job ID --json` with the whole id, and
    `settings get NAME [--json]`.

    Returns:
        The exit status; None for other commands and unusual states.
    """
    moved = os.environ.get("SIMPLETUNER_TUI_HOME", "").strip()
    base = os.path.abspath(os.path.expanduser(moved or "~/.simpletuner"))  # noqa: PTH100, PTH111
    root = base if moved else f"{base}/tui"
    active = False
    if arguments[:1] in (["jobs"], ["job"]):
        text, active = _jobs(arguments, root, f"{base}/cloud_outputs") or (None, False)
    else:
        text = _setting(arguments, root)
    if text is None:
        return None
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (BrokenPipeError, UnicodeError):
        return None
    if active:
        _look_for_engine(f"{root}/engine.sock")
    return 0


def _jobs(arguments: Sequence[str], root: str, outputs: str) -> tuple[str, bool] | None:
    """The answer of `jobs` or `job`, and whether a job in it is active."""
    words = [word for word in arguments[1:] if word != "--json"]
    as_json = "--json" in arguments
    database = f"{root}/state.db"
    if not os.path.exists(database):  # noqa: PTH110  pathlib is slow
        return None
    text = _settings_text(root)
    if text is None or "outputs_dir" in text:
        return None
    if arguments[0] == "job":
        return _job(database, outputs, words) if as_json else None
    if (limit := _limit(words)) is None:
        return None
    if as_json:
        from tui.store.job_json_query import jobs_json

        return jobs_json(database, outputs, limit)
    return _table(database, limit)


def _job(database: str, outputs: str, words: Sequence[str]) -> tuple[str, bool] | None:
    """One job as JSON text; None on a terminal, where the text is indented."""
    if len(words) != 1 or sys.stdout.isatty():
        return None
    from tui.store.job_json_query import job_json

    return job_json(database, outputs, words[0])


def _table(database: str, limit: int) -> tuple[str, bool] | None:
    """The table of jobs; None without jobs, because then advice is printed."""
    from tui.store.job_json_query import job_rows

    found = job_rows(database, limit)
    if found is None or not found[0]:
        return None
    from datetime import UTC, datetime

    from tui.cli.job_table import JobRow, job_table

    rows = [
        JobRow._make([*values, datetime.fromtimestamp(created // 1_000_000, UTC), cost, contact])
        for *values, created, cost, contact in found[0]
    ]
    return "".join(f"{line}\n" for line in job_table(rows)), found[1]


def _setting(arguments: Sequence[str], root: str) -> str | None:
    """The value of one setting as a line; None also when something is wrong in the file."""
    names = [word for word in arguments[2:] if word != "--json"]
    text = _settings_text(root)
    if list(arguments[:2]) != ["settings", "get"] or len(names) != 1 or text is None:
        return None
    from tui.settings.errors import SettingsError
    from tui.settings.reading import settings_of, with_environment
    from tui.settings.values import as_typed, values_of

    try:
        settings = with_environment(settings_of(text, "settings.toml"), os.environ)
    except SettingsError:
        return None
    values = values_of(settings)
    if settings.problems or names[0] not in values:
        return None
    value = values[names[0]]
    if "--json" not in arguments:
        line = as_typed(value)
        return f"{line}\n" if line.isprintable() else None
    if isinstance(value, list) or sys.stdout.isatty():  # on several lines then
        return None
    import json

    return f"{json.dumps(value, ensure_ascii=False)}\n"


def _settings_text(root: str) -> str | None:
    """What the settings file holds; None when it cannot be read."""
    try:
        with open(f"{root}/settings.toml", encoding="utf-8") as file:  # noqa: PTH123  pathlib is slow
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return None


def _limit(words: Sequence[str]) -> int | None:
    """The number after `-n`, -1 without one, None for any other words."""
    if not words:
        return -1
    if len(words) == 2 and words[0] in ("-n", "--limit") and words[1].isdecimal():
        return int(words[1]) or None
    return None


def _look_for_engine(path: str) -> None:
    """Have an engine follow the active jobs; where that cannot be, say so, the answer given."""
    from tui.client.presence import ANSWERS, presence

    if len(os.fsencode(path)) <= _LONGEST_SOCKET and presence(path)[0] == ANSWERS:
        return
    from tui.cli.context import wake_engine

    wake_engine(needed=True)
