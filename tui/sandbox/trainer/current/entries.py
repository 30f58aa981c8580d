"""The dataloader file: the entries that the trainer refuses before it looks at any data.

Source: SimpleTuner 4.10.1, `helpers/data_backend/factory.py`, `builders/`, `dataset_types.py` and
`helpers/prompts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tui.sandbox.worker import ProgramError
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text
from tui.simpletuner.facts.models import model

Entry = Mapping[str, Any]

CACHE_TYPES: Final = frozenset(
    {"text_embeds", "image_embeds", "conditioning_image_embeds", "distillation_cache"}
)
TRAINED_TYPES: Final = frozenset({"image", "video", "audio"})
"""Dataset types whose samples count as batches."""
_DATA_TYPES: Final = TRAINED_TYPES | {"conditioning", "eval", "caption", "grounding"}
_BACKENDS: Final = frozenset({"local", "aws", "csv", "huggingface", "webshart"})
_STRATEGIES: Final = frozenset(
    {"filename", "textfile", "parquet", "instanceprompt", "csv", "huggingface", "webshart"}
)
_AWS_KEYS: Final = (
    "aws_bucket_name",
    "aws_endpoint_url",
    "aws_access_key_id",
    "aws_secret_access_key",
)
_CSV_KEYS: Final = ("csv_file", "csv_cache_dir", "csv_caption_column", "csv_url_column")
_QWEN_CONDITIONING: Final = frozenset(
    {"reference_strict", "reference_loose", "mask", "segmentation"}
)
_CACHE_LINKS: Final = {
    "text_embeds": "Text embed backend {} not found",
    "image_embeds": "Could not find image embed backend ID {}",
}
_CROP_STYLES: Final = frozenset({"random", "corner", "center", "centre", "face"})
_CROP_ASPECTS: Final = frozenset({"square", "preserve", "random", "closest"})


def kind_of(entry: Entry) -> str:
    """The entry's `dataset_type`."""
    return as_text(entry.get("dataset_type")) or "image"


def backend_of(entry: Entry) -> str:
    """The entry's `type`."""
    return as_text(entry.get("type")) or "local"


def setting(entry: Entry, options: Mapping[str, Any], name: str) -> Any:
    """A setting of the entry, else the global option of that name."""
    value = entry.get(name)
    return options.get(name) if value is None else value


def check_entries(entries: Sequence[Entry], options: Mapping[str, Any]) -> None:
    """Refuse what the trainer refuses before it loads a dataset.

    Args:
        entries: the dataloader without its disabled entries.
        options: the parsed options.

    Raises:
        ProgramError: with the trainer's message.
    """
    for problem in _problems(entries, options):
        raise ProgramError(problem)


def _problems(entries: Sequence[Entry], options: Mapping[str, Any]) -> Iterator[str]:
    # Every local folder is missing in the container: nothing puts files there.
    missing = [
        str(entry["instance_data_dir"])
        for entry in entries
        if backend_of(entry) == "local" and entry.get("instance_data_dir")
    ]
    if missing:
        yield f"The following dataset directories do not exist: {', '.join(missing)}"
    if not entries:
        yield "Must provide at least one data backend"
    yield from _identity(entries)
    data = [entry for entry in entries if kind_of(entry) not in CACHE_TYPES]
    if not data:
        yield "Must provide at least one data backend that is not a cache"
    for entry in data:
        yield from _entry(entry, options)
    yield from _links(entries, data)
    yield from _caches(entries)
    yield from _family(entries, data, options)


def _identity(entries: Sequence[Entry]) -> Iterator[str]:
    names: list[str] = []
    for entry in entries:
        name = as_text(entry.get("id"))
        if name is None or name in names:
            yield f"Each dataset needs a unique 'id' field: {name or 'one has none'}"
        names.append(name or "")
        if (kind := kind_of(entry)) not in CACHE_TYPES | _DATA_TYPES:
            yield f"Unknown dataset_type: {kind} (id={name})"
        backend = backend_of(entry)
        if kind in CACHE_TYPES:
            if backend not in {"local", "aws", "memory"}:
                yield f"Unknown data backend type: {backend} (id={name})"
        elif backend == "memory":
            yield f"Memory backends only support caches (id={name})"
        elif backend not in _BACKENDS:
            yield f"Unknown data backend type: {backend} (id={name})"


def _entry(entry: Entry, options: Mapping[str, Any]) -> Iterator[str]:
    name = entry.get("id")
    if "disable_vae_cache" in entry:
        yield f"(id={name}) disable_vae_cache has been removed; use vae_cache_disable"
    if "caption_filter_list" in entry:
        yield f"(id={name}) caption_filter_list is only a valid setting for text datasets"
    yield from _captions(entry)
    yield from _backend(entry)
    yield from _crop(entry)
    yield from _sizes(entry, options)
    yield from _times(entry)
    if isinstance(video := entry.get("video"), Mapping):
        yield from _video(video)
    probability = entry.get("probability")
    if probability is not None and as_float(probability) is None:
        yield f"Dataset {name} has invalid probability={probability!r}"


def _captions(entry: Entry) -> Iterator[str]:
    name, backend = entry.get("id"), backend_of(entry)
    strategy = as_text(entry.get("caption_strategy"))
    if backend in {"huggingface", "webshart"}:
        if entry.get("metadata_backend") not in {None, "", backend}:
            yield f"(id={name}) metadata_backend must be set to '{backend}'"
        if strategy not in {None, backend, "instanceprompt"}:
            yield f"(id={name}) caption_strategy must be set to '{backend}'"
    elif strategy in {"huggingface", "webshart"}:
        yield f"(id={name}) caption_strategy={strategy} can only be used with type='{strategy}'"
    if backend == "csv" and strategy != "csv":
        yield f"(id={name}) caption_strategy must be 'csv'"
    metadata = as_text(entry.get("metadata_backend"))
    if strategy == "parquet" and metadata != "parquet":
        yield f"(id={name}) Cannot use caption_strategy=parquet with metadata_backend={metadata}"
    prompt = as_text(entry.get("instance_prompt"))
    if strategy == "instanceprompt" and prompt is None:
        yield f"(id={name}) caption_strategy=instanceprompt, but no instance_prompt was provided"
    if as_bool(entry.get("prepend_instance_prompt")) and prompt is None:
        yield f"(id={name}) has prepend_instance_prompt=True, but no instance_prompt"
    if strategy is not None and strategy not in _STRATEGIES:
        yield f"Unsupported caption strategy: {strategy}"
    yield from _shuffle(entry)


def _shuffle(entry: Entry) -> Iterator[str]:
    given = entry.get("caption_shuffle")
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield "caption_shuffle must be an object"
        return
    if given.get("split_on", "comma") not in {"comma", "space", "period"}:
        yield "caption_shuffle.split_on must be comma, space or period"
    if (as_int(given.get("count", 1)) or 0) < 1:
        yield "caption_shuffle.count must be at least 1"
    if (as_int(given.get("position_start", 0)) or 0) < 0:
        yield "caption_shuffle.position_start must not be negative"


def _backend(entry: Entry) -> Iterator[str]:
    name, backend = entry.get("id"), backend_of(entry)
    if backend == "local":
        yield f"(id={name}) A local backend requires instance_data_dir"
    elif backend == "aws":
        if missing := [key for key in _AWS_KEYS if not entry.get(key)]:
            yield f"(id={name}) Missing required AWS configuration keys: {', '.join(missing)}"
        if isinstance(entry.get("aws_data_prefix"), list):
            yield "expected str, bytes or os.PathLike object, not list"
    elif backend == "huggingface":
        if not entry.get("dataset_name"):
            yield f"(id={name}) dataset_name is required for HuggingFace backends"
    elif backend == "csv":
        if missing := [key for key in _CSV_KEYS if not entry.get(key)]:
            yield f"(id={name}) Missing required CSV configuration keys: {', '.join(missing)}"
        if kind_of(entry) == "caption":
            yield "Caption datasets cannot use CSV backends"
    elif backend == "webshart" and not entry.get("source"):
        yield f"(id={name}) Webshart backends require a source"
    if as_text(entry.get("metadata_backend")) == "parquet":
        block = entry.get("parquet")
        if not isinstance(block, Mapping) or not block.get("path"):
            yield f"(id={name}) Parquet metadata backend must have a parquet block with a path"


def _crop(entry: Entry) -> Iterator[str]:
    aspect = as_text(entry.get("crop_aspect"))
    if aspect is not None and aspect not in _CROP_ASPECTS:
        yield f"(id={entry.get('id')}) crop_aspect must be one of {sorted(_CROP_ASPECTS)}"
    if aspect in {"random", "closest"}:
        buckets = entry.get("crop_aspect_buckets")
        usable = isinstance(buckets, list) and buckets
        if not usable or not all(isinstance(item, int | float | Mapping) for item in buckets or ()):
            yield f"(id={entry.get('id')}) crop_aspect_buckets must be a list of numbers"
    style = as_text(entry.get("crop_style"))
    if style is not None and style not in _CROP_STYLES:
        yield f"(id={entry.get('id')}) crop_style must be one of {sorted(_CROP_STYLES)}"


def _sizes(entry: Entry, options: Mapping[str, Any]) -> Iterator[str]:
    name = entry.get("id")
    kind = as_text(setting(entry, options, "resolution_type")) or "area"
    if kind == "pixel_area" and not isinstance(setting(entry, options, "resolution"), int):
        yield f"(id={name}) Resolution type 'pixel_area' requires a whole number of pixels"
    maximum = entry.get("maximum_image_size")
    target = setting(entry, options, "target_downsample_size")
    if maximum and not target:
        yield (
            f"(id={name}) When maximum_image_size is given, you must also provide a value for "
            "target_downsample_size"
        )
    given = {
        "maximum_image_size": maximum,
        "target_downsample_size": entry.get("target_downsample_size"),
    }
    for key, value in given.items():
        size = as_float(value)
        if size is None:
            continue
        if kind == "area" and size >= 20:
            yield f"(id={name}) {key} must be less than 20 megapixels"
        if kind == "pixel" and size < 512:
            yield f"(id={name}) {key} must be at least 512 pixels"


def _times(entry: Entry) -> Iterator[str]:
    for unit in ("epoch", "step"):
        begin = as_int(entry.get(f"start_{unit}")) or 0
        end = as_int(entry.get(f"end_{unit}"))
        if end is not None and end < begin:
            yield f"(id={entry.get('id')}) end_{unit} ({end}) must be >= start_{unit} ({begin})"


def _video(video: Mapping[str, Any]) -> Iterator[str]:
    most, least = video.get("num_frames"), video.get("min_frames")
    for key, value in (("num_frames", most), ("min_frames", least)):
        if value is not None and (not isinstance(value, int) or value < 1):
            yield f"video->min_frames and num_frames must be whole numbers from 1; {key}={value!r}"
    if isinstance(most, int) and isinstance(least, int) and least < most:
        yield "video->min_frames must not be less than num_frames"


def _links(entries: Sequence[Entry], data: Sequence[Entry]) -> Iterator[str]:
    ids = {as_text(entry.get("id")) for entry in data}
    started = [
        entry
        for entry in data
        if kind_of(entry) in TRAINED_TYPES | {"caption", "grounding"}
        and (as_int(entry.get("start_epoch")) or 0) <= 1
        and (as_int(entry.get("start_step")) or 0) <= 1
    ]
    if not started:
        yield "At least one dataset must be available at the start of training"
    for entry in data:
        for name in names_of(entry.get("conditioning_data")):
            if name not in ids:
                yield f"Conditioning data backend {name} not found"
        for name in names_of(entry.get("s2v_datasets")):
            if name not in ids:
                yield f"S2V audio dataset {name} not found"
        if kind_of(entry) == "conditioning" and entry.get("conditioning_type") in {
            "reference_strict",
            "mask",
        }:
            linked = any(
                entry.get("id") in names_of(other.get("conditioning_data")) for other in data
            )
            if not linked and entry.get("source_dataset_id") not in ids:
                yield "Could not find source dataset for strict conditioning alignment"
    by_kind: dict[str, set[str]] = {}
    for entry in entries:
        by_kind.setdefault(kind_of(entry), set()).add(str(entry.get("id")))
    for entry in data:
        for key, text in _CACHE_LINKS.items():
            cache = as_text(entry.get(key))
            if cache is not None and cache not in by_kind.get(key, set()):
                yield text.format(cache)


def _caches(entries: Sequence[Entry]) -> Iterator[str]:
    texts = [entry for entry in entries if kind_of(entry) == "text_embeds"]
    if sum(as_bool(entry.get("default")) for entry in texts) > 1:
        yield "Only one text embed backend can be marked as default"
    text_folders = {as_text(entry.get("cache_dir")) for entry in texts} - {None}
    seen: set[str] = set()
    for entry in entries:
        folder = as_text(entry.get("cache_dir_vae"))
        if folder is None:
            continue
        if folder in seen:
            yield f"cache_dir_vae {folder} is the same as another VAE cache folder"
        if folder in text_folders:
            yield f"cache_dir_vae {folder} is the same as the text embed cache folder"
        seen.add(folder)


def _family(
    entries: Sequence[Entry], data: Sequence[Entry], options: Mapping[str, Any]
) -> Iterator[str]:
    family = model(as_text(options.get("model_family")))
    if family is None:
        return
    flavour = as_text(options.get("model_flavour")) or family.default_flavour
    has_conditioning = any(
        kind_of(entry) == "conditioning" or entry.get("conditioning") for entry in entries
    )
    if flavour in family.needs_conditioning and not has_conditioning:
        yield "Model requires a conditioning dataset"
    has_audio = any(
        entry.get("s2v_datasets")
        or (isinstance(entry.get("audio"), Mapping) and as_bool(entry["audio"].get("auto_split")))
        for entry in data
    )
    if flavour in family.needs_s2v and not has_audio:
        yield "Model requires S2V audio datasets"
    if options.get("controlnet") and not has_conditioning:
        yield "When training ControlNet, a conditioning block or dataset is needed"
    if family.name == "qwen_image" and "edit" in (flavour or ""):
        for entry in data:
            given = entry.get("conditioning_type")
            if kind_of(entry) == "conditioning" and given not in _QWEN_CONDITIONING:
                yield f"Qwen edit models require another conditioning_type than {given!r}"


def names_of(value: Any) -> list[str]:
    """The ids in a link, which is a text or a list of texts."""
    return (
        [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []
    )
