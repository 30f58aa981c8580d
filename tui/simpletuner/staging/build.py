"""Builds the manifest of a config's local datasets from their scan.

What the trainer's loader cannot take is either mended (a conversion, a plain name) or refused with
field and reason. Nothing is left out unless the user asked for it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from tui.base.collection import paused
from tui.base.formatting import plural
from tui.simpletuner.config.training_config import DatasetSpec, TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.datasets.images import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.datasets.scan_folder import SourceFile
from tui.simpletuner.errors import CancelledByUser, Note, SimpleTunerError
from tui.simpletuner.staging.captions import (
    STRATEGIES,
    Captions,
    caption_lines,
    caption_of_name,
    is_whole,
    table_captions,
)
from tui.simpletuner.staging.convert import hashed, needed_transform
from tui.simpletuner.staging.digests import DigestCache
from tui.simpletuner.staging.first_frames import first_frames_note, takes_first_frames
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile, Transform
from tui.simpletuner.staging.names import split_suffix, staged_names

_KINDS: Final = ("image", "video", "audio", "conditioning", "eval")
_THREADS: Final = 4
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Built:
    """A manifest and what is to be said about it.

    Attributes:
        manifest: the datasets that can be staged.
        notes: refusals (level `error`) and what was mended.
        left_out: pictures without a caption that are not staged, because the user said so.
        passing: whether a file could not be read, which may be readable at the next call.
    """

    manifest: Manifest
    notes: tuple[Note, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    passing: bool = False


@paused()
def build_manifest(
    config: TrainingConfig,
    report: DataReport,
    *,
    cache: Path | None = None,
    leave_out_uncaptioned: bool = False,
    cancel: threading.Event | None = None,
) -> Built:
    """Build the manifest of all local datasets. Blocking: it reads every file that is new.

    Args:
        config: the config.
        report: its scan.
        cache: a file with digests of earlier calls; it is created as needed and safe to delete.
        leave_out_uncaptioned: leave out pictures that have no caption, instead of refusing.
        cancel: stops it soon when set.

    Raises:
        CancelledByUser: `cancel` was set.
    """
    known = DigestCache.load(cache)
    datasets: list[StagedDataset] = []
    notes: list[Note] = []
    left_out: list[str] = []
    passing = False
    for dataset in report.local:
        if dataset.problems or not dataset.files:
            continue  # the checks name the reason
        notes += refusals(dataset)
        if takes_first_frames(dataset.spec, config):
            notes.append(first_frames_note(dataset.spec))
        builder = _Builder(dataset, known, cancel or threading.Event(), leave_out_uncaptioned)
        try:
            staged = builder.build()
        except SimpleTunerError as error:
            if isinstance(error, CancelledByUser):
                raise
            passing = passing or error.__cause__ is not None or error.__suppress_context__
            notes.append(Note("error", error.message, error.advice))
            continue
        datasets.append(staged)
        notes += builder.notes
        left_out += builder.left_out
    notes += _pair_problems(config, datasets)
    known.save(cache)
    return Built(Manifest(tuple(datasets)), tuple(notes), tuple(left_out), passing)


def refusals(dataset: DatasetReport) -> list[Note]:
    """Return why a dataset's entry cannot be staged, each with the field and the reason."""
    spec, raw = dataset.spec, dataset.spec.raw
    where = f"dataset {spec.id}"
    found: list[Note] = []

    def refuse(message: str, advice: str) -> None:
        found.append(Note("error", f"{where}: {message}", advice))

    if spec.dataset_type not in _KINDS:
        refuse(
            f"dataset_type {spec.dataset_type} cannot be staged",
            f"Only {', '.join(_KINDS)} can; host this one yourself.",
        )
    if raw.get("conditioning"):
        refuse(
            "conditioning makes its pictures beside the originals, which only works on a disk",
            "Make the pictures here and add them as a dataset of dataset_type conditioning.",
        )
    grounding = raw.get("grounding")
    if isinstance(grounding, Mapping) and as_bool(grounding.get("auto_detect")):
        refuse("grounding.auto_detect needs local data", "Remove it, or host the data yourself.")
    suffixes = {split_suffix(file.name)[1].lower() for file in dataset.files}
    if suffixes & IMAGE_SUFFIXES and suffixes & VIDEO_SUFFIXES:
        refuse(
            "its folder mixes images and videos, which the trainer's loader cannot read together",
            "Put them into two folders with a dataset each.",
        )
    if spec.caption_strategy not in STRATEGIES:
        refuse(
            f"caption_strategy {spec.caption_strategy} is none of local data",
            f"Set it to one of: {', '.join(STRATEGIES)}.",
        )
    prompt = as_text(raw.get("instance_prompt"))
    if spec.caption_strategy == "instanceprompt" and not prompt:
        refuse("caption_strategy instanceprompt without an instance_prompt", "Add instance_prompt.")
    elif as_bool(raw.get("prepend_instance_prompt")) and not prompt:
        refuse("prepend_instance_prompt without an instance_prompt", "Add instance_prompt.")
    return found


class _Builder:
    """Builds one dataset."""

    def __init__(
        self, dataset: DatasetReport, known: DigestCache, cancel: threading.Event, leave_out: bool
    ) -> None:
        self._dataset = dataset
        self._spec = dataset.spec
        self._known = known
        self._cancel = cancel
        self._leave_out = leave_out
        self._files: list[SourceFile] = []
        self.notes: list[Note] = []
        self.left_out: list[str] = []

    def build(self) -> StagedDataset:
        """Read, hash and name the files.

        Raises:
            SimpleTunerError: a file cannot be read, or captions are missing.
            CancelledByUser: it was stopped.
        """
        self._files = sorted((*self._dataset.files, *self._dataset.odd_files))
        media = IMAGE_SUFFIXES | VIDEO_SUFFIXES | AUDIO_SUFFIXES
        files = [file for file in self._files if split_suffix(file.name)[1].lower() in media]
        captions = self._captions()
        texts = [captions(file.name) for file in files]
        if self._spec.caption_strategy != "instanceprompt":
            files, texts = self._with_captions(files, texts)
        facts = self._facts(files)
        names = staged_names([file.name for file in files], [fact[2] for fact in facts])
        rows = [
            StagedFile(name, file.path, *fact[:2], text, fact[2], file.size, file.mtime_ns)
            for name, file, fact, text in zip(names, files, facts, texts, strict=True)
        ]
        rows.sort(key=lambda row: (split_suffix(row.name)[0], row.name))
        self._say_what_was_mended(files, rows)
        return StagedDataset(self._spec.id, self._spec.raw, tuple(rows))

    def _captions(self) -> Captions:
        strategy, spec = self._spec.caption_strategy, self._spec
        if strategy == "textfile":
            texts = {file.name: file for file in self._files if file.name.endswith(".txt")}
            by_lower = {name[:-4]: file for name, file in texts.items()}
            whole = is_whole(spec)
            return lambda name: self._read_caption(by_lower.get(split_suffix(name)[0]), whole=whole)
        if strategy == "parquet":
            return table_captions(spec, self._table())
        if strategy == "filename":
            return caption_of_name
        return lambda _name: ()

    def _read_caption(self, file: SourceFile | None, *, whole: bool) -> tuple[str, ...]:
        if file is None:
            return ()
        self._check()
        text = self._known.text(file)
        if text is None:
            try:
                text = Path(file.path).read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise SimpleTunerError(
                    f"the caption {file.name} cannot be read: {error}", "Write it as UTF-8 text."
                ) from error
            self._known.keep_text(file, text)
        return caption_lines(text, whole=whole)

    def _table(self) -> Path:
        options = self._spec.raw.get("parquet")
        named = as_text(options.get("path")) if isinstance(options, Mapping) else None
        base = PurePosixPath(named or "").name
        match = [file for file in self._files if PurePosixPath(file.name).name == base]
        if not named or not match:
            raise SimpleTunerError(
                f"dataset {self._spec.id}: parquet.path: no table "
                f"{f'{base} lies in its folder' if named else 'is named'}",
                "Name a .parquet, .jsonl or .csv file that lies in the dataset's folder.",
            )
        return Path(match[0].path)

    def _with_captions(
        self, files: list[SourceFile], texts: list[tuple[str, ...]]
    ) -> tuple[list[SourceFile], list[tuple[str, ...]]]:
        missing = [file.name for file, text in zip(files, texts, strict=True) if not text]
        if not missing:
            return files, texts
        if not self._leave_out:
            raise SimpleTunerError(
                f"dataset {self._spec.id}: no caption for {_count(missing)}: {_named(missing)}; "
                "the trainer would drop them without a word",
                "Write the captions, or leave these pictures out (--leave-out-uncaptioned).",
            )
        if len(missing) == len(files):
            raise SimpleTunerError(
                f"dataset {self._spec.id}: no picture has a caption",
                "Write captions, or use caption_strategy instanceprompt.",
            )
        self.left_out += [f"{self._spec.id}/{name}" for name in missing]
        many = _count(missing, "picture without a caption is", "pictures without a caption are")
        message = f"dataset {self._spec.id}: {many} left out: {_named(missing)}"
        self.notes.append(Note("warn", message))
        pairs = [(file, text) for file, text in zip(files, texts, strict=True) if text]
        return [file for file, _ in pairs], [text for _, text in pairs]

    def _facts(self, files: Sequence[SourceFile]) -> list[tuple[str, int, Transform]]:
        """SHA-256, size and transform of each file; only new files are read."""
        facts = [self._known.facts(file) for file in files]
        fresh = [file for file, fact in zip(files, facts, strict=True) if fact is None]
        if not fresh:
            return [fact for fact in facts if fact is not None]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="hash") as pool:
            read = dict(zip(fresh, pool.map(self._read, fresh), strict=True))
        for file, fact in read.items():
            self._known.keep_facts(file, fact)
        return [fact or read[file] for file, fact in zip(files, facts, strict=True)]

    def _read(self, file: SourceFile) -> tuple[str, int, Transform]:
        self._check()
        try:
            transform = needed_transform(file.path, split_suffix(file.name)[1].lower())
            return (*hashed(file.path, transform), transform)
        except OSError as error:
            raise SimpleTunerError(
                f"{file.name} cannot be read: {error.strerror or error}", "Look at its rights."
            ) from error

    def _check(self) -> None:
        if self._cancel.is_set():
            raise CancelledByUser("the staging was stopped")

    def _say_what_was_mended(self, files: Sequence[SourceFile], rows: Sequence[StagedFile]) -> None:
        turned = [row.name for row in rows if row.transform == "rgb"]
        if turned:
            message = f"dataset {self._spec.id}: {_count(turned)} in CMYK or a like mode, sent as "
            self.notes.append(Note("ok", f"{message}RGB: {_named(turned)}"))
        local = {file.name for file in files}
        stems = {split_suffix(name)[0] for name in local}
        renamed = [row.name for row in rows if split_suffix(row.name)[0] not in stems]
        if renamed:
            many = _count(renamed, "picture gets", "pictures get")
            message = f"dataset {self._spec.id}: {many} a plain name there: {_named(renamed)}"
            self.notes.append(Note("ok", message))


def _pair_problems(config: TrainingConfig, staged: Sequence[StagedDataset]) -> list[Note]:
    """Refuse linked datasets whose rows would not match: pairs are found by the row's number."""
    by_id = {dataset.id: dataset for dataset in staged}
    found: list[Note] = []
    specs = {spec.id: spec for spec in config.training_datasets}
    for spec in specs.values():
        for key in ("conditioning_data", "source_dataset_id"):
            for other in _ids(spec, key):
                if other not in specs or specs[other].disabled:
                    continue
                found += _pair_problem(spec, specs[other], key, by_id)
    return found


def _pair_problem(
    spec: DatasetSpec, other: DatasetSpec, key: str, staged: Mapping[str, StagedDataset]
) -> list[Note]:
    one, two = staged.get(spec.id), staged.get(other.id)
    if one is None and two is None:
        return []
    if one is None or two is None:
        if {spec.kind, other.kind} == {"local"}:
            return []  # the missing one has a refusal of its own
        message = f"dataset {spec.id}: {key} links it with {other.id}, and one of them is hosted"
        return [Note("error", message, "Pairs must lie in one place: host both, or neither.")]
    stems = [[split_suffix(file.name)[0] for file in data.files] for data in (one, two)]
    if stems[0] == stems[1]:
        return []
    odd = sorted(set(stems[0]) ^ set(stems[1]))
    message = (
        f"dataset {spec.id}: {key} pairs it with {other.id}, but {_count(odd, 'name')} "
        f"{'is' if len(odd) == 1 else 'are'} only in one of them: {_named(odd)}"
    )
    return [Note("error", message, "Give each picture a partner of the same name.")]


def _ids(spec: DatasetSpec, key: str) -> list[str]:
    value = spec.raw.get(key)
    items = value if isinstance(value, list) else [value]
    return [text for item in items if (text := as_text(item))]


def _count(items: Sequence[str], one: str = "picture", many: str = "") -> str:
    return plural(len(items), one, many)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
