"""The engine's log keeps what is rare, and does not grow with what is repeated."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.engine.process.engine_log import FORMAT, EngineLogHandler


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[logging.Logger]:
    handler = EngineLogHandler(tmp_path / "engine.log", most_bytes=200_000, clock=clock)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("tui.test")
    logger.addHandler(handler)
    yield logger
    handler.close()


def lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "engine.log").read_text(encoding="utf-8").splitlines()


def test_a_repeated_message_leaves_few_lines(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(10_000):
        log.warning("a request of %s failed", number)
        log.warning(f"connection {number} of 'stranger {number}' failed")
    log.warning("something else")
    written = lines(tmp_path)
    assert len(written) == 2 * (10 + 3) + 1
    assert written[-1].endswith("something else")
    assert written[-3].endswith("… and 9 990 more like: a request of %s failed")
    assert sum("… and 90 more" in line for line in written) == 2


def test_a_repeated_traceback_leaves_few_lines(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(1000):
        try:
            raise ValueError(number)
        except ValueError:
            log.exception("it failed")
    assert sum("Traceback" in line for line in lines(tmp_path)) == 10


def test_libraries_are_heard_from_warnings_on(log: logging.Logger, tmp_path: Path) -> None:
    for name in ("httpx", "httpx2", "a.library.of.tomorrow", "tuition"):
        other = logging.Logger(name)
        other.addHandler(log.handlers[0])
        other.info("HTTP Request: GET https://files.example.org/mine/of-alice")
        other.warning("the certificate of %s has ended", name)
    ours = logging.Logger("tui.engine")
    ours.addHandler(log.handlers[0])
    ours.info("engine ready")
    written = lines(tmp_path)
    assert [line for line in written if "alice" in line] == []
    assert sum("has ended" in line for line in written) == 4
    assert written[-1].endswith("engine ready")


def test_what_was_left_out_is_counted_when_the_hour_or_the_program_ends(
    log: logging.Logger, tmp_path: Path, clock: Clock
) -> None:
    for _ in range(25):
        log.info("again")
    clock.now = 3601.0
    log.info("again")
    assert [line.rpartition(": ")[2] for line in lines(tmp_path)[-2:]] == ["again", "again"]
    assert "… and 15 more" in lines(tmp_path)[-2]
    for _ in range(30):
        log.info("again")
    log.handlers[0].close()
    assert "… and 21 more" in lines(tmp_path)[-1]


def test_the_files_are_private_and_few(log: logging.Logger, tmp_path: Path) -> None:
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(10_000)]
    for word in words:  # as many kinds
        log.warning("%s", word)
        log.warning(word * 40)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert sum(path.stat().st_size for path in files) <= 3 * 200_000
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_lone_surrogate_is_written(log: logging.Logger, tmp_path: Path) -> None:
    log.warning("odd: %s", "\udcff")
    assert lines(tmp_path)[-1].endswith("odd: \\udcff")
