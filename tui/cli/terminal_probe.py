"""What this terminal can do, found out by asking it: in `doctor` alone, with a time limit.

The app asks nothing while keys are read: an answer that comes late is taken for keys. Inside tmux
it is tmux that decides, so tmux is asked what it allows and what it knows of the terminal outside.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LIMIT: Final = 1.0
"""Seconds to wait for the terminal's answers; over ssh they come within a few round trips."""
_TMUX_SECONDS: Final = 2.0
_QUESTIONS: Final = (
    "\x1b[48:2::1:2:3m\x1bP$qm\x1b\\\x1b[m"  # DECRQSS: is a true colour kept as it was set?
    "\x1b[?2026$p\x1b[?1004$p"  # DECRQM: synchronised output, focus
    "\x1b[?u"  # kitty's keyboard protocol
    "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # kitty's pictures
    "\x1b[c"  # DA1, which every terminal answers: nothing comes after it
)
_LAST: Final = re.compile(rb"\x1b\[\?([0-9;]*)c")


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that a terminal can do or not.

    Attributes:
        name: what, in the field's term.
        works: True, False, or None where it cannot be known.
        mend: the line for a configuration file that helps; empty for none.
    """

    name: str
    works: bool | None
    mend: str = ""


def ask(limit: float = LIMIT) -> bytes | None:
    """Asks the terminal; returns its answers, or None where there is none to ask.

    Echo and line mode are off meanwhile, and whatever arrives is taken in, so that no answer is
    left behind for the shell.
    """
    import termios
    import tty

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    try:
        before: list[Any] = termios.tcgetattr(terminal)
        tty.setcbreak(terminal, termios.TCSANOW)
        try:
            os.write(terminal, _QUESTIONS.encode())
            return _answers(terminal, limit)
        finally:
            os.write(terminal, b"\r\x1b[K")  # a terminal that knows none of it may have printed
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
    except (OSError, termios.error):
        return None
    finally:
        os.close(terminal)


def _answers(terminal: int, limit: float) -> bytes:
    said, deadline = b"", time.monotonic() + limit
    while not _LAST.search(said) and (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            said += os.read(terminal, 4096)
    return said


def of_terminal(said: bytes, environ: Mapping[str, str]) -> list[Ability]:
    """Returns what the answers of a terminal mean, when nothing lies between.

    Args:
        said: what came back.
        environ: the environment.
    """
    last = _LAST.search(said)
    codes = last[1].split(b";")[1:] if last else []
    silent = last is None
    over_ssh = bool(environ.get("SSH_CONNECTION"))
    named = environ.get("COLORTERM", "") in ("truecolor", "24bit")
    true_colour = re.search(rb"48[:;]2[:;]+1[:;]2[:;]3", said) is not None
    mend = "" if named else "export COLORTERM=truecolor"
    if over_ssh and not named:
        mend = "sshd_config: AcceptEnv COLORTERM, and ssh_config here: SendEnv COLORTERM"
    return [
        Ability("true colour", named or (None if silent else true_colour),
                mend if true_colour and not named else ""),
        Ability("clipboard (OSC 52)", _copies(codes, environ)),
        Ability("links (OSC 8)", _links(environ)),
        Ability("pictures", None if silent else b"_Gi=31;OK" in said or b"4" in codes),
        Ability("synchronised output", None if silent else _mode(said, b"2026")),
        Ability("focus", None if silent else _mode(said, b"1004")),
        Ability("extended keys", None if silent else re.search(rb"\x1b\[\?\d+u", said) is not None),
    ]  # fmt: skip


def _mode(said: bytes, number: bytes) -> bool:
    """Whether a mode is known: DECRPM says 0 for one that is not, 4 for one that stays off."""
    answer = re.search(rb"\x1b\[\?" + number + rb";([0-4])\$y", said)
    return answer is not None and answer[1] not in (b"0", b"4")


def _copies(codes: list[bytes], environ: Mapping[str, str]) -> bool | None:
    from tui.app.terminal.clipboard import can_copy

    if b"52" in codes:  # terminals of late name it among their extensions
        return True
    return None if can_copy(environ) else False


def _links(environ: Mapping[str, str]) -> bool | None:
    if environ.get("TERM") in ("linux", "vt100", "dumb"):
        return False
    known = any(environ.get(name) for name in ("VTE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION"))
    return True if known else None


def of_tmux(options: Mapping[str, str], features: set[str]) -> list[Ability]:
    """Returns what arrives outside of tmux, with the lines for `tmux.conf` that mend the rest.

    Args:
        options: values of its options; one that this tmux does not have is missing.
        features: what tmux knows of the terminal outside, in the words of `terminal-features`.
    """

    def feature(name: str) -> str:
        return "" if name in features else f"set -as terminal-features ',*:{name}'"

    def option(name: str, wanted: tuple[str, ...], server: str = "-g") -> str:
        return "" if options.get(name) in wanted else f"set {server} {name} {wanted[0]}"

    def ability(name: str, *mends: str) -> Ability:
        needed = [mend for mend in mends if mend]
        return Ability(name, not needed, "; ".join(needed))

    return [
        ability("true colour", feature("RGB")),
        ability("clipboard (OSC 52)", feature("clipboard"),
                option("set-clipboard", ("on", "external"), "-s")),
        ability("links (OSC 8)", feature("hyperlinks") and f"{feature('hyperlinks')} # tmux 3.4"),
        Ability("pictures", False),
        ability("synchronised output", feature("sync")),
        ability("focus", feature("focus"), option("focus-events", ("on",))),
        ability("extended keys", feature("extkeys"),
                option("extended-keys", ("on", "always"), "-s")),
        ability("notices (OSC 9)", option("allow-passthrough", ("on", "all"))),
    ]  # fmt: skip


def tmux_says(*arguments: str) -> str:
    """Returns the output of a tmux command; empty when it fails."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603  words of ours
            ["tmux", *arguments],  # noqa: S607  the one of this session
            capture_output=True, text=True, timeout=_TMUX_SECONDS, check=False,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def look(environ: Mapping[str, str]) -> list[Ability]:
    """Returns what the terminal of this process can do; empty where there is none."""
    if environ.get("TMUX"):
        names = ("set-clipboard", "extended-keys", "focus-events", "allow-passthrough")
        options = {name: tmux_says("show-options", "-gqv", name) for name in names}
        for name in names[:2]:
            options[name] = tmux_says("show-options", "-sqv", name)
        features = set(tmux_says("display-message", "-p", "#{client_termfeatures}").split(","))
        return of_tmux(options, features)
    said = ask()
    return [] if said is None else of_terminal(said, environ)
