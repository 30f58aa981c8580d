"""What can go wrong with files on the user's disk, each with words to show and a way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class SimpleTunerError(Exception):
    """Base of this package's errors.

    Attributes:
        message: what happened, in words that need no knowledge of this program.
        advice: what the user can do next.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class ConfigError(SimpleTunerError):
    """A configuration file cannot be used at all.

    Attributes:
        path: the file or folder in question.
        line: line of a syntax error, counted from 1.
        column: its column, counted from 1.
    """

    def __init__(
        self,
        message: str,
        advice: str = "",
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, advice)
        self.path = path
        self.line = line
        self.column = column


class CancelledByUser(SimpleTunerError):  # noqa: N818  a request fulfilled, not a fault
    """The work was stopped because its `cancel` event was set; nothing half-made is left."""


class PackError(SimpleTunerError):
    """The archive could not be made; no partial archive is left on disk."""


class ArchiveTooLargeError(PackError):
    """The archive would exceed the limit.

    Attributes:
        size: bytes that the archive has or would have had at the least.
        limit: bytes allowed.
    """

    def __init__(self, message: str, advice: str, *, size: int, limit: int) -> None:
        super().__init__(message, advice)
        self.size = size
        self.limit = limit


Level = Literal["ok", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Note:
    """One remark.

    Attributes:
        level: `ok` for information, `warn` for a likely waste, `error` for what cannot work.
        message: what is the case.
        advice: what to do about it; may be empty.
    """

    level: Level
    message: str
    advice: str = ""
