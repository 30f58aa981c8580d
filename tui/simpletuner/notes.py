"""A remark for the user, from reading a config or from building a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
