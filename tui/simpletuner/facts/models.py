"""The trainer's model families: their flavours and what they need, read from `models.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model family as the trainer accepts it.

    Attributes:
        name: value of `model_family`.
        label: name for the screen.
        kind: what it generates: image, video or audio.
        flavours: values of `model_flavour`.
        default_flavour: the trainer's choice when none is given; None when one is required.
        needs_conditioning: flavours that stop without a conditioning dataset.
        needs_s2v: flavours that stop without an audio dataset linked to a video dataset.
        forces_i2v: flavours that treat every video dataset as image-to-video.
        precision_refused: values of `base_model_precision` that end the job at start.
        alignment_px: the bucket alignment that the trainer enforces, in pixels; None for none.
        canvas_px: the most pixels of a training size; None for no limit.
        controlnet: whether `controlnet` is accepted.
        since: the release that introduced it; None when the earlier release has it already.
        earlier_default: the default flavour of the earlier release where it differs.
        newer_flavours: flavours that the earlier release does not list.
        base_models: the repository on the Hub that is downloaded for each flavour.
    """

    name: str
    label: str
    kind: str
    flavours: tuple[str, ...]
    default_flavour: str | None
    needs_conditioning: frozenset[str]
    needs_s2v: frozenset[str]
    forces_i2v: frozenset[str]
    precision_refused: frozenset[str]
    alignment_px: int | None
    canvas_px: int | None
    controlnet: bool
    since: str | None
    earlier_default: str | None
    newer_flavours: frozenset[str]
    base_models: Mapping[str, str]


@cache
def model_facts() -> Mapping[str, ModelFacts]:
    """All families by name."""
    raw = json.loads(files("tui.simpletuner.facts").joinpath("models.json").read_text("utf-8"))
    return {name: _read(name, entry) for name, entry in raw["families"].items()}


def model(name: str | None) -> ModelFacts | None:
    """The family called `name`; None when the trainer has none of that name."""
    return model_facts().get(name) if name else None


def _read(name: str, raw: Mapping[str, Any]) -> ModelFacts:
    needs = raw.get("needs", {})
    return ModelFacts(
        name=name,
        label=raw["label"],
        kind=raw["kind"],
        flavours=tuple(raw["flavours"]),
        default_flavour=raw["default_flavour"],
        needs_conditioning=frozenset(needs.get("conditioning_dataset", ())),
        needs_s2v=frozenset(needs.get("s2v_datasets", ())),
        forces_i2v=frozenset(needs.get("i2v_samples", ())),
        precision_refused=frozenset(raw.get("precision_refused", ())),
        alignment_px=raw.get("alignment_px"),
        canvas_px=raw.get("canvas_px"),
        controlnet=raw.get("controlnet", False),
        since=raw.get("since"),
        earlier_default=raw.get("earlier_default"),
        newer_flavours=frozenset(raw.get("newer_flavours", ())),
        base_models=raw.get("base_models", {}),
    )
