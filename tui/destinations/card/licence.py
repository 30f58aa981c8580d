"""The licence that a fine-tuned model inherits from its base, as the Hub's cards name it.

The only table of licences here. Written from common knowledge, not checked against each base
model's card on the Hub: treat it as a suggestion. A family or flavour that is not listed gets none:
no licence is better than a wrong one. Makers change theirs (Qwen-Image has Apache's, its 2.1 is for
research only), so flavours of families that grow are listed by name.
"""

from __future__ import annotations

_FLUX_DEV = {
    "license": "other",
    "license_name": "flux-1-dev-non-commercial-license",
    "license_link": "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
}
_STABILITY = {
    "license": "other",
    "license_name": "stabilityai-ai-community",
    "license_link": (
        "https://huggingface.co/stabilityai/stable-diffusion-3.5-large/blob/main/LICENSE.md"
    ),
}
_APACHE = {"license": "apache-2.0"}
_MIT = {"license": "mit"}
_OPENRAIL = {"license": "creativeml-openrail-m"}
_OPENRAIL_PP = {"license": "openrail++"}
_OTHER = {"license": "other"}
_BY_FAMILY: dict[str, dict[str, dict[str, str]]] = {
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


def licence_fields(family: str | None, flavour: str | None = None) -> dict[str, str]:
    """The card's licence fields; empty when nothing is known for sure."""
    known = _BY_FAMILY.get((family or "").strip().lower(), {})
    return dict(known.get((flavour or "").strip().lower()) or known.get("*") or {})


def licence_name(family: str | None, flavour: str | None = None) -> str:
    """The licence in one word; empty when nothing is known for sure."""
    fields = licence_fields(family, flavour)
    return fields.get("license_name") or fields.get("license", "")
