"""Generates the model card and the loss chart that are published on the Hub with a job's files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from tui.base.json_types import JsonObject
from tui.destinations.card.loss_chart import draw_loss
from tui.destinations.card.model_card import CARD, CardFacts, Sample, card_state, render_card
from tui.destinations.common.contract import Destination, LocalFile
from tui.destinations.hub.destination import HubDestination
from tui.engine.transfers.artifacts import weights_of
from tui.engine.transfers.attempt import Companions
from tui.replicate.known_secrets import KNOWN
from tui.settings import Home
from tui.simpletuner.datasets.trigger_words import configured_words
from tui.simpletuner.log.grammar import loaded_model
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.transfer_records import TransferRecord

_CARD_KEPT = "The model card there was written or edited by somebody; it is left alone."
_LOSS_CHART = "loss.png"
_LOG_START_BYTES = 4 * 1024 * 1024
"""Bytes at a log's start that are searched for the base model, named before the first step."""


class ModelCards:
    """Writes the generated files. Blocking; each call opens the store, as it runs in a thread."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def prepare(self, record: TransferRecord, destination: Destination) -> Companions:
        """Generate the model card and the loss chart of a transfer to the Hub.

        If the trainer's own card is among the job's files, it is published instead of ours. In both
        cases a card that a person wrote or edited is replaced only with `overwrite_card`.

        Raises:
            PublishError: the card at the destination cannot be read.
        """
        names = list(record.options.get("files", []))
        own_card = CARD in names
        wanted = own_card or record.options.get("card", True)
        if not wanted or not isinstance(destination, HubDestination):
            return Companions()
        remote_card = destination.read_text(CARD)
        if not card_state(remote_card).may_replace and not record.options.get("overwrite_card"):
            if own_card and remote_card == self._text_of(record):
                return Companions()
            return Companions(notes=[_CARD_KEPT], leave=frozenset({CARD}))
        return Companions() if own_card else self._generate(record, names)

    def _text_of(self, record: TransferRecord) -> str | None:
        """The text of the card among a transfer's own files; None if there is none."""
        reader = StoreReader(self._home.database)
        try:
            items = reader.transfer_items(record.transfer_id)
        finally:
            reader.close()
        source = next((item.source for item in items if item.name == CARD), "")
        try:
            return Path(source).read_text(encoding="utf-8") if source else None
        except (OSError, UnicodeDecodeError):
            return None

    def _generate(self, record: TransferRecord, names: list[str]) -> Companions:
        reader = StoreReader(self._home.database)
        try:
            job = reader.job(record.job_id)
            if job is None:
                return Companions(notes=["The job's record is gone, so there is no model card."])
            steps, losses = reader.metrics(record.job_id, "loss")
            sources = {item.name: item.source for item in reader.transfer_items(record.transfer_id)}
        finally:
            reader.close()
        folder = self._folder(record.transfer_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        picture = draw_loss(list(zip(steps, losses, strict=True)))
        files = []
        if picture is not None and _LOSS_CHART not in names:
            files.append(_write(folder, _LOSS_CHART, picture))
        private = bool(record.options.get("place", {}).get("private", True))
        picture_name = _LOSS_CHART if files else None
        loaded = loaded_model(_log_start(self._home.log_file(job.job_id)))
        facts = facts_of(
            job, names, sources, loss_picture=picture_name, private=private, loaded=loaded
        )
        return Companions(
            [*files, _write(folder, CARD, KNOWN.redact_data(render_card(facts)).encode())]
        )

    def forget(self, transfer_id: str) -> None:
        """Delete a transfer's generated files; they are generated again when needed."""
        shutil.rmtree(self._folder(transfer_id), ignore_errors=True)

    def forget_all_but(self, transfer_ids: Collection[str]) -> None:
        """Delete generated files of all other transfers, left behind by an engine that crashed."""
        folder = self._home.root / "cards"
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in transfer_ids:
                shutil.rmtree(path, ignore_errors=True)

    def _folder(self, transfer_id: str) -> Path:
        return self._home.root / "cards" / transfer_id


def _log_start(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_LOG_START_BYTES)
    except OSError:
        return b""


def _write(folder: Path, name: str, data: bytes) -> LocalFile:
    path = folder / name
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)
    return LocalFile(path, name)


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
    """The facts for a model card. Blocking: it reads the header of the weights.

    Args:
        job: the job.
        names: names of the published files in the repository.
        sources: local path of each file, by name.
        loss_picture: name of the loss chart; None if there is none.
        private: whether the repository is private.
        loaded: the base model that the trainer's log reports as loaded.
    """
    weights = next(
        (n for n in sorted(names, key=lambda n: (n.count("/"), n)) if n.endswith(".safetensors")),
        None,
    )
    weights_info = weights_of(str(sources[weights])) if weights else {"kind": None, "rank": None}
    settings = job.config | _overrides(job)
    base_models = _text(settings.get("pretrained_model_name_or_path")), loaded or ""
    images = job.submit.get("images")
    return CardFacts(
        title=job.name,
        kind=_kind(job, weights_info["kind"]),
        base_model=next((model for model in base_models if _is_repository(model)), None),
        family=job.model_family or None,
        flavour=job.model_flavour or None,
        weights=weights,
        rank=weights_info["rank"],
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
    """Whether a model name is a repository on the Hub, and not a path on the trainer's machine."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name


def _overrides(job: JobRecord) -> JsonObject:
    """The draft's overrides of the config."""
    draft = job.submit.get("draft")
    overrides = draft.get("overrides") if isinstance(draft, dict) else None
    return (
        {k: v for k, v in overrides.items() if v is not None} if isinstance(overrides, dict) else {}
    )


def _kind(job: JobRecord, weights_kind: Any) -> Literal["lora", "lycoris", "full"]:
    if weights_kind in _KINDS:
        return _KINDS[weights_kind]
    if "lora" not in job.model_type:
        return "full"
    return "lycoris" if job.lora_type == "lycoris" else "lora"


def _trigger_words(job: JobRecord, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The instance prompts of the datasets, else the words that all captions begin with."""
    stored = job.submit.get("trigger_words")
    words = [_text(word) for word in stored] if isinstance(stored, list) else []
    return configured_words(job.dataloader, settings) or tuple(word for word in words if word)


def _samples(names: Sequence[str], prompt: str) -> tuple[Sample, ...]:
    """The images among the published files, the latest first, with the validation prompt."""
    pictures = [name for name in names if name.lower().endswith(_PICTURES) and name != "loss.png"]
    pictures.sort(key=lambda name: ([int(n) for n in _NUMBER.findall(name)], name), reverse=True)
    return tuple(Sample(name, prompt or "-") for name in pictures[:_MOST_SAMPLES])


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def _count(value: Any) -> int | None:
    return int(value) if str(value).isascii() and str(value).isdigit() else None
