"""The commands that scripts run in a loop, with few imports.

Where anything is unusual, `run_fast_path` answers None and the usual command runs.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tui.store.quick_reader import QuickReader

FAST_COMMANDS = ("jobs", "job", "logs", "spending", "artifacts", "settings", "--version")
_LONGEST_SOCKET = 100


def run_fast_path(arguments: Sequence[str]) -> int | None:
    """Print the answer of a command; see `_answer`.

    Returns:
        The exit status; None for other commands and unusual states.
    """
    try:
        return _answer(arguments)
    except BrokenPipeError:
        from tui.cli.output import reader_has_gone

        return reader_has_gone()
    except OSError as error:  # what the answer was written to is full, for example
        from tui.cli.output import drop, tell_output_lost

        drop(1)
        return tell_output_lost(error)


def _answer(arguments: Sequence[str]) -> int | None:
    """Print the answer of a command.

    The commands are `jobs [--json] [-n N]`, `job ID [--json]`, `logs ID` and `artifacts ID
    [--json]` with the whole id, `spending [--json] [--days N]`, `settings get NAME [--json]` and
    `--version`.

    Returns:
        The exit status; None for other commands and unusual states.
    """
    moved = os.environ.get("SIMPLETUNER_TUI_HOME", "").strip()
    base = os.path.abspath(os.path.expanduser(moved or "~/.simpletuner"))  # noqa: PTH100, PTH111
    root = base if moved else f"{base}/tui"
    if sys.stdout.isatty():
        from tui.base.ascii_glyphs import terminal_is_plain

        # JSON is indented there, and nothing in it is left that a terminal would obey.
        if terminal_is_plain() or "--json" in arguments:
            return None
    active, beside = False, ""
    text: str | Iterable[bytes] | None
    command = arguments[0]
    if command == "logs":
        return _log(arguments, root)
    if command in ("spending", "artifacts") and _is_silent(f"{root}/engine.sock"):
        return None  # which has to be said
    if command == "spending":
        from tui.cli.fast_spending import spending_text

        found = spending_text(arguments, root, _settings_text(root))
        text, beside, active = found or (None, "", False)
    elif command == "artifacts":
        text = _artifacts(arguments, root, f"{base}/cloud_outputs")
    elif command == "--version":
        from tui.cli.version import version_text

        text = version_text(root)
    elif command == "settings":
        text = _setting(arguments, root)
    else:
        text, active = _jobs(arguments, root, f"{base}/cloud_outputs") or (None, False)
    if text is None or (active and not _is_followed(f"{root}/engine.sock")):
        return None
    try:
        if isinstance(text, str):
            sys.stdout.write(text)
        elif sys.stdout.encoding == "utf-8":
            sys.stdout.buffer.writelines(text)  # never whole in memory, and not coded twice
        else:  # which may lack a letter
            sys.stdout.write(b"".join(text).decode())
        sys.stdout.flush()
        if beside:
            from tui.cli.output import tell

            tell(beside)
    except UnicodeError:
        return None
    return 0


def _jobs(
    arguments: Sequence[str], root: str, outputs: str
) -> tuple[str | Iterable[bytes], bool] | None:
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
        return _job(database, root, outputs, words, as_json=as_json)
    if (limit := _limit(words)) is None:
        return None
    if as_json:
        from tui.store.job_json_query import jobs_json

        return jobs_json(database, outputs, limit)
    return _table(database, limit)


def _job(
    database: str, root: str, outputs: str, words: Sequence[str], *, as_json: bool
) -> tuple[str, bool] | None:
    """One job as a page, or as JSON text."""
    if len(words) != 1:
        return None
    if as_json:
        from tui.store.job_json_query import job_json

        return job_json(database, outputs, words[0])
    from tui.store.quick_reader import QuickError, open_quickly

    if (query := open_quickly(database)) is None:
        return None
    try:
        return _page(query, root, outputs, words[0])
    except QuickError:
        return None
    finally:
        query.close()


def _page(query: QuickReader, root: str, outputs: str, job_id: str) -> tuple[str, bool] | None:
    from datetime import UTC, datetime

    from tui.cli.job_page import job_lines
    from tui.cli.output import harmless
    from tui.store.job_json_query import CONTACTS, contacts_of
    from tui.store.quick_job import read_files, read_job, read_note

    if (job := read_job(query, job_id)) is None:
        return None
    unheard, stops_at = None, ""
    if job.status.is_active:
        import json

        from tui.store.stopping_limit import limit_words

        facts = query(*CONTACTS)
        spent = next((value for name, value, _ in facts if name == "spending"), "null")
        stops_at = limit_words(json.loads(spent))
        if (contacts := contacts_of(facts)) is not None:
            unheard = contacts.of(job, datetime.now(UTC))
    lines = job_lines(
        job, read_files(query, job_id), unheard, read_note(query, job_id),
        stops_at=stops_at, log=f"{root}/logs/{job_id}.log", outputs=outputs,
    )  # fmt: skip
    return "".join(f"{harmless(line)}\n" for line in lines), job.status.is_active


def _log(arguments: Sequence[str], root: str) -> int | None:
    """Copy a log; None on a terminal, which gets it without control sequences."""
    if len(arguments) != 2 or sys.stdout.isatty():
        return None
    from tui.store.quick_reader import query

    job_id = arguments[1]
    found = query(f"{root}/state.db", ("SELECT 1 FROM jobs WHERE job_id = :id", {"id": job_id}))
    if not found or not found[0]:
        return None
    try:
        with open(f"{root}/logs/{job_id}.log", "rb") as file:  # noqa: PTH123  pathlib is slow
            while piece := file.read(1 << 20):
                sys.stdout.buffer.write(piece)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):  # nothing is written yet
        return None
    sys.stdout.flush()
    return 0


def _artifacts(arguments: Sequence[str], root: str, outputs: str) -> str | None:
    settings = _settings_text(root)
    if settings is None or "outputs_dir" in settings:
        return None
    from tui.cli.fast_artifacts import artifacts_text

    return artifacts_text(arguments, f"{root}/state.db", outputs)


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
    if isinstance(value, list):  # on several lines then
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


def _is_silent(socket: str) -> bool:
    """Whether there is an engine that does not answer."""
    if not os.path.exists(socket):  # noqa: PTH110  pathlib is slow
        return False
    from tui.client.presence import SILENT, last_presence

    return last_presence(socket)[0] == SILENT


def _is_followed(path: str) -> bool:
    """Whether an engine answers; else the usual command says since when jobs are not heard of."""
    from tui.client.presence import ANSWERS, last_presence

    return len(os.fsencode(path)) <= _LONGEST_SOCKET and last_presence(path)[0] == ANSWERS
