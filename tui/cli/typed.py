"""Reads what does not belong into an argument: typed without echo, or piped in."""

from __future__ import annotations

import sys

from tui.cli.failures import wrong_usage

_MOST = 10_000  # characters


def hidden_text(prompt: str) -> str:
    """One line typed without echo, or of standard input.

    Raises:
        ApiError: it is empty.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        import getpass

        text = getpass.getpass(prompt)
    else:
        text = "" if sys.stdin is None else sys.stdin.readline(_MOST)
    if not text.strip():
        raise wrong_usage("Nothing was given.", "Type it at the prompt, or pipe it in.")
    return text.strip()
