"""The app in a real pseudo terminal: differences against stock display, first frame, modes."""

from __future__ import annotations

import json
import re
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import NOW, fill, home_at
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState
from tui.store.writer import StoreWriter

KEYS = (b"j", b"j", b" ", b"G", b"k", b"\x1b[5~", b"S", b"s", b"/", b"c", b"a", b"\r", b"\x1b[6~",
        b"?", b"j", b"q", b"3", b"2", b"z", b"T", b"z")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(home_at(tmp_path / "home"), 90, running=0)
    return tmp_path / "home"


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.close()


def look(terminal: Terminal) -> list[list[tuple[object, ...]]]:
    """What is seen of every cell."""
    rows = []
    for y in range(terminal.screen.lines):
        cells = [terminal.screen.buffer[y][x] for x in range(terminal.screen.columns)]
        rows.append([(" ", cell.bg) if cell.data == " " else tuple(cell) for cell in cells])
    return rows


def same_after(key: bytes, ours: Terminal, stock: Terminal) -> None:
    """Type a key into both, and wait until both have answered, are quiet and look the same."""
    deadline, silent = time.monotonic() + 60, 0
    answered = set[int]()
    for terminal in (ours, stock):
        terminal.send(key)
    # A key that changes nothing has no answer.
    while look(ours) != look(stock) or silent < (2 if len(answered) == 2 else 8):
        if time.monotonic() > deadline:
            assert ours.screen.display == stock.screen.display, key
            assert look(ours) == look(stock), key
        now = {terminal.fd for terminal in (ours, stock) if terminal.quiet(0.03)}
        answered |= now
        silent = 0 if now else silent + 1


def test_the_same_keys_leave_the_same_screen_with_and_without_differences(
    folder: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    fill(home_at(tmp_path / "stock"), 90, running=0)
    same = f'[cloud]\noutputs_dir = "{tmp_path}/outputs"\n'  # its path is on the screen
    (folder / "settings.toml").write_text(same)
    (tmp_path / "stock" / "settings.toml").write_text(f"{same}[ui]\nframe_diff = false\n")
    terminals += [Terminal(["app", str(home)]) for home in (folder, tmp_path / "stock")]
    for terminal in terminals:
        terminal.until("engine: starting")
    ours, stock = terminals
    same_after(b"", ours, stock)
    for key in KEYS:
        same_after(key, ours, stock)


def test_the_last_screen_is_there_first_and_the_terminal_is_left_as_it_was(
    folder: Path, terminals: list[Terminal]
) -> None:
    first = Terminal(["app", str(folder)])
    terminals.append(first)
    before = termios.tcgetattr(first.fd)
    first.until("engine: starting")
    first.send(b"q")
    assert first.ended() == 0
    assert first.modes_left == before
    assert first.screen.cursor.attrs == first.screen.default_char, "no colour is left either"
    saved = json.loads((folder / "last_frame.json").read_text())
    assert "cat-lora" in saved["painting"]

    second = Terminal(["app", str(folder)])
    terminals.append(second)
    second.until("as of")
    assert any("cat-lora" in line for line in second.screen.display)
    second.send(b"/logo-9\r")  # typed before the app can read it
    while any("as of" in line for line in second.screen.display):
        assert second.read(10.0)
    second.until("/ logo-9 · 1 found")
    assert second.raw.count(b"\x1b[?1049h") == 1, "the frame was cleared by entering again"
    second.close()
    assert second.modes_left == before
    assert second.raw.count(b"\x1b[?1049l") == 1


def test_errors_can_go_elsewhere_without_taking_the_screen(
    folder: Path, tmp_path: Path, terminals: list[Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHILD_ERRORS", str(tmp_path / "errors.txt"))
    terminals.append(Terminal(["app", str(folder)]))
    terminals[0].until("engine: starting")
    terminals[0].close()
    assert (tmp_path / "errors.txt").read_bytes() == b""


def test_published_files_are_terminal_links(folder: Path, terminals: list[Terminal]) -> None:
    link = "https://huggingface.co/alice/cat-lora"
    writer = StoreWriter(home_at(folder))
    record = TransferRecord(
        "a" * 10, "job00003", "https://api.replicate.com/v1", "hub:alice/cat-lora", NOW,
        state=TransferState.DONE, done_bytes=9, total_bytes=9, link=link, ended_at=NOW,
    )  # fmt: skip
    writer.transfers.insert(record, [TransferItem(0, "a.bin", "/x/a.bin", 9)])
    writer.close()
    terminal = Terminal(["app", str(folder)])
    terminals.append(terminal)
    terminal.until("engine: starting")
    terminal.send(b"3")
    terminal.until("9 B verified")
    terminal.quiet(0.4)
    text_and_links = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", terminal.raw)
    pieces = re.findall(rb"\x1b\]8;([^;\x1b]*);([^\x1b]*)\x1b\\([^\x1b]*)", text_and_links)
    opened = [(name, text) for name, address, text in pieces if address == link.encode()]
    assert b"chroma-test-3" in b" ".join(text for _, text in opened)
    assert len({name for name, _ in opened}) == 1, "pieces of one link are one link"
    assert any(not address for _, address, _ in pieces), "it ends again"
