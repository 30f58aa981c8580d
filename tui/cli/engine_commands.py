"""`engine`: the process in the background that does the work: how it is, stop, restart, its log."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING, Final

from tui.base import formatting
from tui.base.errors import ApiError
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, tell
from tui.client.errors import EngineGoneError, EngineSilentError
from tui.client.presence import ABSENT, SILENT, presence, silent_words

if TYPE_CHECKING:
    from pathlib import Path

    from tui.api.engine import EngineInfo
    from tui.client.client import ControlClient

_END_SECONDS: Final = 20.0
"""What an engine may take to end: transfers are brought to a point from which they go on."""
_AGAIN: Final = 0.05
_TAIL_BYTES: Final = 4_000_000
_KEEPERS: Final = {
    "agent": "runs while anything needs it",
    "owned": "ends with its window",
    "serve": "was started by `serve`",
}


def engine(options: argparse.Namespace) -> int:
    """Act on the engine of this state folder; it is only started for `restart`."""
    if options.agent or options.until_eof:  # the program starts itself so
        from tui.cli import serve_commands

        return serve_commands.engine(options)
    if options.action == "logs":
        return _logs(context.home().engine_log, options)
    before = _info()
    if options.action in (None, "status"):
        return _say_state(options, before)
    if options.action == "restart" and before is not None and before["mode"] != "agent":
        raise wrong_usage(
            f"This engine {_KEEPERS[before['mode']]}.", "Restart that, and it is restarted."
        )
    if before is not None:
        _stop(before)
    if options.action == "restart":
        return _say_state(options, context.engine().info().result())
    answer = {"stopped": before is not None, "pid": before["pid"] if before else None}
    if options.json:
        say_json(answer)
    else:
        say(f"engine {before['pid']} stopped" if before else "no engine runs")
    return exit_codes.FINE


def _client() -> ControlClient:
    from tui.client.client import ControlClient

    return ControlClient(context.home().socket, context.settings().cloud.api_base)


def _info() -> EngineInfo | None:
    """The engine that answers; None when none runs.

    Raises:
        EngineSilentError: one is there and does not answer.
    """
    state, pid = presence(str(context.home().socket))
    if state == SILENT:
        raise EngineSilentError(*silent_words(pid))
    if state == ABSENT:
        return None
    try:
        return _client().info().result()
    except EngineGoneError:  # it has just ended
        return None


def _stop(running: EngineInfo) -> None:
    if running["active_jobs"]:
        jobs = formatting.plural(running["active_jobs"], "active job goes", "active jobs go")
        tell(f"{jobs} on at Replicate; the next command follows again.")
    with contextlib.suppress(EngineGoneError):
        _client().shut_down().result()
    deadline = time.monotonic() + _END_SECONDS
    while not _has_ended():
        if time.monotonic() > deadline:
            raise ApiError(
                f"The engine (process {running['pid']}) has not ended yet.",
                f"`simpletuner-tui engine logs` tells what it does. If need be: "
                f"kill {running['pid']}",
                code="engine_busy",
            )
        time.sleep(_AGAIN)


def _has_ended() -> bool:
    """Whether another engine could start now: its last act is to let go of the store."""
    from tui.store.writer import StoreBusyError, check_free

    try:
        check_free(context.home())
    except StoreBusyError:
        return False
    return True


def _say_state(options: argparse.Namespace, info: EngineInfo | None) -> int:
    if options.json:
        say_json({"running": info is not None, "engine": info})
        return exit_codes.FINE
    if info is None:
        say("no engine runs; the next command that needs one starts it")
        return exit_codes.FINE
    listener = info["listener"]
    lines = [
        ("engine", f"process {info['pid']}, {_KEEPERS[info['mode']]}"),
        ("version", info["version"]),
        ("since", info["started_at"]),
        ("jobs", f"{info['active_jobs']} active"),
        ("listener", listener["address"] or listener["problem"] or "off"),
        ("folder", info["home"]),
    ]
    for name, value in lines:
        say(f"{name:<9} {value}")
    return exit_codes.FINE


def _logs(path: Path, options: argparse.Namespace) -> int:
    """Print the last lines of the engine's own log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    lines = text.splitlines()[-options.lines :]
    if options.json:
        say_json({"path": str(path), "lines": lines})
        return exit_codes.FINE
    for line in lines:
        say(line)
    return exit_codes.FINE
