"""Renders the model card (README.md) of a published result.

The card ends with a hidden line that contains its hash. A card with a matching hash is unchanged
and may be replaced; any other was written or edited by a person and is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tui.api.check_report import LicenceFields

CARD = "README.md"
"""The card's file name in a repository."""
_MARK = re.compile(r"\n<!-- written by simpletuner-tui; sha256 ([0-9a-f]{64}) -->\n\Z")
_ADULT_TAG = "not-for-all-audiences"
_PRIVATE = "asked to be private: seen by the owner's account or organisation alone"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample image of the model.

    Attributes:
        path: its path in the repository.
        prompt: the prompt that it was generated with.
    """

    path: str
    prompt: str


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The facts of a result; None or empty when unknown.

    Attributes:
        base_model: repository of the base model on the Hub.
        weights: name of the main file in the repository.
        trigger_words: words that a prompt must contain.
        loss_picture: path of the loss chart in the repository.
        private: whether a private repository was requested. An existing one keeps its visibility,
            so the card states the request.
        safe_for_work: False marks the repository as not for all audiences.
        note: the user's own text, in Markdown.
    """

    title: str
    kind: Literal["lora", "lycoris", "full"]
    base_model: str | None = None
    family: str | None = None
    flavour: str | None = None
    weights: str | None = None
    rank: int | None = None
    steps: int | None = None
    epochs: int | None = None
    batch: int | None = None
    learning_rate: str | None = None
    resolution: str | None = None
    images: int | None = None
    final_loss: float | None = None
    hardware: str | None = None
    trigger_words: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    loss_picture: str | None = None
    licence: str | None = None
    private: bool = True
    safe_for_work: bool = False
    note: str = ""


class CardState(Enum):
    """The origin of the card at the destination."""

    MISSING = "missing"
    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"

    @property
    def may_replace(self) -> bool:
        """Whether it may be replaced without asking."""
        return self in {CardState.MISSING, CardState.OURS}


def card_state(text: str | None) -> CardState:
    """Tell whether a card is ours and unedited; line endings do not matter."""
    if text is None or not text.strip():
        return CardState.MISSING
    text = text.replace("\r\n", "\n")
    match = _MARK.search(text.rstrip() + "\n")
    if match is None:
        return (
            CardState.EDITED
            if "written by simpletuner-tui; sha256" in text
            else (CardState.FOREIGN)
        )
    body = text.rstrip() + "\n"
    same = _hash(body[: match.start()]) == match[1]
    return CardState.OURS if same else CardState.EDITED


def render_card(facts: CardFacts) -> str:
    """Render the card: metadata, text, and the line with the hash."""
    parts = [_metadata(facts), f"# {_plain(facts.title)}", _opening(facts)]
    if facts.trigger_words:
        words = ", ".join(f"`{_code(word)}`" for word in facts.trigger_words)
        parts += ["## Trigger words", f"Use {words} in the prompt."]
    if facts.samples:
        parts += ["## Samples", _gallery(facts.samples)]
    parts += ["## Training", _table(facts)]
    if facts.loss_picture:
        parts.append(f"![Loss by step]({_address(facts.loss_picture)})")
    if facts.note.strip():
        parts += ["## Notes", _lines(facts.note)]
    if _licence(facts):
        parts += ["## Licence", "It follows the licence of the base model; see the metadata above."]
    # A lone surrogate can be in a Python string, but not in a UTF-8 file.
    text = "\n\n".join(parts).replace("\r\n", "\n") + "\n"  # `card_state` hashes it like this
    body = text.encode("utf-8", "replace").decode()
    return f"{body}\n<!-- written by simpletuner-tui; sha256 {_hash(body)} -->\n"


def _licence(facts: CardFacts) -> LicenceFields:
    if facts.licence:
        return {"license": facts.licence}
    return licence_fields(facts.family, facts.flavour)


def _metadata(facts: CardFacts) -> str:
    tags = ["text-to-image", "diffusers", "simpletuner"]
    if facts.kind != "full":
        tags += ["lora", "template:sd-lora"] if facts.kind == "lora" else ["lycoris"]
    if facts.family:
        tags.append(facts.family)
    tags.append("safe-for-work" if facts.safe_for_work else _ADULT_TAG)
    lines = ["---", *(f"{name}: {_yaml(str(value))}" for name, value in _licence(facts).items())]
    lines += ["library_name: diffusers", "pipeline_tag: text-to-image"]
    if facts.base_model:
        lines.append(f"base_model: {_yaml(facts.base_model)}")
        if facts.kind != "full":
            lines.append("base_model_relation: adapter")
    if facts.trigger_words:
        lines.append(f"instance_prompt: {_yaml(', '.join(facts.trigger_words))}")
    lines += ["tags:", *(f"- {_yaml(tag)}" for tag in tags)]
    if facts.samples:
        lines.append("widget:")
        for sample in facts.samples:
            lines += [f"- text: {_yaml(sample.prompt)}", "  output:"]
            lines.append(f"    url: {_yaml(sample.path)}")
    return "\n".join([*lines, "---"])


def _opening(facts: CardFacts) -> str:
    what = {"lora": "a LoRA", "lycoris": "a LyCORIS adapter", "full": "a fine-tuned model"}
    text = f"This is {what[facts.kind]}"
    if facts.base_model:
        place = f"https://huggingface.co/{_address(facts.base_model)}"
        text += f" for [{_plain(facts.base_model)}]({place})"
    text += ", trained with [SimpleTuner](https://github.com/bghira/SimpleTuner)."
    if facts.weights:
        text += f" The weights are in `{_code(facts.weights)}`."
    return text


def _table(facts: CardFacts) -> str:
    rows = [
        ("Model family", " ".join(part for part in (facts.family, facts.flavour) if part)),
        ("Rank", facts.rank),
        ("Steps", f"{facts.steps:,}" if facts.steps is not None else None),
        ("Epochs", facts.epochs),
        ("Batch size", facts.batch),
        ("Learning rate", facts.learning_rate),
        ("Resolution", facts.resolution),
        ("Training images", f"{facts.images:,}" if facts.images is not None else None),
        ("Final loss", f"{facts.final_loss:.4g}" if facts.final_loss is not None else None),
        ("Hardware", facts.hardware),
        ("Visibility", _PRIVATE if facts.private else None),
    ]
    lines = ["| Setting | Value |", "| --- | --- |"]
    lines += [f"| {name} | {_plain(str(value))} |" for name, value in rows if value]
    return "\n".join(lines)


def _gallery(samples: Sequence[Sample]) -> str:
    lines = ["| Prompt | Picture |", "| --- | --- |"]
    lines += [
        f"| {_plain(sample.prompt)} | ![sample]({_address(sample.path)}) |" for sample in samples
    ]
    return "\n".join(lines)


def _yaml(text: str) -> str:
    """A text as one of YAML's double-quoted ones, in one line."""
    flat = _whole(" ".join(text.split())).replace("\\", "\\\\").replace('"', '\\"')
    shown = "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in flat)
    return f'"{shown}"'


def _plain(text: str) -> str:
    """Text that Markdown and HTML show as it is, in one line; no address in it becomes a link."""
    flat = _inert(text).replace("&", "&amp;").replace("<", "&lt;")
    flat = re.sub(r"([\\`*_\[\]|#!>~])", r"\\\1", flat)
    # GitHub's Markdown makes links of these words, of addresses of mail and of names behind `@`.
    flat = re.sub(r"(?i)\b(https?|ftp|mailto|xmpp)(:)", r"\1&#58;", flat)
    return re.sub(r"(?i)\b(www)(\.)", r"\1&#46;", flat).replace("@", "&#64;")


def _code(text: str) -> str:
    return _inert(text).replace("`", "'").replace("|", "¦")


def _inert(text: str) -> str:
    """Text in one line, without the characters that a reader does not see: they hide or reorder."""
    shown = "".join(char for char in text if char.isprintable() or char.isspace())
    return " ".join(_whole(shown).split())


def _lines(text: str) -> str:
    """The user's own Markdown, without what a reader does not see."""
    shown = "".join(char for char in text if char.isprintable() or char in "\n\t")
    return _whole(shown).strip()


def _whole(text: str) -> str:
    """Text without lone surrogates, which no UTF-8 file holds."""
    return text.encode("utf-8", "replace").decode()


def _address(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/", errors="replace")


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


_FLUX_DEV: LicenceFields = {
    "license": "other",
    "license_name": "flux-1-dev-non-commercial-license",
    "license_link": "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
}
_STABILITY: LicenceFields = {
    "license": "other",
    "license_name": "stabilityai-ai-community",
    "license_link": (
        "https://huggingface.co/stabilityai/stable-diffusion-3.5-large/blob/main/LICENSE.md"
    ),
}
_APACHE: LicenceFields = {"license": "apache-2.0"}
_MIT: LicenceFields = {"license": "mit"}
_OPENRAIL: LicenceFields = {"license": "creativeml-openrail-m"}
_OPENRAIL_PP: LicenceFields = {"license": "openrail++"}
_OTHER: LicenceFields = {"license": "other"}
_BY_FAMILY: dict[str, dict[str, LicenceFields]] = {
    "flux": {
        "": _FLUX_DEV,
        "dev": _FLUX_DEV,
        "krea": _FLUX_DEV,
        "kontext": _FLUX_DEV,
        "schnell": _APACHE,
        "libreflux": _APACHE,
    },
    "flux2": {"": _OTHER, "dev": _OTHER, "klein-9b": _OTHER, "klein-4b": _APACHE},
    "sdxl": {"": _OPENRAIL_PP, "base-1.0": _OPENRAIL_PP, "refiner-1.0": _OPENRAIL_PP},
    "sd1x": {"": _OPENRAIL, "1.5": _OPENRAIL, "1.4": _OPENRAIL},
    "sd3": {"*": _STABILITY},
    "qwen_image": {"": _APACHE, "v1.0": _APACHE, "edit-v1": _APACHE, "edit-v2": _APACHE},
    "z_image": {"": _APACHE, "base": _APACHE, "turbo": _APACHE},
    "chroma": {"*": _APACHE},
    "hidream": {"*": _MIT},
    "omnigen": {"*": _MIT},
    "lumina2": {"": _APACHE, "2.0": _APACHE},
    "wan": dict.fromkeys(
        (
            "", "t2v-480p-1.3b-2.1", "t2v-480p-14b-2.1", "i2v-14b-2.1", "i2v-14b-2.1-720p",
            "i2v-14b-2.2-high", "i2v-14b-2.2-low", "flf2v-14b-2.1", "vace-1.3b-2.1",
            "vace-14b-2.1", "ti2v-5b-2.2",
        ),
        _APACHE,
    ),
}  # fmt: skip


def licence_fields(family: str | None, flavour: str | None = None) -> LicenceFields:
    """The card's licence fields; empty when nothing is known for sure."""
    known = _BY_FAMILY.get((family or "").strip().lower(), {})
    return known.get((flavour or "").strip().lower()) or known.get("*") or {}


def licence_name(family: str | None, flavour: str | None = None) -> str:
    """The licence in one word; empty when nothing is known for sure."""
    fields = licence_fields(family, flavour)
    return fields.get("license_name") or fields.get("license", "")
