"""A config, its datasets and its checks as JSON values, for the API and scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tui.base.columns import clip
from tui.simpletuner.checks.buckets import AspectBucket, aspect_buckets, samples_per_step
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.overrides import OVERRIDES, can_override
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_text
from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.facts.options import option_facts
from tui.simpletuner.request.delivery import clean_repo_id

if TYPE_CHECKING:
    from tui.api import check_report
    from tui.base.json_types import JsonObject

_MOST_SHOWN: Final = 100


def describe_config(config: TrainingConfig) -> check_report.CheckedConfig:
    """The main options of a config under SimpleTuner's names."""
    return {
        "name": config.name,
        "path": str(config.path),
        "model_family": config.family,
        "model_flavour": config.flavour,
        "model_type": config.model_type,
        "lora_type": config.lora_type,
        "lora_rank": config.lora_rank,
        "max_train_steps": config.max_train_steps,
        "num_train_epochs": config.num_train_epochs,
        "train_batch_size": config.train_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "learning_rate": config.learning_rate,
        "optimizer": as_text(config.values.get("optimizer")),
        "resolution_pixels": config.resolution_pixels,
        "base_model_precision": as_text(config.values.get("base_model_precision")),
        "checkpoint_step_interval": config.checkpoint_interval,
        "validation_step_interval": config.validation_interval,
        "push_to_hub": config.push_to_hub,
        "hub_model_id": clean_repo_id(config.hub_model_id) if config.hub_model_id else None,
        "tracker_run_name": config.run_name,
        "data_backend_config": str(config.dataloader_path) if config.dataloader_path else None,
    }


def describe_datasets(
    config: TrainingConfig, report: DataReport | None
) -> list[check_report.CheckedDataset]:
    """The datasets of a config, with the results of the scan when there is one."""
    if report is not None:
        return [_describe_dataset(dataset, config) for dataset in report.datasets]
    unscanned = (DatasetReport(s.id, s.kind, s, s.path) for s in config.datasets)
    return [_describe_dataset(dataset, config) for dataset in unscanned]


def describe_checks(checks: Sequence[Check]) -> list[check_report.Check]:
    """The results of the checks.

    The advice of one whose changes no draft can make says what to write into the config.
    """
    return [
        {
            "id": check.id,
            "level": check.level,
            "message": check.message,
            "advice": check.advice if changes else _with_edits(check),
            "changes": changes,
            "release": check.release,
        }
        for check in checks
        for changes in [_overridable(check.changes)]
    ]


def _with_edits(check: Check) -> str:
    """The advice, with the lines of the config that put the changes into effect."""
    if not check.changes or check.level == "ok":
        return check.advice
    gone = [name for name, value in check.changes.items() if value is None]
    lines = [
        f'"{name}": {clip(json.dumps(value, ensure_ascii=False), _MOST_SHOWN)}'
        for name, value in check.changes.items()
        if value is not None
    ]
    removed = f", and take out {', '.join(gone)}" if gone else ""
    return f"{check.advice} Write into the config: {', '.join(lines)}{removed}.".strip()


def _overridable(changes: Mapping[str, Any]) -> JsonObject:
    """Changes that a draft can make; none when only a part of them could be made.

    Any option can be taken out (None), which also gives it the trainer's default.
    """
    made: JsonObject = {}
    for name, value in changes.items():
        option = option_facts().options.get(name)
        if name not in OVERRIDES and option is not None and value == option.default:
            made[name] = None
        elif value is None or can_override(name, value):
            made[name] = value
        else:
            return {}
    return made


def _describe_dataset(
    dataset: DatasetReport, config: TrainingConfig
) -> check_report.CheckedDataset:
    buckets = aspect_buckets(dataset, config)
    return {
        "id": dataset.id,
        "kind": dataset.kind,
        "type": dataset.spec.type,
        "dataset_type": dataset.spec.dataset_type,
        "caption_strategy": dataset.spec.caption_strategy,
        "disabled": dataset.spec.disabled,
        "path": str(dataset.path) if dataset.path else None,
        "images": dataset.images,
        "captions": dataset.captions,
        "bytes": dataset.bytes,
        "sizes": _sizes(dataset),
        "buckets": None if buckets is None else [_bucket(bucket) for bucket in buckets],
        "repeats": dataset.spec.repeats,
        "samples_per_step": samples_per_step(dataset.spec, config),
        "missing_captions": list(dataset.missing_captions),
        "empty_captions": list(dataset.empty_captions),
        "corrupt_images": list(dataset.corrupt_images),
        "small_images": list(dataset.small_images),
        "skipped": [{"path": item.path, "reason": item.reason} for item in dataset.skipped],
        "problems": [
            {"level": note.level, "message": note.message, "advice": note.advice}
            for note in dataset.problems
        ],
    }


def _bucket(bucket: AspectBucket) -> check_report.AspectBucket:
    return {
        "aspect": bucket.aspect,
        "width": bucket.width,
        "height": bucket.height,
        "images": bucket.images,
    }


def _sizes(dataset: DatasetReport) -> check_report.ImageSizes | None:
    """The sizes of the images with the fewest and the most pixels."""
    known = sorted((w * h, w, h) for w, h, _count in dataset.sizes if w and h)
    if not known:
        return None
    (_, low_width, low_height), (_, width, height) = known[0], known[-1]
    return {"smallest_width": low_width, "smallest_height": low_height,
            "largest_width": width, "largest_height": height}  # fmt: skip
