"""What `doctor` learns of a terminal by asking it, and what it leaves behind."""

from __future__ import annotations

import os
import pty
import sys
import termios

import pytest

from tui.cli.terminal_probe import Ability, of_terminal, of_tmux

MODERN = (
    b"\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?2026;2$y\x1b[?1004;2$y\x1b[?1u\x1b_Gi=31;OK\x1b\\"
    b"\x1b[?62;22;52c"
)
XTERM = b"\x1bP1$r0m\x1b\\\x1b[?2026;0$y\x1b[?1004;2$y\x1b[?64;4;6c"
FEATURES = {"RGB", "clipboard", "hyperlinks", "sync", "focus", "extkeys"}
OPTIONS = {
    "set-clipboard": "external", "focus-events": "on", "extended-keys": "always",
    "allow-passthrough": "all",
}  # fmt: skip


def works(abilities: list[Ability]) -> dict[str, bool | None]:
    return {ability.name.partition(" (")[0]: ability.works for ability in abilities}


def mends(abilities: list[Ability]) -> list[str]:
    return [ability.mend for ability in abilities if ability.mend]


def test_a_modern_terminal_can_do_everything() -> None:
    found = of_terminal(MODERN, {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"})
    assert set(works(found).values()) == {True}
    assert mends(found) == ["export COLORTERM=truecolor"]
    announced = {"TERM": "xterm-kitty", "COLORTERM": "truecolor"}
    assert mends(of_terminal(MODERN, announced)) == []


def test_over_ssh_the_line_is_for_sshd() -> None:
    (mend,) = mends(of_terminal(MODERN, {"TERM": "xterm", "SSH_CONNECTION": "a 1 b 2"}))
    assert "AcceptEnv COLORTERM" in mend


def test_an_older_one_lacks_what_it_denies_and_what_it_does_not_say_is_not_known() -> None:
    assert works(of_terminal(XTERM, {"TERM": "xterm"})) == {
        "true colour": False, "clipboard": None, "links": None, "pictures": True,
        "synchronised output": False, "focus": True, "extended keys": False,
    }  # fmt: skip


@pytest.mark.parametrize("term", ["xterm", "linux"])
def test_of_a_silent_terminal_nothing_is_claimed(term: str) -> None:
    assert True not in works(of_terminal(b"", {"TERM": term})).values()


def test_tmux_needs_both_its_option_and_the_terminal_s_feature() -> None:
    found = of_tmux(OPTIONS, FEATURES)
    assert (works(found).pop("pictures"), mends(found)) == (False, [])
    for feature in FEATURES:
        (mend,) = mends(of_tmux(OPTIONS, FEATURES - {feature}))
        assert mend.startswith(f"set -as terminal-features ',*:{feature}'")
    for option in OPTIONS:
        (mend,) = mends(of_tmux({**OPTIONS, option: "off"}, FEATURES))
        assert f"{option} on" in mend


@pytest.mark.parametrize("answer", [MODERN, b"", b"\x1b[?62;4"], ids=["whole", "none", "half"])
def test_asking_has_an_end_and_leaves_the_terminal_as_it_was(answer: bytes) -> None:
    code = "from tui.cli.terminal_probe import ask; print('SAID', len(ask(0.2) or b''))"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    try:
        modes, said = termios.tcgetattr(terminal), b""
        while b"SAID" not in said or not said.endswith(b"\n"):
            said += os.read(terminal, 4096)
            if answer and said.endswith(b"\x1b[c"):
                os.write(terminal, answer)
        assert said.split()[-1] == str(len(answer)).encode()
        assert termios.tcgetattr(terminal) == modes
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(terminal)
