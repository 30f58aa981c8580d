"""The error of settings that cannot be read or written."""

from __future__ import annotations


class SettingsError(Exception):
    """The settings file cannot be used.

    Attributes:
        message: what is wrong, with the place in the file.
        advice: what to do about it.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
