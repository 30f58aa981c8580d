"""The user's own command for notices: no shell, no token, 30 seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tui.base.formatting import plural

LIMIT_SECONDS: Final = 30.0
_MOST_OUTPUT: Final = 2000
_KEPT: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
     "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"}
)  # fmt: skip
"""What a desktop's notifier or a mailer needs; nothing that may hold a token."""
_KEPT_STARTS: Final = ("LC_", "XDG_")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a command is told, in its environment.

    Attributes:
        job_id: `SIMPLETUNER_TUI_JOB`.
        name: `SIMPLETUNER_TUI_NAME`.
        state: `SIMPLETUNER_TUI_STATE`, a job's state.
        cost: `SIMPLETUNER_TUI_COST`, dollars such as `1.84`; empty where it is not known.
        message: `SIMPLETUNER_TUI_MESSAGE`, a line without control characters.
    """

    job_id: str
    name: str
    state: str
    cost: str
    message: str

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the command, from that of this process."""
        kept = {
            name: value
            for name, value in environ.items()
            if name in _KEPT or name.startswith(_KEPT_STARTS)
        }
        return kept | {
            "SIMPLETUNER_TUI_JOB": self.job_id,
            "SIMPLETUNER_TUI_NAME": self.name,
            "SIMPLETUNER_TUI_STATE": self.state,
            "SIMPLETUNER_TUI_COST": self.cost,
            "SIMPLETUNER_TUI_MESSAGE": self.message,
        }


async def run_command(
    command: Sequence[str],
    notice: Notice,
    environ: Mapping[str, str],
    *,
    limit: float = LIMIT_SECONDS,
    killed: Callable[[], None] = lambda: None,
) -> str:
    """Run a command for a notice; it and what it started are ended after a time.

    Args:
        command: the program and its arguments.
        notice: what it is told.
        environ: the environment of this process.
        limit: seconds that it may take.
        killed: called when it was ended.

    Returns:
        What came of it, for the job's history: its output, and how it ended unless well.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=notice.environment(environ), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True, cwd="/",
        )  # fmt: skip
    except (OSError, ValueError) as error:
        return f"The command for notices cannot be started: {error}."
    output, ended = bytearray(), ""
    try:
        async with asyncio.timeout(limit):
            stream = process.stdout
            while stream is not None and (data := await stream.read(4096)):
                output += data[: _MOST_OUTPUT - len(output)]
            await process.wait()
    except TimeoutError:
        ended = f"ended after {plural(round(limit), 'second')}"
        killed()
    finally:
        # The whole group: what it started may hold its output open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if not ended and process.returncode:
        ended = f"exit status {process.returncode}"
    text = " ".join(bytes(output).decode("utf-8", "replace").split())
    text = "".join(character for character in text if character.isprintable())
    words = f"Command for notices, {ended}" if ended else "Command for notices"
    return f"{words}: {text}" if text else words
