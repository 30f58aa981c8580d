"""Errors of this package, and `Note`, a remark of a check.

Each error has a `message` for the screen and an `advice` that says what the user can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class SimpleTunerError(Exception):
    """Base class of this package's errors.

    Attributes:
        message: what happened, for the screen.
        advice: what the user can do next; may be empty.
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


class MissingConfigError(ConfigError):
    """There is no configuration where one was looked for."""


class CancelledByUser(SimpleTunerError):  # noqa: N818  the user's wish, not an error
    """The work stopped because its `cancel` event was set; no partial file is left."""


class PackError(SimpleTunerError):
    """The archive cannot be written; no partial archive is left on disk."""


class ArchiveTooLargeError(PackError):
    """The archive exceeds the limit.

    Attributes:
        size: a lower bound of the archive's size in bytes.
        limit: the allowed size in bytes.
    """

    def __init__(self, message: str, advice: str, *, size: int, limit: int) -> None:
        super().__init__(message, advice)
        self.size = size
        self.limit = limit


Level = Literal["ok", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Note:
    """A remark about a config, a dataset or a request.

    Attributes:
        level: `ok` for information, `warn` for a probable waste of the run, `error` for what cannot
            work.
        message: the finding, for the screen.
        advice: what the user can do; may be empty.
    """

    level: Level
    message: str
    advice: str = ""
