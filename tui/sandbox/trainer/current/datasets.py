"""Configuring the data backends: entries are checked, loaded, sorted into buckets and cached."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tui.sandbox.faults import FaultKind
from tui.sandbox.trainer.console import Console
from tui.sandbox.trainer.current import hub_data
from tui.sandbox.trainer.current.bucket_data import BucketData, writes_latents
from tui.sandbox.trainer.current.buckets import Buckets, Sizing, Split
from tui.sandbox.trainer.current.entries import (
    CACHE_TYPES,
    TRAINED_TYPES,
    Entry,
    backend_of,
    check_entries,
    kind_of,
    names_of,
    setting,
)
from tui.sandbox.trainer.current.rows import Row
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_text

BACKENDS_LABEL: Final = "Configuring data backends"
_HOSTED_SAMPLES: Final = 210
"""Simulated number of samples of a dataset that is not fetched (csv, webshart)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One dataset that is ready for training.

    Attributes:
        entry: its entry, as the trainer uses it.
        rows: its samples.
        buckets: names of samples by aspect ratio.
        batches: micro-batches per epoch on one GPU; 0 for what is not trained on.
    """

    entry: Entry
    rows: tuple[Row, ...]
    buckets: Buckets
    batches: int


@dataclass(frozen=True, slots=True)
class TrainingData:
    """All datasets of a run.

    Attributes:
        datasets: the datasets that hold samples.
        names: ids of all backends, caches included.
    """

    datasets: tuple[Loaded, ...]
    names: tuple[str, ...]

    @property
    def batches(self) -> int:
        """Micro-batches per epoch on one GPU."""
        return sum(item.batches for item in self.datasets)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Pictures that are kept as files."""
        return tuple(
            row.path for item in self.datasets for row in item.rows if row.path is not None
        )


def configure(
    run: RunContext, console: Console, entries: Sequence[Entry], options: Mapping[str, Any]
) -> TrainingData:
    """Configure the data backends of a run.

    Args:
        run: the run.
        console: its log.
        entries: the dataloader, disabled entries included.
        options: the parsed options.

    Raises:
        ProgramError: with the trainer's message.
    """
    console.stage(BACKENDS_LABEL, f"{BACKENDS_LABEL}... (this may take a while!)")
    active = tuple(
        entry
        for entry in entries
        if not (as_bool(entry.get("disabled")) or as_bool(entry.get("disable")))
    )
    try:
        check_entries(active, options)
        loaded = tuple(
            _load(run, console, entry, active, options)
            for entry in active
            if kind_of(entry) not in CACHE_TYPES
        )
    except ProgramError as error:
        console.stage(BACKENDS_LABEL, f"Failed to load data backends: {error}", state="failed")
        raise
    names = [str(entry.get("id")) for entry in active]
    if not any(item.batches for item in loaded):
        captions = [str(e.get("id")) for e in active if kind_of(e) == "caption"]
        if captions:
            raise ProgramError(
                f"Caption dataset {captions[0]} cannot be used without a distiller that uses it"
            )
        raise ProgramError("No datasets are active at the start of training")
    if not any(kind_of(entry) == "text_embeds" for entry in active):
        console.debug("No text_embeds entry is given; generating default text embed backend")
        names.append("text-embeds")
    console.notice(f"Collected the following data backends: {names}")
    console.stage(BACKENDS_LABEL, "Completed configuring data backends.", state="completed")
    return TrainingData(loaded, tuple(names))


def _load(
    run: RunContext,
    console: Console,
    entry: Entry,
    entries: tuple[Entry, ...],
    options: Mapping[str, Any],
) -> Loaded:
    name = str(entry.get("id"))
    # The real log shows the whole entry, its keys included.
    console.debug(f"Configuring data backend: {name}: {dict(entry)}", logger="DataBackendFactory")
    backend = backend_of(entry)
    if kind_of(entry) in {"caption", "grounding"}:
        return Loaded(entry, (), {}, 0)
    if backend == "aws":
        return _from_bucket(run, console, entry, entries, options)
    if backend != "huggingface":
        rows = tuple(
            Row(f"{number}.jpg", 1024, 1024, ("",), None) for number in range(_HOSTED_SAMPLES)
        )
        return _sorted(console, entry, options, rows)
    found = hub_data.load(run, entry)
    for problem in found.problems:
        console.error(problem)
    loaded = _sorted(console, entry, options, found.rows)
    for row in loaded.rows:
        if row.is_cmyk:
            console.error("cannot write mode CMYK as PNG")
            raise ProgramError(
                f"Sample {row.name} was not correctly cached during the VAE Cache operations"
            )
    return _with_captions(run, console, loaded, options)


def _from_bucket(
    run: RunContext,
    console: Console,
    entry: Entry,
    entries: tuple[Entry, ...],
    options: Mapping[str, Any],
) -> Loaded:
    strategy = as_text(setting(entry, options, "caption_strategy")) or "filename"
    store = BucketData(run, entry, strategy, console.error)
    with store.closing():
        found = store.load()
        for problem in found.problems:
            console.error(problem)
        if not found.rows:
            return Loaded(found.entry, (), {}, 0)  # the trainer sees this when training begins
        loaded = _sorted(console, found.entry, options, found.rows, found.index)
        store.write_index(found.entry, loaded.buckets, list(loaded.rows))
        loaded = _with_captions(run, console, loaded, options)
        if writes_latents(entry, entries):
            folder = as_text(entry.get("cache_dir_vae")) or (
                f"{options['output_dir']}/cache/vae/{options.get('model_family')}/{entry['id']}"
            )
            store.write_latents(folder, list(loaded.rows))
        store.write_index(found.entry, loaded.buckets, list(loaded.rows))
    return loaded


def _sorted(
    console: Console,
    entry: Entry,
    options: Mapping[str, Any],
    rows: tuple[Row, ...],
    index: Mapping[str, list[str]] | None = None,
) -> Loaded:
    """Sort samples into buckets and refuse buckets that are too small."""
    console.count_up("Generating aspect bucket cache", max(1, len(rows)), 0.3)
    sizing, split = Sizing.read(entry, options), Split.read(entry, options)
    known = {name: bucket for bucket, names in (index or {}).items() for name in names}
    buckets: Buckets = {}
    for row in rows:
        bucket = known.get(row.name)
        if bucket is None:
            is_measured = kind_of(entry) not in {"video", "audio"}
            bucket = sizing.bucket(row.width, row.height) if is_measured else "1.0"
        if bucket is not None:
            buckets.setdefault(bucket, []).append(row.name)
    if sizing.smallest and not as_bool(options.get("disable_bucket_pruning")):
        for bucket in [
            b for b, names in buckets.items() if len(names) * (split.repeats + 1) < split.batch
        ]:
            console.debug(f"Removing bucket {bucket} due to insufficient samples")
            del buckets[bucket]
    if not buckets:
        raise ProgramError(f"(id={entry.get('id')}) Dataset produced no usable samples.")
    if warning := _too_small(entry, options, split, buckets):
        console.debug(warning)
    kept = {name for names in buckets.values() for name in names}
    return Loaded(
        entry,
        tuple(row for row in rows if row.name in kept),
        buckets,
        _batches(entry, split, buckets),
    )


def _too_small(entry: Entry, options: Mapping[str, Any], split: Split, buckets: Buckets) -> str:
    """Refuse small buckets of the datasets that are checked; returns a warning, or nothing.

    Raises:
        ProgramError: a bucket has too few samples.
    """
    name = str(entry.get("id"))
    if kind_of(entry) == "conditioning":
        counts = [len(names) for names in buckets.values()]
        if len(counts) == 1 and counts[0] < split.batch:
            raise ProgramError(
                f"(id={name}) The dataset has a single bucket with fewer than {split.batch} images"
            )
        return ""
    evaluated = names_of(options.get("eval_dataset_id"))
    # With an evaluation dataset, only that one is divided and checked.
    return "" if evaluated and name not in evaluated else split.check(name, buckets)


def _batches(entry: Entry, split: Split, buckets: Buckets) -> int:
    return split.batches(buckets) if kind_of(entry) in TRAINED_TYPES else 0


def _with_captions(
    run: RunContext, console: Console, loaded: Loaded, options: Mapping[str, Any]
) -> Loaded:
    """Read captions and fill the caches; samples without a caption leave their bucket."""
    entry, rows = loaded.entry, loaded.rows
    needs_captions = kind_of(entry) in TRAINED_TYPES
    captioned = tuple(row for row in rows if row.captions or not needs_captions)
    console.stage("Extracting captions", count=(0, len(rows)))
    console.count_up("Loading captions", max(1, len(rows)), 0.2)
    for row in rows:
        if needs_captions and not row.captions:
            console.error(
                f"Could not load caption for image {row.name}: Could not find caption for "
                f"{row.name} in HuggingFace dataset"
            )
    console.stage("Extracting captions", state="completed")
    label = "Loading text embedding cache"
    console.stage(label, "Configured text embedding cache")
    captions = sum(len(row.captions) for row in captioned)
    if captions:
        console.count_up("Processing prompts", captions, 0.4)
        console.count_up("Write embeds to disk", captions, 0.1)
    console.stage(label, state="completed")
    kept = _without_refused(run, console, captioned)
    console.stage("VAE Cache initialising", count=(0, len(kept)))
    for bucket, names in sorted(loaded.buckets.items()):
        console.count_up(f"Processing bucket {bucket}", max(1, len(names)), 0.6)
    console.stage("VAE Cache initialising", "VAE cache initialization complete", state="completed")
    left = {row.name for row in kept}
    buckets = {
        bucket: still
        for bucket, names in loaded.buckets.items()
        if (still := [name for name in names if name in left])
    }
    return Loaded(entry, kept, buckets, _batches(entry, Split.read(entry, options), buckets))


def _without_refused(run: RunContext, console: Console, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The samples that the content filter lets through; the container forces the filter on."""
    fault = run.fault(FaultKind.NSFW)
    if fault is None:
        return rows
    refused = min(len(rows), math.ceil(fault.number(len(rows))))
    for row in rows[:refused]:
        console.error(f"Rejected NSFW sample during VAE cache preprocessing: {row.name}")
    return rows[refused:]
