"""What the form's lists offer: hardware, data, delivery, configs, starters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tui.app.new_job.form import DATA, DELIVERY, Draft
from tui.base import formatting
from tui.settings import Settings

Choices = list[tuple[str, str, str]]
"""Name, words, and words in a quiet tone."""
OTHER: Final = "\0other"
STARTER: Final = "\0starter"


def choices_of(key: str, draft: Draft, settings: Settings) -> tuple[Choices, str]:
    """What can be chosen for a field, and what is chosen now."""
    if key == "hardware":
        return _hardware(settings), str(draft.get("hardware") or "")
    if key == "data":
        return [(name, words, "") for name, words in DATA.items()], str(draft.get("data") or "")
    current = str((draft.get("delivery") or {}).get("kind") or "")
    return [(name, words, "") for name, words in DELIVERY.items()], current


def _hardware(settings: Settings) -> Choices:
    from tui.simpletuner.request.hardware import PROFILES

    found: Choices = []
    for one in PROFILES.values():
        rate = formatting.rate(settings.rates_micros.get(one.id, one.micros_per_second))
        if one.model:
            found.append((one.id, f"{one.label:10} {one.vram_gb:>3} GB  {rate:>10}", one.best_for))
    return found


def config_choices(found: Sequence[dict[str, Any]]) -> Choices:
    """Configs that were found, any other path, or a starter."""
    choices = [(str(one["path"]), str(one["name"]), str(one["path"])) for one in found]
    return [
        *choices,
        (OTHER, "another path…", "type it"),
        (STARTER, "a starter…", "a new config for a common model family"),
    ]


def starter_choices() -> Choices:
    """Starters by family."""
    from tui.simpletuner.config.starters import STARTERS

    return [(one.id, one.title, f"{one.family} {one.flavour}") for one in STARTERS.values()]


def write_starter_config(starter: str, root: str, name: str, images: str) -> tuple[str, str]:
    """Write a starter below `root`; its path and an empty text, or what went wrong."""
    from tui.simpletuner.config.starters import write_starter
    from tui.simpletuner.errors import ConfigError

    try:
        folder = Path(images).expanduser() if images else None
        return str(write_starter(starter, Path(root), name, images=folder)), ""
    except ConfigError as error:
        return "", f"{error.message}. {error.advice}"
