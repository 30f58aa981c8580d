"""Model families that SimpleTuner trains, with our estimates of their size and speed.

Names, flavours and defaults are facts of the trainer (`facts/models.json`); sizes, step times and
gated licences are in `families.json`. A family without a size gets a wider estimate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, TypedDict

from tui.simpletuner.facts.models import ModelFacts, model_facts


@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    Attributes:
        name: value of `model_family`.
        label: name for the screen.
        kind: what it generates: image, video or audio.
        flavours: values of `model_flavour`.
        default_flavour: the trainer's choice when none is given; None when one is required.
        billions: parameters of the trained part in billions (10^9), by flavour; `*` is the key for
            all other flavours. Empty when unknown.
        step_seconds: our estimate of the seconds of one LoRA step at 1024 px on one L40S.
        gated: flavours whose weights require an accepted licence on the Hub.
    """

    name: str
    label: str
    kind: str
    flavours: tuple[str, ...]
    default_flavour: str | None = None
    billions: dict[str, float] = field(default_factory=dict)
    step_seconds: float | None = None
    gated: frozenset[str] = frozenset()

    def size(self, flavour: str | None) -> float | None:
        """Parameters in billions (10^9); of the default flavour when none is given."""
        named = flavour or self.default_flavour or "*"
        return self.billions.get(named, self.billions.get("*"))


class _Known(TypedDict, total=False):
    """What `families.json` holds of a family; `gated` is true for all flavours."""

    label: str
    kind: str
    billions: dict[str, float] | float
    step_seconds: float
    gated: list[str] | Literal[True]


@cache
def families() -> dict[str, Family]:
    """All known families by name."""
    text = files("tui.simpletuner").joinpath("families.json").read_text(encoding="utf-8")
    sizes = json.loads(text)["families"]
    return {name: _read(facts, sizes.get(name, {})) for name, facts in model_facts().items()}


def family(name: str | None) -> Family | None:
    """The family called `name`; None when it is unknown."""
    return families().get(name.strip().lower()) if name else None


def is_gated(name: str | None, flavour: str | None) -> bool:
    """Whether the base model's weights are known to require an accepted licence."""
    known = family(name)
    if known is None or not known.gated:
        return False
    named = flavour or known.default_flavour or "*"
    return named in known.gated or "*" in known.gated


def title(name: str | None, flavour: str | None) -> str:
    """The model's family and flavour in one line: `flux dev`."""
    return " ".join(part for part in (name, flavour) if part) or "unknown model"


def _read(facts: ModelFacts, sizes: _Known) -> Family:
    size = sizes.get("billions")
    gated = sizes.get("gated", [])
    return Family(
        name=facts.name,
        label=sizes.get("label", facts.label),
        kind=sizes.get("kind", facts.kind),
        flavours=facts.flavours,
        default_flavour=facts.default_flavour,
        billions=size if isinstance(size, dict) else {"*": size} if size else {},
        step_seconds=sizes.get("step_seconds"),
        gated=frozenset(["*"] if gated is True else gated),
    )
