"""Whether an engine answers, and what is said of one that does not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.app.stand_in_engine import StandInEngine
from tui.client.engine_process import attach_blocking
from tui.client.errors import EngineSilentError
from tui.client.presence import ABSENT, ANSWERS, SILENT, presence
from tui.settings import Home, Settings
from tui.store.writer import StoreWriter


@pytest.fixture
def stuck(home: Home) -> Iterator[socket.socket]:
    """A process that takes connections and says nothing."""
    home.create()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.socket))
        listener.listen(1)
        yield listener


def test_an_engine_that_answers_and_one_that_is_not_there(home: Home, tmp_path: Path) -> None:
    assert presence(str(tmp_path / "none")) == (ABSENT, 0)
    engine = StandInEngine(home.socket)
    try:
        assert presence(str(home.socket)) == (ANSWERS, os.getpid())
    finally:
        engine.close()
    assert presence(str(home.socket)) == (ABSENT, 0)


def test_a_silent_engine_is_told_from_one_that_is_not_there(
    home: Home, stuck: socket.socket
) -> None:
    assert presence(str(home.socket), 0.05) == (SILENT, os.getpid())
    with pytest.raises(EngineSilentError, match=f"process {os.getpid()}. does not answer"):
        attach_blocking(home, Settings(), {})  # and no second one is started beside it
    assert not home.engine_log.exists()
    callers = []
    with suppress(BlockingIOError):  # calls stay in its queue until that is full
        while True:
            callers.append(caller := socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            caller.connect(str(home.socket))
    writer = StoreWriter(home)
    try:
        assert presence(str(home.socket), 0.05) == (SILENT, os.getpid())
    finally:
        writer.close()
        for caller in callers:
            caller.close()
    stuck.close()  # its queue is closed with it
    assert presence(str(home.socket), 0.05) == (ABSENT, 0)
