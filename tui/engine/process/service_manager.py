"""What `serve` tells the service manager that started it: ready, alive, about to end.

The protocol of sd_notify(3) is a datagram on a Unix socket, so that no library is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

_USEC: Final = 1_000_000


class ServiceManager:
    """The manager's end of the line; without one nothing is told.

    Args:
        environ: the environment, as systemd sets it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with "@" for the null byte that begins its name.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = _watchdog(environ) if address else 0.0
        """Seconds without a sign of life after which the process is killed; 0 for never."""

    def tell(self, state: str) -> None:
        """Send a state (`READY=1`); a manager that has gone is no reason to fail."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(state.encode(), self._address)

    async def keep_alive(self) -> None:
        """Give signs of life from the event loop, so that one that stands still gives none."""
        while self.watchdog_seconds:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 2)


def _watchdog(environ: Mapping[str, str]) -> float:
    pid = environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return 0.0
    try:
        return max(0, int(environ.get("WATCHDOG_USEC", ""))) / _USEC
    except ValueError:
        return 0.0


def user_unit(command: list[str], settings: Mapping[str, str]) -> str:
    """Return a systemd user unit that runs `serve`.

    Args:
        command: the program and its arguments.
        settings: environment variables; none of them a secret, since everybody may read a unit.
    """
    environment = "".join(f"Environment={_quoted(f'{name}={value}')}\n"
                          for name, value in settings.items())  # fmt: skip
    return f"""\
# ~/.config/systemd/user/simpletuner-tui.service
#   systemctl --user daemon-reload && systemctl --user enable --now simpletuner-tui
#   loginctl enable-linger      # and it stays up after you have logged out
# Tokens come from the keyring. Put none here: a unit can be read by others.
[Unit]
Description=simpletuner-tui: SimpleTuner training jobs on Replicate

[Service]
Type=notify
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in command)}
{environment}Restart=on-failure
RestartSec=5
WatchdogSec=60
TimeoutStopSec=60
KillMode=mixed
UMask=0077

[Install]
WantedBy=default.target
"""


def _quoted(word: str) -> str:
    """Return a word as systemd.syntax(7) wants it: a `%` would be replaced."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"' if not word or set(word) & set(" \t'\"\\;#") else word
