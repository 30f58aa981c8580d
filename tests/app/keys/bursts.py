"""Keys that reach the app all at once."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import App
from textual.keys import _character_to_key


def burst(app: App[Any], *keys: str) -> None:
    """Types keys as one piece, without a turn of the event loop between them."""
    for name in keys:
        key = _character_to_key(name) if len(name) == 1 else name
        app.post_message(events.Key(key, name if len(name) == 1 else None))
