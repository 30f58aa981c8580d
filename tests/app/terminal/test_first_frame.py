"""The saved frame: what is kept, what is ignored, and how the terminal is left."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pyte
import pytest

from tui.app.terminal import first_frame
from tui.settings import Home

SIZE = (30, 4)
PAINTING = "\x1b[1m" + "".join(f"\x1b[{number + 1}Hrow {number}" for number in range(4))


def keep(home: Home) -> None:
    home.create()
    first_frame.save(home, PAINTING, SIZE, "14:02")


def test_what_was_saved_is_painted_with_its_time(home: Home) -> None:
    keep(home)
    sequence = first_frame.load(home, SIZE)
    assert sequence is not None
    screen = pyte.Screen(*SIZE)
    pyte.Stream(screen).feed(sequence)
    assert screen.display[1].strip() == "row 1"
    assert screen.display[0].endswith(" as of 14:02 ")


def test_it_is_painted_in_its_own_style_whatever_the_prompt_left(home: Home) -> None:
    """A prompt may end in the style that commands are typed in."""
    keep(home)
    sequence = first_frame.load(home, SIZE)
    assert sequence is not None
    looks = []
    for left in ("", "\x1b[3;4;32;41m"):
        screen = pyte.Screen(*SIZE)
        pyte.Stream(screen).feed(f"{left}{sequence}")
        looks.append([screen.buffer[y][x] for y in range(SIZE[1]) for x in range(SIZE[0])])
    cells = zip(*looks, strict=True)
    assert [(plain, found) for plain, found in cells if found.data != " " and found != plain] == []


def test_only_the_user_can_read_it(home: Home) -> None:
    keep(home)
    assert stat.S_IMODE(home.last_frame.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        json.dumps({"format": 1}).encode(),
        json.dumps(
            {"format": 2, "size": [30, 4], "kind": None, "clock": 1, "painting": 3}
        ).encode(),
    ],
)
def test_a_broken_file_is_ignored(home: Home, content: bytes) -> None:
    home.create()
    home.last_frame.write_bytes(content)
    assert first_frame.load(home, SIZE) is None


def test_another_size_terminal_or_format_is_ignored(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert first_frame.load(home, SIZE) is None
    keep(home)
    assert first_frame.load(home, (31, 4)) is None
    monkeypatch.setenv("NO_COLOR", "1")
    assert first_frame.load(home, SIZE) is None
    monkeypatch.delenv("NO_COLOR")
    data = json.loads(home.last_frame.read_text())
    home.last_frame.write_text(json.dumps({**data, "format": 1}))
    assert first_frame.load(home, SIZE) is None
    home.last_frame.write_text(json.dumps(data))
    assert first_frame.load(home, SIZE) is not None
    monkeypatch.setenv("STY", "1.pts")  # GNU screen does not erase in colour
    assert first_frame.load(home, SIZE) is None


def imported(module: str, heavy: tuple[str, ...]) -> str:
    """Which of the heavy modules come with `module`, in a fresh interpreter."""
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_nothing_heavy_comes_with_it() -> None:
    heavy = ("textual", "rich", "asyncio", "pydantic", "httpx", "aiohttp", "sqlite3")
    assert imported("tui.app.terminal.first_frame", heavy) == "[]"
    assert imported("tui.cli.open_app", heavy) == "[]"


def test_no_network_library_comes_with_the_app() -> None:
    heavy = ("pydantic", "httpx", "aiohttp", "boto3", "http.client", "huggingface_hub")
    assert imported("tui.app.app", heavy) == "[]"
