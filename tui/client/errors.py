"""What a call on the engine may fail with."""

from __future__ import annotations

from tui.base.errors import ApiError


class ControlError(ApiError):
    """The engine refused or failed."""


class EngineGoneError(ControlError):
    """No engine answers on the socket."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The engine does not answer ({reason}).",
            "It is started again with the next command; engine.log in the state folder may say "
            "why it stopped.",
            status=503,
            code="engine_gone",
        )


class EngineSilentError(ControlError):
    """An engine holds the socket and does not answer: it is stopped, stuck or very busy."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message, advice, status=503, code="engine_gone")


class StrangerError(ControlError):
    """Another user controls the socket, or answers on it; nothing has been sent."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(
            f"{what}, so nothing was sent to the engine.",
            advice,
            status=503,
            code="engine_stranger",
        )
