"""The engine's log file: rotated, private, and limited for each kind of message.

Strangers can cause messages, by requests to the listener for example. Who repeats a fault 10 000
times must not fill the disk, and must not push the other messages out of the file: of each kind the
first ones are written, then a line at 100, 1 000, 10 000, … of them.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from tui.base.formatting import visible_lines
from tui.replicate.redact import redact_text

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_OURS: Final = "tui."
_MOST_BYTES: Final = 2 * 1024 * 1024
_FILES_KEPT: Final = 2
_FIRST: Final = 10
"""Messages of a kind that are written in full, in each period."""
_PERIOD_SECONDS: Final = 3600.0
_MOST_KINDS: Final = 500
_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9]+|'[^']*'")
"""What differs between messages of one kind that were put together by their caller."""
_KIND_LENGTH: Final = 120


def set_up_log(path: Path) -> None:
    """Write the log of this process to a file, from INFO on.

    Raises:
        OSError: the file cannot be written.
    """
    if logging.getLogger().handlers:  # set up by whoever runs the engine inside another program
        return
    handler = EngineLogHandler(path)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


@dataclass(slots=True)
class _Kind:
    """Messages of one kind in the current period."""

    since: float
    record: logging.LogRecord
    count: int = 0
    reported: int = 0


class EngineLogHandler(RotatingFileHandler):
    """Writes log records to a rotated file of mode 0600; limits each kind.

    Libraries are heard from WARNING on: below it, clients of HTTP write down every address.

    Args:
        path: the file.
        most_bytes: size at which it is renamed to `….1`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        most_bytes: int = _MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._kinds: OrderedDict[tuple[object, ...], _Kind] = OrderedDict()
        super().__init__(path, maxBytes=most_bytes, backupCount=_FILES_KEPT, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors="backslashreplace")

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record may be written; a library's name is not known beforehand."""
        ours = f"{record.name}.".startswith(_OURS)
        return (ours or record.levelno >= logging.WARNING) and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it when its kind has had its lines."""
        now = self._clock()
        name = _kind_of(record)
        kind = self._kinds.pop(name, None)
        if kind is None or now - kind.since > _PERIOD_SECONDS:
            if kind is not None:
                self._write_count(kind)
            kind = _Kind(now, record)
        self._kinds[name] = kind
        if len(self._kinds) > _MOST_KINDS:
            self._write_count(self._kinds.popitem(last=False)[1])
        kind.count += 1
        if kind.count <= _FIRST:
            kind.reported = kind.count
            super().emit(record)
        elif _is_power_of_ten(kind.count):
            self._write_count(kind)

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; secrets in its message, arguments and traceback are masked.

        What a terminal would obey is made visible: `cat engine.log` is read there.
        """
        return visible_lines(redact_text(super().format(record)))

    def close(self) -> None:
        """Write how many messages of each kind were left out, then close the file."""
        for kind in self._kinds.values():
            self._write_count(kind)
        self._kinds.clear()
        super().close()

    def _write_count(self, kind: _Kind) -> None:
        """Write how many messages of a kind were left out since its first ones."""
        if kind.count == kind.reported:
            return
        kind.reported = kind.count
        more = f"{kind.count - _FIRST:,}".replace(",", " ")
        record = kind.record
        super().emit(
            logging.LogRecord(
                record.name, record.levelno, record.pathname, record.lineno,
                f"… and {more} more like: {_kind_text(record)}", None, None,
            )
        )  # fmt: skip


def _kind_of(record: logging.LogRecord) -> tuple[object, ...]:
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.levelno, _kind_text(record), error


def _kind_text(record: logging.LogRecord) -> str:
    text = str(record.msg)
    if text.strip() == "%s":  # the arguments alone say what kind it is
        text = record.getMessage()
    return _VARYING.sub("#", text[: 4 * _KIND_LENGTH])[:_KIND_LENGTH]


def _is_power_of_ten(count: int) -> bool:
    return count > _FIRST and set(str(count)[1:]) == {"0"} and str(count)[0] == "1"
