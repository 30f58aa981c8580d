"""What a job's record knows for a model card; nothing that nobody has measured or set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from tui.destinations.card.model_card import CardFacts, Sample
from tui.engine.transfers.artifacts import weights_of
from tui.simpletuner.datasets.trigger_words import configured_words
from tui.store.records import JobRecord

_KINDS: Final[dict[str, Literal["lora", "lycoris", "full"]]] = {
    "lora": "lora",
    "lycoris": "lycoris",
    "full": "full",
}
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")
_MOST_SAMPLES: Final = 8
_NUMBER: Final = re.compile(r"\d+")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


def facts_of(
    job: JobRecord,
    names: Sequence[str],
    sources: Mapping[str, str],
    *,
    loss_picture: str | None,
    private: bool,
    loaded: str | None = None,
) -> CardFacts:
    """The facts of a publication. Blocking: it reads the header of the weights.

    Args:
        job: whose result it is.
        names: the files that are published, as they are called in the repository.
        sources: where each of them is here.
        loss_picture: what the picture of the loss is called, where there is one.
        private: whether the repository is made for its owner only.
        loaded: the model that the trainer's log says it loaded.
    """
    weights = next(
        (n for n in sorted(names, key=lambda n: (n.count("/"), n)) if n.endswith(".safetensors")),
        None,
    )
    found = weights_of(Path(sources[weights])) if weights else {"kind": None, "rank": None}
    settings = job.config | _overrides(job)
    named = _text(settings.get("pretrained_model_name_or_path")), loaded or ""
    images = job.submit.get("images")
    return CardFacts(
        title=job.name,
        kind=_kind(job, found["kind"]),
        base_model=next((one for one in named if _is_repository(one)), None),
        family=job.model_family or None,
        flavour=job.model_flavour or None,
        weights=weights,
        rank=found["rank"],
        steps=job.step,
        epochs=job.epoch,
        batch=_count(settings.get("train_batch_size")),
        learning_rate=_text(settings.get("learning_rate")) or None,
        resolution=_text(settings.get("resolution")) or None,
        images=images if isinstance(images, int) and images > 0 else None,
        final_loss=job.loss,
        hardware=job.hardware or None,
        trigger_words=_trigger_words(job, settings),
        samples=_samples(names, _text(settings.get("validation_prompt"))),
        loss_picture=loss_picture,
        private=private,
        safe_for_work=settings.get("model_card_safe_for_work") in (True, "true", "True"),
        note=_text(settings.get("model_card_note")),
    )


def _is_repository(name: str) -> bool:
    """Whether it is a name on the Hub, and not a folder or a file of the trainer's machine."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name


def _overrides(job: JobRecord) -> dict[str, Any]:
    """What the form or the command line said instead of the config."""
    draft = job.submit.get("draft")
    said = draft.get("overrides") if isinstance(draft, dict) else None
    return {k: v for k, v in said.items() if v is not None} if isinstance(said, dict) else {}


def _kind(job: JobRecord, found: Any) -> Literal["lora", "lycoris", "full"]:
    if found in _KINDS:
        return _KINDS[found]
    if "lora" not in job.model_type:
        return "full"
    return "lycoris" if job.lora_type == "lycoris" else "lora"


def _trigger_words(job: JobRecord, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Instance prompts that the data were trained with, else what all captions begin with."""
    read = job.submit.get("trigger_words")
    words = [_text(word) for word in read] if isinstance(read, list) else []
    return configured_words(job.dataloader, settings) or tuple(word for word in words if word)


def _samples(names: Sequence[str], prompt: str) -> tuple[Sample, ...]:
    """The pictures among the published files, the latest first, with the prompt they show."""
    pictures = [name for name in names if name.lower().endswith(_PICTURES) and name != "loss.png"]
    pictures.sort(key=lambda name: ([int(n) for n in _NUMBER.findall(name)], name), reverse=True)
    return tuple(Sample(name, prompt or "-") for name in pictures[:_MOST_SAMPLES])


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def _count(value: Any) -> int | None:
    return int(value) if str(value).isascii() and str(value).isdigit() else None
