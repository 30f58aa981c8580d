"""Failures as text, as JSON in the shape of the HTTP API, and as an exit status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.base.errors import ApiError
from tui.cli import exit_codes
from tui.cli.output import say_json, tell

_LAST_ADVICE: Final = "`simpletuner-tui doctor` looks at everything that the program depends on."
"""For scripts, where an error has no advice of its own."""
_USAGE_ADVICE: Final = "`simpletuner-tui COMMAND --help` tells how it is written."
"""The same where the command line itself was wrong: no look at the network mends that."""
_USAGE_CODE: Final = "validation"


def wrong_usage(message: str, advice: str = "") -> ApiError:
    """The error of a command line that cannot be carried out."""
    return ApiError(message, advice, status=400, code=_USAGE_CODE)


def not_agreed(message: str, advice: str) -> ApiError:
    """The error of a command that asks first, and got no yes."""
    return ApiError(message, advice, status=409, code="consent_required")


def explain(error: Exception, *, as_json: bool) -> int:
    """Print a failure; returns the exit status.

    An unexpected error is a bug: its traceback goes to a file, never to the screen.
    """
    message = getattr(error, "message", None)
    advice = getattr(error, "advice", "")
    if isinstance(error, OSError):
        message = f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    elif not isinstance(message, str):
        message = f"Something went wrong inside simpletuner-tui ({type(error).__name__})."
        advice = _keep_traceback(error)
    code, status = _meaning(error)
    if as_json:
        say_json(failed({}, code, message, advice, getattr(error, "details", None) or {}))
    tell(f"simpletuner-tui: {message}")
    if advice:
        tell(f"  {advice}")
    return status


def failed(
    answer: Mapping[str, object],
    code: str,
    message: str,
    advice: str = "",
    details: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The answer of a command that ends with another status than 0, as JSON.

    Whatever went wrong, a script finds the reason in the same places, which are never empty.

    Args:
        answer: what the command answers anyway.
        code: a short name for scripts.
        message: what is the matter.
        advice: what can be done about it.
        details: machine-readable additions.
    """
    advice = advice or (_USAGE_ADVICE if code == _USAGE_CODE else _LAST_ADVICE)
    return {
        **answer,
        "error": code,
        "message": message,
        "advice": advice,
        "detail": f"{message} {advice}",
        "details": dict(details or {}),
    }


def _meaning(error: Exception) -> tuple[str, int]:
    """The code that the HTTP API has for an error, and the exit status."""
    code = getattr(error, "code", "")
    if isinstance(code, str) and code:
        return code, exit_codes.BY_CODE.get(code, exit_codes.FAILED)
    from tui.secrets.keyring import KeyringError
    from tui.settings import SettingsError
    from tui.simpletuner.errors import MissingConfigError, SimpleTunerError
    from tui.store.reader import UnknownJobError
    from tui.store.schema import StoreError

    known: tuple[tuple[type[Exception], str, int], ...] = (
        (UnknownJobError, "job_not_found", exit_codes.USAGE),
        (SettingsError, "validation", exit_codes.FAILED),  # of a file; the command line was fine
        (MissingConfigError, "config_not_found", exit_codes.USAGE),
        (SimpleTunerError, "invalid_config", exit_codes.FAILED),
        (KeyringError, "keyring", exit_codes.FAILED),
        (StoreError, "store", exit_codes.FAILED),
        (OSError, "file", exit_codes.FAILED),
    )
    meanings = (row[1:] for row in known if isinstance(error, row[0]))
    return next(meanings, ("internal", exit_codes.FAILED))


def _keep_traceback(error: Exception) -> str:
    """Write a traceback to a file; returns the sentence that names the file."""
    import tempfile
    import traceback
    from datetime import UTC, datetime

    from tui.base.formatting import visible_lines
    from tui.replicate.redact import redact_text

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="simpletuner-tui-", suffix=".log", delete=False, encoding="utf-8",
            errors="backslashreplace",
        ) as file:  # fmt: skip
            file.write(f"{datetime.now(UTC).isoformat()}\n")
            report = redact_text("".join(traceback.format_exception(error)))
            file.write(visible_lines(report))
    except OSError:
        return "Its details could not be written down; is the disk full?"
    return f"{file.name} has the details; nothing that was recorded is lost."
