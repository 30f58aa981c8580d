"""The trainer's rules for the dataloader file: what it refuses, changes or ignores in an entry.

Source: SimpleTuner's helpers/data_backend/*, helpers/prompts.py and helpers/training/trainer.py,
release 4.10.1. Findings are named by the dataset, the field and its value.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.checks.dataset_links import link_checks
from tui.simpletuner.checks.entries import (
    CACHES,
    Entry,
    dataset_type,
    error,
    is_disabled,
    resolution_type,
    warning,
    whole,
)
from tui.simpletuner.checks.options import nearest
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text

_TYPES: Final = ("local", "aws", "csv", "huggingface", "webshart")
_OTHER_TYPE_NAMES: Final = {
    "s3": "aws", "hf": "huggingface", "hub": "huggingface", "folder": "local", "parquet": "local",
}  # fmt: skip
_DATASET_TYPES: Final = (
    "image", "video", "audio", "conditioning", "eval", "caption", "grounding", *CACHES,
)  # fmt: skip
_STRATEGIES: Final = (
    "filename", "textfile", "parquet", "instanceprompt", "csv", "huggingface", "webshart",
)  # fmt: skip
_AUDIO_LIKE: Final = ("audio", "caption", *CACHES)
"""Types that have no pictures and so no rules of size."""
_KEY_NAMES: Final = """
id type dataset_type dataset_name dataset_config data_files split revision disabled disable
default cache_dir cache_dir_vae cache_file_suffix instance_data_dir instance_data_root
caption_strategy instance_prompt prepend_instance_prompt only_instance_prompt repeats crop
crop_aspect crop_aspect_buckets crop_style resolution resolution_type probability
minimum_image_size maximum_image_size target_downsample_size max_upscale_threshold
minimum_aspect_ratio maximum_aspect_ratio max_num_samples metadata_backend parquet huggingface
webshart video audio csv_file csv_cache_dir csv_caption_column csv_url_column aws_bucket_name
aws_data_prefix aws_endpoint_url aws_region_name aws_access_key_id aws_secret_access_key
aws_session_token conditioning conditioning_data conditioning_type conditioning_config
source_dataset_id s2v_datasets grounding text_embeds image_embeds text_embed_cache
train_batch_size vae_batch_size vae_cache_disable vae_cache_ondemand text_cache_disable
text_cache_ondemand caption_filter_list caption_shuffle hash_filenames start_epoch start_step
end_epoch end_step skip_file_discovery is_regularisation_data is_regularization_data
slider_strength streaming shuffle write_batch_size read_batch_size preserve_data_backend_cache
vae_cache_clear_each_epoch disable_validation data_generator scan_for_errors
delete_problematic_images delete_unwanted_images audio_column image_column caption_column
video_column filename_column fallback_caption_column width_column height_column
identifier_includes_extension quality_column quality_thresholds collection composite_image_column
composite_image_config filter_func max_workers num_proc sample_size select_index allow_zero_audio
bucket_strategy duration_interval max_duration_seconds truncation_mode audio_sample_rate
cache_dir_conditioning_image_embeds conditioning_image_embeds conditioning_image_embed_cache
caption_file_extensions clear_cache_each_epoch compress_cache config_version csv aws
delete_nsfw_images distillation_type distillation_cache duration fps framerate hf_token
image_processing_batch_size include_original max_frames min_frames num_frames frames_per_video
metadata metadata_update_interval metadata_cache_dir shard_cache_dir shard_cache_gb
parallel_downloads buffer_size max_file_size optimize_captions params provider seed
shorten_filenames source source_from_video subfolder tlora_alpha tlora_min_rank
timestep_sampling_offset vae_cache_scan_behaviour caption_dropout_probability
override_dataset_config grounding_data memory_filesystem_path memory_filesystem_size name
description comment is_i2v sampler
"""
_KEYS: Final = frozenset(_KEY_NAMES.split())
"""Keys of an entry; a key that only resembles one of them is probably a slip."""


def dataloader_checks(config: TrainingConfig, *, staged: bool = False) -> Iterator[CheckRow]:
    """Check the dataloader file of a config against the trainer's rules.

    Args:
        config: the config with the job's overrides applied.
        staged: whether local datasets are hosted ones for the trainer.
    """
    entries = [entry for entry in config.dataloader if not is_disabled(entry)]
    if not entries:
        return
    current = _current_entries(config)
    for number, entry in enumerate(current, start=1):
        name = as_text(entry.get("id")) or f"number {number}"
        for rule in _ENTRY_RULES:
            for row in rule(entry, config):
                yield (row[0], row[1], f"dataset {name}: {row[2]}", *row[3:])
    yield from link_checks(current, config, staged=staged)


def _current_entries(config: TrainingConfig) -> list[Entry]:
    """The entries that are not disabled, with the job's overrides applied."""
    specs = config.datasets
    source = [spec.raw for spec in specs] if specs else config.dataloader
    return [entry for entry in source if not is_disabled(entry)]


def _identity(entry: Entry, _config: TrainingConfig) -> Iterator[CheckRow]:
    if not as_text(entry.get("id")):
        yield error("it has no id; the trainer wants one for every entry", "Add an id.")
    kind = as_text(entry.get("type"))
    if kind is None:
        yield error("it has no type", 'Add "type": "local" (or huggingface, aws, csv).')
    elif kind == "memory":
        if dataset_type(entry) not in CACHES:
            yield error("type memory is for caches only", "Use local.")
    elif kind not in _TYPES:
        guess = _OTHER_TYPE_NAMES.get(kind.lower()) or nearest(kind, _TYPES)
        advice = f"Did you mean {guess}? " if guess else ""
        message = f"type {kind} does not exist; the trainer stops at start"
        yield error(message, f"{advice}There are {', '.join(_TYPES)}.")
    what = as_text(entry.get("dataset_type"))
    if what and what.lower() not in _DATASET_TYPES:
        guess = nearest(what, _DATASET_TYPES)
        advice = f"Did you mean {guess}?" if guess else f"There are {', '.join(_DATASET_TYPES)}."
        yield error(f"dataset_type {what} does not exist; the trainer stops at start", advice)
    cache = what in ("text_embeds", "image_embeds")
    if cache and kind in ("csv", "huggingface"):
        yield error(f"a cache ({what}) cannot have type {kind}", "Use local or aws.")


def _keys(entry: Entry, _config: TrainingConfig) -> Iterator[CheckRow]:
    if "disable_vae_cache" in entry:
        yield error("disable_vae_cache is gone", "Write vae_cache_disable.")
    if "ignore_epochs" in entry:
        yield warning("ignore_epochs has no effect any more", "Remove it.")
    if as_text(entry.get("metadata_backend")) == "filesystem":
        yield warning("metadata_backend filesystem is read as discovery", "Write discovery.")
    if "caption_filter_list" in entry and dataset_type(entry) != "text_embeds":
        yield error("caption_filter_list belongs to text_embeds entries", "Move it there.")
    for key in entry:
        if key in _KEYS or key in ("disable_vae_cache", "ignore_epochs", "caption_filter_list"):
            continue
        guess = nearest(key, _KEYS)
        if guess and guess not in entry and _is_slip(key, guess):
            message = f"{key} is no key of a dataset; the trainer ignores it"
            yield warning(message, f"Did you mean {guess}?")


def _is_slip(key: str, guess: str) -> bool:
    """Whether a key differs from another by a letter or two."""
    return difflib.SequenceMatcher(None, key.lower(), guess).ratio() >= 0.85


def _source(entry: Entry, _config: TrainingConfig) -> Iterator[CheckRow]:
    kind, cache = as_text(entry.get("type")), dataset_type(entry) in CACHES
    if cache:
        return
    if kind == "csv":
        columns = ("csv_file", "csv_cache_dir", "csv_caption_column")
        if missing := [key for key in columns if not as_text(entry.get(key))]:
            yield error(f"type csv without {', '.join(missing)}; the trainer stops", "Add it.")
        if as_text(entry.get("caption_strategy")) != "csv":
            named = as_text(entry.get("caption_strategy")) or "absent"
            yield error(f"type csv with caption_strategy {named}", "Set it to csv.")
    elif kind == "aws":
        needed = (
            "aws_bucket_name", "aws_endpoint_url", "aws_access_key_id", "aws_secret_access_key",
        )  # fmt: skip
        if missing := [key for key in needed if not as_text(entry.get(key))]:
            advice = "Add it; for AWS itself write its endpoint's address."
            yield error(f"type aws without {', '.join(missing)}; the trainer stops", advice)
        if isinstance(entry.get("aws_data_prefix"), list):
            yield error("aws_data_prefix is a list; the trainer stops", "Write one text.")
    elif kind == "huggingface":
        if not as_text(entry.get("dataset_name")):
            message = "dataset_name is missing; the trainer stops at start"
            yield error(message, "Add dataset_name with owner/name of the Hub dataset.")
        backend = as_text(entry.get("metadata_backend"))
        if backend and backend != "huggingface":
            yield error(f"metadata_backend {backend} with type huggingface", "Remove it.")
        strategy = as_text(entry.get("caption_strategy"))
        if strategy and strategy not in ("huggingface", "instanceprompt"):
            message = f"caption_strategy {strategy} with type huggingface"
            yield error(message, "Remove it, or use huggingface or instanceprompt.")
    elif kind == "webshart":
        block = entry.get("webshart")
        inner = block.get("source") if isinstance(block, Mapping) else None
        if not as_text(entry.get("source")) and not as_text(inner):
            yield error("type webshart without source; the trainer stops", "Add webshart.source.")
        for key in ("metadata_backend", "caption_strategy"):
            given = as_text(entry.get(key))
            allowed = ("webshart", "instanceprompt") if key == "caption_strategy" else ("webshart",)
            if given and given not in allowed:
                yield error(f"{key} {given} with type webshart", "Set it to webshart.")


def _captions(entry: Entry, config: TrainingConfig) -> Iterator[CheckRow]:
    what, kind = dataset_type(entry), as_text(entry.get("type"))
    if what in CACHES:
        return
    strategy = _caption_strategy(entry, config)
    if what not in ("conditioning", "caption", "grounding") and not _only_instance_prompt(entry):
        if strategy is None:
            message = "caption_strategy is null; the trainer stops when it reads captions"
            yield error(message, "Write textfile, or remove the key.")
        elif strategy not in _STRATEGIES:
            guess = "instanceprompt" if strategy == "instance_prompt" else None
            guess = guess or nearest(strategy, _STRATEGIES)
            advice = f"Did you mean {guess}? " if guess else ""
            message = f"caption_strategy {strategy} does not exist; the trainer stops"
            yield error(message, f"{advice}There are {', '.join(_STRATEGIES)}.")
    for named in ("huggingface", "webshart"):
        if strategy == named and kind != named and kind in _TYPES:
            message = f"caption_strategy {named} with type {kind}; the trainer stops"
            yield error(message, "Use textfile." if kind != "csv" else "Use csv.")
    backend = as_text(entry.get("metadata_backend")) or "discovery"
    if strategy == "parquet" and backend in ("discovery", "json"):
        message = f"caption_strategy parquet with metadata_backend {backend}; the trainer stops"
        yield error(message, "Set metadata_backend to parquet.")
    block = entry.get("parquet")
    if backend == "parquet" and not (isinstance(block, Mapping) and as_text(block.get("path"))):
        yield error("metadata_backend parquet without a parquet block and its path", "Add it.")
    prompt = as_text(entry.get("instance_prompt")) or as_text(config.values.get("instance_prompt"))
    if strategy == "instanceprompt" and not prompt:
        yield error("caption_strategy instanceprompt without instance_prompt", "Add it.")
    elif as_bool(entry.get("prepend_instance_prompt")) and not prompt:
        yield error("prepend_instance_prompt without instance_prompt", "Add it.")
    yield from _caption_shuffle(entry)


def _caption_shuffle(entry: Entry) -> Iterator[CheckRow]:
    block = entry.get("caption_shuffle")
    if not block:
        return
    if not isinstance(block, Mapping):
        yield error("caption_shuffle is no object", 'Write {"enable": true, …}.')
        return
    split = block.get("split_on", "comma")
    if split not in ("comma", "space", "period"):
        yield error(f"caption_shuffle.split_on {split}", "Use comma, space or period.")
    for key, default, least in (("count", 1, 1), ("position_start", 0, 0)):
        value = block.get(key, default)
        if not isinstance(value, int) or value < least:
            yield error(f"caption_shuffle.{key} {value}", f"Write a number from {least} on.")


def _sizes(entry: Entry, config: TrainingConfig) -> Iterator[CheckRow]:
    if dataset_type(entry) in _AUDIO_LIKE:
        return
    kind = resolution_type(entry, config)
    if kind not in ("pixel", "area", "pixel_area"):
        yield error(f"resolution_type {kind}", "Use pixel, area or pixel_area.")
        return
    yield from _resolution(entry, config, kind)
    sizes = {
        name: as_float(entry.get(name, config.values.get(name)))
        for name in ("maximum_image_size", "target_downsample_size")
    }
    least = as_float(entry.get("minimum_image_size"))
    if kind == "area" and least is not None and least > 5:
        message = f"minimum_image_size {_number(least)} with resolution_type area is too much"
        yield error(f"{message}; the trainer stops", "Write megapixels, such as 0.25.")
    maximum, target = sizes.values()
    if maximum and not target and "maximum_image_size" in entry:
        message = f"maximum_image_size {_number(maximum)} without target_downsample_size"
        yield error(f"{message}; the trainer stops at start", "Add target_downsample_size.")
    for name, size in sizes.items():
        if not size or name not in entry:
            continue
        megapixels = size * size / 1e6 if kind == "pixel_area" else size
        if kind == "pixel" and size < 512:
            advice = "With resolution_type pixel, sizes are in pixels."
            yield error(f"{name} {_number(size)} is below 512 pixels", advice)
        elif kind != "pixel" and megapixels >= 20:
            advice = "With resolution_type area, sizes are in megapixels."
            yield error(f"{name} {_number(size)} is above 20 megapixels", advice)


def _resolution(entry: Entry, config: TrainingConfig, kind: str) -> Iterator[CheckRow]:
    value = entry.get("resolution", config.values.get("resolution"))
    if value is None:
        return
    number = as_float(value)
    if kind == "pixel_area" and (isinstance(value, bool) or not isinstance(value, int)):
        whole = int(number) if number is not None and number >= 64 else 1024
        message = f"resolution {value!r} with resolution_type pixel_area; the trainer stops"
        if "resolution" in entry:
            yield error(message, f"Write a whole number, such as {whole}.")
    elif number is not None and kind != "area" and number < 64:
        message = f"resolution {value} with resolution_type {kind} is {value} px"
        advice = "Write 1024, or resolution_type area for megapixels."
        yield warning(f"{message}, which the trainer rounds up to 64", advice)
    elif number is not None and kind == "area" and number > 16:
        message = f"resolution {value} with resolution_type area is {value} megapixels"
        yield warning(message, "Write megapixels such as 1.0, or resolution_type pixel_area.")


def _crops(entry: Entry, config: TrainingConfig) -> Iterator[CheckRow]:
    if dataset_type(entry) in _AUDIO_LIKE:
        return
    aspects = ("square", "preserve", "random", "closest")
    styles = ("random", "corner", "center", "centre", "face")
    for key, allowed in (("crop_aspect", aspects), ("crop_style", styles)):
        if key in entry and entry[key] not in allowed:
            guess = nearest(str(entry[key]), allowed)
            advice = f"Did you mean {guess}? " if guess else ""
            message = f"{key} {entry[key]}; the trainer stops at start"
            yield error(message, f"{advice}There are {', '.join(allowed)}.")
    if entry.get("crop_aspect") in ("random", "closest"):
        buckets = entry.get("crop_aspect_buckets")
        fits = isinstance(buckets, list) and all(
            isinstance(one, int | float | Mapping) and not isinstance(one, bool) for one in buckets
        )
        if not fits:
            message = f"crop_aspect {entry['crop_aspect']} without a list crop_aspect_buckets"
            yield error(message, "Add crop_aspect_buckets, such as [0.75, 1.0, 1.5].")
    if entry.get("crop") and entry.get("crop_aspect") == "random" and config.num_processes > 1:
        message = "crop_aspect random with several GPUs: the trainer may stop in mid-training, when"
        advice = "Use closest, preserve or square, or one GPU."
        yield warning(f"{message} a new epoch leaves a GPU without images", advice)


def _video(entry: Entry, _config: TrainingConfig) -> Iterator[CheckRow]:
    if dataset_type(entry) != "video":
        return
    block = entry.get("video")
    video: Mapping[str, Any] = block if isinstance(block, Mapping) else {}
    frames: dict[str, int] = {}
    for key in ("min_frames", "num_frames"):
        value = video.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            yield error(f"video.{key} {value} is no whole number above 0", "Correct it.")
        else:
            frames[key] = value
    if len(frames) == 2 and frames["min_frames"] < frames["num_frames"]:
        message = f"video.min_frames {frames['min_frames']} is below video.num_frames "
        yield error(message + str(frames["num_frames"]), "Raise min_frames to num_frames.")


def _times(entry: Entry, config: TrainingConfig) -> Iterator[CheckRow]:
    probability = entry.get("probability")
    if probability not in (None, "") and as_float(probability) is None:
        yield error(f"probability {probability!r} is no number", "Write one from 0 to 1.")
    starts = {"epoch": whole(entry, "start_epoch", 1), "step": whole(entry, "start_step", 0)}
    for unit, start in starts.items():
        end = as_int(entry.get(f"end_{unit}"))
        if end is not None and end < start:
            yield error(f"end_{unit} {end} is before start_{unit} {start}", "Correct one.")
    steps = config.max_train_steps
    if steps and starts["step"] > steps:
        message = f"start_step {starts['step']} is after the end of training ({steps})"
        yield warning(message, "It is never used; lower it.")


def _grounding(entry: Entry, _config: TrainingConfig) -> Iterator[CheckRow]:
    block = entry.get("grounding")
    if isinstance(block, Mapping) and as_bool(block.get("auto_detect")):
        kind = as_text(entry.get("type")) or "local"
        if kind != "local":
            message = f"grounding.auto_detect with type {kind}; it needs a folder"
            yield error(message, "Write the grounding data beforehand.")


def _caption_dataset(entry: Entry, config: TrainingConfig) -> Iterator[CheckRow]:
    if dataset_type(entry) != "caption":
        return
    if as_text(entry.get("type")) == "csv":
        yield error("a caption dataset cannot have type csv", "Use local.")
    if as_bool(config.values.get("dataloader_prefetch")):
        advice = "Set dataloader_prefetch to false."
        yield error("a caption dataset with dataloader_prefetch", advice)
    if not as_text(config.values.get("distillation_method")):
        message = "dataset_type caption holds no images, and the trainer stops at its first batch"
        yield error(f"{message} without a distiller", "Remove it, or set distillation_method.")


def _caption_strategy(entry: Entry, config: TrainingConfig) -> str | None:
    if "caption_strategy" in entry:
        return as_text(entry["caption_strategy"])
    kind = as_text(entry.get("type"))
    if kind in ("huggingface", "webshart"):
        return kind
    return as_text(config.values.get("caption_strategy")) or "filename"


def _only_instance_prompt(entry: Entry) -> bool:
    return as_bool(entry.get("only_instance_prompt"))


def _number(value: float) -> str:
    return f"{value:g}"


_ENTRY_RULES: Final[tuple[Callable[[Entry, TrainingConfig], Iterator[CheckRow]], ...]] = (
    *(_identity, _keys, _source, _captions, _sizes, _crops, _video, _times, _grounding),
    _caption_dataset,
)
