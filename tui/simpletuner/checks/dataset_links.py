"""The trainer's rules for a dataloader file as a whole: ids, caches and links between datasets.

Source: SimpleTuner's helpers/data_backend/factory.py, release 4.10.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.checks.entries import CACHES, Entry, dataset_type, error, names_of, whole
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.facts.models import model

_FIRST_FRAME_FAMILIES: Final = frozenset({"wan", "kandinsky5_video", "hunyuanvideo"})
"""Families that take the first frames of a local image-to-video dataset as its conditioning."""


def link_checks(
    entries: list[Entry], config: TrainingConfig, *, staged: bool = False
) -> Iterator[CheckRow]:
    """Check the entries of a dataloader file against each other.

    Args:
        entries: those that are not disabled.
        config: the config with the job's overrides applied.
        staged: whether local datasets are hosted ones for the trainer.
    """
    for rule in _RULES:
        yield from rule(entries, config)
    yield from _conditioning(entries, config, staged=staged)


def _ids(entries: list[Entry], _config: TrainingConfig) -> Iterator[CheckRow]:
    caches = [entry for entry in entries if dataset_type(entry) == "text_embeds"]
    default = [entry for entry in caches if as_bool(entry.get("default"))]
    if len(default) > 1:
        message = f"{len(default)} text_embeds entries are marked default; the trainer wants one"
        yield error(message, "Leave default on one of them.")
    counts = Counter(as_text(entry.get("id")) for entry in entries)
    scanned = {spec.id for spec in _config.local_datasets}  # the scan names those
    for name, count in counts.items():
        if name and count > 1 and name not in scanned:
            message = f"{count} entries have the id {name}; the trainer stops at start"
            yield error(message, "Give each an id of its own, caches included.")
    ids = set(counts)
    for entry in entries:
        name = as_text(entry.get("id")) or "without an id"
        for key, kind in (("text_embeds", "text_embeds"), ("image_embeds", "image_embeds")):
            wanted = as_text(entry.get(key))
            found = any(e.get("id") == wanted and dataset_type(e) == kind for e in entries)
            if wanted and dataset_type(entry) not in CACHES and not found:
                message = f"dataset {name}: {key} names {wanted}, which is no entry of that kind"
                yield error(message, f"Add it, or remove {key}.")
    yield from _evaluation(_config, ids)


def _circles(entries: list[Entry], _config: TrainingConfig) -> Iterator[CheckRow]:
    links = {
        name: names_of(entry.get("conditioning_data"))
        for entry in entries
        if (name := as_text(entry.get("id")))
    }
    for start, named in links.items():
        seen: set[str] = set()
        ahead = list(named)
        while ahead:
            name = ahead.pop()
            if name == start:
                message = f"dataset {start}: conditioning_data leads back to it; the trainer stops"
                yield error(message, "Break the circle.", "conditioning")
                return
            if name not in seen:
                seen.add(name)
                ahead += links.get(name, [])


def _evaluation(config: TrainingConfig, ids: set[str | None]) -> Iterator[CheckRow]:
    wanted = as_text(config.values.get("eval_dataset_id"))
    if wanted and wanted not in ids:
        message = f"eval_dataset_id {wanted} is no dataset"
        yield "option", "error", message, "Correct it.", {"eval_dataset_id": None}


def _cache_folders(entries: list[Entry], _config: TrainingConfig) -> Iterator[CheckRow]:
    data = [entry for entry in entries if dataset_type(entry) not in CACHES]
    folders = Counter(
        _folder(entry.get("cache_dir_vae"), entry)
        for entry in data
        if as_text(entry.get("cache_dir_vae"))
    )
    for folder, count in folders.items():
        if count > 1:
            message = f"{count} datasets have the same cache_dir_vae, {folder}"
            yield error(f"{message}; the trainer stops", "Give each a folder of its own.")
    texts = {_folder(e.get("cache_dir"), e) for e in entries if dataset_type(e) == "text_embeds"}
    for folder in folders.keys() & texts:
        message = f"cache_dir_vae {folder} is the folder of the text cache too"
        yield error(f"{message}; the trainer stops", "Give each a folder of its own.")


def _start(entries: list[Entry], _config: TrainingConfig) -> Iterator[CheckRow]:
    data = [e for e in entries if dataset_type(e) in ("image", "video", "audio", "conditioning")]
    if data and not any(
        whole(e, "start_epoch", 1) <= 1 and whole(e, "start_step", 0) <= 1 for e in data
    ):
        message = "no dataset is there at the start of training; the trainer stops"
        yield error(message, "Set start_epoch to 1 and start_step to 0 for one of them.")


def _conditioning(
    entries: list[Entry], config: TrainingConfig, *, staged: bool
) -> Iterator[CheckRow]:
    known = model(config.family)
    flavour = config.flavour or (known.default_flavour if known else None)
    by_id = {as_text(entry.get("id")): entry for entry in entries}
    linked = False
    for entry in entries:
        if dataset_type(entry) not in ("image", "video", "audio"):
            continue
        named = names_of(entry.get("conditioning_data"))
        linked = linked or bool(named) or bool(entry.get("conditioning"))
        linked = linked or (not staged and _first_frames(entry, config))
        for other in named:
            target = by_id.get(other)
            if target is None or dataset_type(target) != "conditioning":
                problem = (
                    "which is no dataset of the file"
                    if target is None
                    else f"whose dataset_type is {dataset_type(target)}, not conditioning"
                )
                message = f"dataset {entry.get('id')}: conditioning_data names {other}, {problem}"
                advice = f'Set "dataset_type": "conditioning" in {other}.' if target else "Add it."
                yield error(f"{message}; the trainer does not find it", advice, "conditioning")
        alone = dataset_type(entry) == "image" and not named and not entry.get("conditioning")
        if alone and known and known.controlnet and as_bool(config.values.get("controlnet")):
            message = f"dataset {entry.get('id')}: ControlNet needs its conditioning images"
            advice = "Add conditioning_data, or a conditioning block."
            yield error(message, advice, "conditioning")
    if known and flavour in known.needs_conditioning and not linked:
        message = f"{known.label} {flavour} needs a conditioning dataset, and none is linked"
        advice = "Add one of dataset_type conditioning, and name it in conditioning_data."
        if flavour in known.forces_i2v and not staged:
            frames = '{"type": "i2v_first_frame", "conditioning_type": "reference_strict"}'
            advice = f'Add "conditioning": [{frames}] to the video dataset.'
        yield error(f"{message}; the trainer stops", advice, "conditioning")
    yield from _strict_sources(entries)
    if known and known.name == "qwen_image" and "edit" in (flavour or ""):
        yield from _qwen_edit(entries)


def _first_frames(entry: Entry, config: TrainingConfig) -> bool:
    """Whether the trainer takes the first frames of a video dataset as its conditioning."""
    block = entry.get("video")
    wanted = isinstance(block, Mapping) and as_bool(block.get("is_i2v"))
    local = (as_text(entry.get("type")) or "local") == "local"
    return wanted and local and config.family in _FIRST_FRAME_FAMILIES


def _strict_sources(entries: list[Entry]) -> Iterator[CheckRow]:
    named = {name for entry in entries for name in names_of(entry.get("conditioning_data"))}
    for entry in entries:
        if dataset_type(entry) != "conditioning" or as_text(entry.get("source_dataset_id")):
            continue
        kind = as_text(entry.get("conditioning_type"))
        if kind in ("reference_strict", "mask") and as_text(entry.get("id")) not in named:
            message = f"dataset {entry.get('id')}: conditioning_type {kind} without a source"
            advice = "Add source_dataset_id, or name it in a dataset's conditioning_data."
            yield error(f"{message}; the trainer stops", advice, "conditioning")


def _qwen_edit(entries: list[Entry]) -> Iterator[CheckRow]:
    references = ("reference_strict", "reference_loose")
    kinds = [
        (entry.get("id"), as_text(entry.get("conditioning_type")))
        for entry in entries
        if dataset_type(entry) == "conditioning"
    ]
    for name, kind in kinds:
        if kind and kind not in (*references, "mask", "segmentation"):
            message = f"dataset {name}: conditioning_type {kind} does not fit Qwen's edit models"
            yield error(message, "Use reference_strict or reference_loose.", "conditioning")
    if kinds and not any(kind in references for _, kind in kinds):
        message = "Qwen's edit models need a conditioning_type reference_strict or reference_loose"
        yield error(f"{message}; the trainer stops", "Set it.", "conditioning")


def _speech(entries: list[Entry], config: TrainingConfig) -> Iterator[CheckRow]:
    known = model(config.family)
    flavour = config.flavour or (known.default_flavour if known else None)
    audio = {as_text(e.get("id")) for e in entries if dataset_type(e) == "audio"}
    linked = False
    for entry in entries:
        if dataset_type(entry) != "video":
            continue
        block = entry.get("audio", {})
        # A family that needs the link splits the sound off each video unless that is switched off.
        split = isinstance(block, Mapping) and as_bool(block.get("auto_split"), default=True)
        named = names_of(entry.get("s2v_datasets"))
        linked = linked or split or bool(named)
        for other in named:
            if other not in audio:
                message = f"dataset {entry.get('id')}: s2v_datasets names {other}"
                advice = "Add an entry of dataset_type audio with that id."
                yield error(f"{message}, which is no audio dataset", advice, "conditioning")
    if known and flavour in known.needs_s2v and not linked:
        message = f"{known.label} needs an audio dataset linked to its videos"
        advice = "Add s2v_datasets to the video dataset, or audio.auto_split: true."
        yield error(f"{message}; the trainer stops", advice, "conditioning")


def _folder(value: Any, entry: Entry) -> str:
    text = (as_text(value) or "").rstrip("/")
    return text.replace("{id}", as_text(entry.get("id")) or "")


_RULES: Final[tuple[Callable[[list[Entry], TrainingConfig], Iterator[CheckRow]], ...]] = (
    *(_ids, _circles, _cache_folders, _start, _speech),
)
