"""What goes to the terminal around a frame: brackets where they help, and no move twice."""

from __future__ import annotations

from typing import cast

import pytest
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.driver import Driver

from tui.app.terminal.driver import own_driver

HOME, FIRST_CELL = "\x1b[H", "\x1b[1;1H"


class Written:
    """The part of a driver that writes."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def write(self, data: str) -> None:
        """Keeps it."""
        self.sent.append(data)


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (["x" * 257 + FIRST_CELL], [SYNC_START + "x" * 257 + HOME, SYNC_END]),
        (["x" + FIRST_CELL], ["x" + HOME]),
        (["x", "y" * 300], ["x", SYNC_START + "y" * 300, SYNC_END]),
        ([FIRST_CELL], []),
        (["\x1b[5;7H"], ["\x1b[5;7H"]),
        (["x\x1b[11;1H"], ["x\x1b[11;1H"]),
    ],
)
def test_only_frames_that_may_come_in_pieces_are_bracketed(
    frame: list[str], sent: list[str]
) -> None:
    driver = own_driver(cast("type[Driver]", Written))()  # type: ignore[call-arg]  # the part alone
    driver.write("before" + FIRST_CELL)
    for data in (SYNC_START, *frame, SYNC_END, SYNC_START, SYNC_END):
        driver.write(data)
    assert cast("Written", driver).sent == ["before" + HOME, *sent]
