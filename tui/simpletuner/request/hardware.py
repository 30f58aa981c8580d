"""The hardware that SimpleTuner's models on Replicate run on, and its prices.

Replicate's API does not name the hardware of a public model, so it is derived from the model's
name. Prices change: each has its source and the day it was read, and the user's settings can
replace it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from tui.base.similar import did_you_mean

SOURCE = "https://replicate.com/pricing"
READ_ON = date(2026, 5, 12)
"""The day of the newest source that confirms these prices."""

DEFAULT_PROFILE = "l40s"
LEGACY_MODEL = "simpletuner/advanced-trainer"


@dataclass(frozen=True, slots=True)
class HardwareProfile:
    """Hardware that Replicate bills by the second.

    Attributes:
        id: short name, as in `advanced-trainer-<id>`.
        label: name for the screen.
        vram_gb: memory of one GPU in GB.
        gpus: number of GPUs.
        model: `owner/name` of the trainer on this hardware; None when no public one exists.
        sku: Replicate's name of the hardware.
        micros_per_second: price in micro-dollars per second.
        read_on: the day the price was read.
        source: where the price was read.
        best_for: one line of advice.
    """

    id: str
    label: str
    vram_gb: int
    gpus: int
    model: str | None
    sku: str
    micros_per_second: int
    read_on: date
    source: str
    best_for: str


_CARDS = (
    ("l40s", "L40S", 48, "gpu-l40s", 975, "LoRA of most families; the cheapest that fits Flux"),
    ("h100", "H100", 80, "gpu-h100", 1525, "large models, high rank, full fine-tuning"),
    ("a100", "A100", 80, "gpu-a100-large", 1400, "a trainer of your own that needs 80 GB"),
)
_SEVERAL = {2: "more samples per step", 4: "large datasets", 8: "full fine-tuning at scale"}


def _make_profiles() -> tuple[HardwareProfile, ...]:
    profiles = []
    for card, label, vram, sku, micros, best_for in _CARDS:
        for gpus in (1, 2, 4, 8):
            identity = card if gpus == 1 else f"{card}-x{gpus}"
            profiles.append(
                HardwareProfile(
                    id=identity,
                    label=label if gpus == 1 else f"{gpus}x {label}",
                    vram_gb=vram,
                    gpus=gpus,
                    # No public trainer runs on A100s; they are listed for a user's own trainers.
                    model=None if card == "a100" else f"{LEGACY_MODEL}-{identity}",
                    sku=sku if gpus == 1 else f"{sku}-{gpus}x",
                    micros_per_second=micros * gpus,
                    read_on=READ_ON,
                    source=SOURCE,
                    best_for=best_for if gpus == 1 else _SEVERAL[gpus],
                )
            )
    return tuple(profiles)


PROFILES: dict[str, HardwareProfile] = {profile.id: profile for profile in _make_profiles()}
"""All known hardware by id, the default first."""

TRAINERS: dict[str, str] = {
    profile.model: profile.label
    for profile in PROFILES.values()
    if profile.model and profile.gpus == 1
}
"""The public single-GPU trainers: label of the hardware by model."""


def normalise_profile(text: str) -> str:
    """The id of a hardware profile: `2xH100` and `advanced-trainer-h100-x2` give `h100-x2`.

    Raises:
        ValueError: the hardware is unknown; the text names the nearest, and lists the known ids.
    """
    name = text.strip().lower().replace("_", "-").replace(" ", "")
    name = name.removeprefix("simpletuner/").split(":")[0]
    if name == "advanced-trainer":
        return DEFAULT_PROFILE
    name = name.removeprefix("advanced-trainer-").removeprefix("gpu-").replace("a100-large", "a100")
    if match := re.fullmatch(r"(\d+)x-?([a-z0-9]+)", name):
        name = f"{match[2]}-x{match[1]}"
    elif match := re.fullmatch(r"([a-z0-9]+?)-?(?:x(\d+)|(\d+)x)", name):
        name = f"{match[1]}-x{match[2] or match[3]}"
    name = name.removesuffix("-x1")
    if name not in PROFILES:
        near = did_you_mean(name, PROFILES)
        near = f"{near[:1].lower()}{near[1:]} There" if near else "there"
        raise ValueError(f"no hardware called {text!r}; {near} are: {', '.join(PROFILES)}")
    return name


def profile_for_model(model: str) -> HardwareProfile | None:
    """The hardware of a public trainer (`owner/name`, also with `:version`); None for others."""
    name = model.strip().split(":")[0]
    if name == LEGACY_MODEL:
        return PROFILES[DEFAULT_PROFILE]
    return next((profile for profile in PROFILES.values() if profile.model == name), None)
