"""The error of a search in a log."""

from __future__ import annotations


class SearchError(ValueError):
    """The query is invalid, or takes too long.

    Attributes:
        message: what is wrong.
        advice: what the user can do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
