"""Model families that SimpleTuner trains, read from `families.json`.

The list grows with each release of SimpleTuner, so an unknown family is no error: it only gets less
advice and a wider estimate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    Attributes:
        name: value of `model_family`.
        label: name for the screen.
        kind: what it generates: image, video or audio.
        flavours: values of `model_flavour`, the default first.
        billions: parameters of the trained part in billions (10^9), by flavour; `*` is the key for
            all other flavours. Empty when unknown.
        step_seconds: our estimate of the seconds of one LoRA step at 1024 px on one L40S.
        gated: flavours whose weights require an accepted licence on the Hub.
    """

    name: str
    label: str
    kind: str
    flavours: tuple[str, ...]
    billions: dict[str, float] = field(default_factory=dict)
    step_seconds: float | None = None
    gated: frozenset[str] = frozenset()

    def size(self, flavour: str | None) -> float | None:
        """Parameters in billions (10^9); of the first flavour when none is given."""
        named = flavour or (self.flavours[0] if self.flavours else "*")
        return self.billions.get(named, self.billions.get("*"))


@cache
def families() -> dict[str, Family]:
    """All known families by name, images first."""
    text = files("tui.simpletuner").joinpath("families.json").read_text(encoding="utf-8")
    return {name: _read(name, raw) for name, raw in json.loads(text)["families"].items()}


def family(name: str | None) -> Family | None:
    """The family called `name`; None when it is unknown."""
    return families().get(name.strip().lower()) if name else None


def is_gated(name: str | None, flavour: str | None) -> bool:
    """Whether the base model's weights are known to require an accepted licence."""
    known = family(name)
    if known is None or not known.gated:
        return False
    named = flavour or (known.flavours[0] if known.flavours else "*")
    return named in known.gated or "*" in known.gated


def title(name: str | None, flavour: str | None) -> str:
    """The model's family and flavour in one line: `flux dev`."""
    return " ".join(part for part in (name, flavour) if part) or "unknown model"


def _read(name: str, raw: dict[str, Any]) -> Family:
    size = raw.get("billions")
    gated = raw.get("gated", [])
    return Family(
        name=name,
        label=raw["label"],
        kind=raw["kind"],
        flavours=tuple(raw["flavours"]),
        billions=size if isinstance(size, dict) else {"*": size} if size else {},
        step_seconds=raw.get("step_seconds"),
        gated=frozenset(["*"] if gated is True else gated),
    )
