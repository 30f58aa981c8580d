"""What one ended job proves about the SimpleTuner of its version of the trainer.

Each rule has a trust: `proved` rests on what the trainer did (steps that it made, files that it
sent), `said` on the words of a log, which a wrapper may have written. What is less trusted never
replaces what is more. A release is not guessed from one trait: only the trait itself is learned.

The messages and options are those of SimpleTuner 4.8.0 and 4.10.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from tui.base.json_types import JsonObject
from tui.simpletuner.facts.options import option_facts
from tui.simpletuner.request.container import UPLOAD_ROOT

Trust = Literal["said", "proved"]
_TRUST: Final[Sequence[Trust]] = ("said", "proved")

_REFUSED: Final = re.compile(rb"Unsafe (?:zip|tar) path detected")
_NOT_FOUND: Final = re.compile(
    rb"do(?:es)? not exist.{0,600}?" + re.escape(UPLOAD_ROOT).encode(), re.DOTALL
)
_UNKNOWN_OPTIONS: Final = re.compile(rb"unrecognized arguments: ([^\r\n]*)")
_NO_CONFIG_NAME: Final = re.compile(rb"Config name is missing")
_NO_FILES: Final = re.compile(rb"doesn't contain any data files")
_LISTING_REFUSED: Final = re.compile(
    rb"AccessDenied[^\r\n]{0,200}ListObjects|ListObjects[^\r\n]{0,200}AccessDenied"
)
_FINAL_WEIGHTS: Final = "pytorch_lora_weights.safetensors"
_PACKAGED: Final = "imagefolder"
_WORDS: Final[Mapping[tuple[str, str | bool], str]] = {
    ("archive", "unpacks"): "it unpacks archives",
    ("archive", "ignored"): "it does not read archives",
    ("final", True): "it uploads the final weights",
    ("knows_data_files", True): "it reads the files that a dataset names",
    ("knows_data_files", False): "it ignores the files that a dataset names",
    ("knows_dataset_config", False): "it ignores the config that a dataset names",
    ("aws_prefix_respected", True): "it reads one folder of a bucket only",
    ("aws_prefix_respected", False): "it reads the whole bucket",
}


@dataclass(frozen=True, slots=True)
class EndedJob:
    """What is known of a job that has ended.

    Attributes:
        inputs: the request, without its secret values.
        step: the last optimizer step that it reached.
        failed: whether it failed.
        log: the end of its log.
        files: names of the files that its own delivery to S3 or to this machine brought.
        model_type: `lora` or `full`.
    """

    inputs: Mapping[str, Any]
    step: int
    failed: bool
    log: bytes
    files: Sequence[str] = ()
    model_type: str = "lora"

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """The dataloader entries that it was sent with."""
        try:
            rows = json.loads(self.inputs["dataloader_json"])
        except (KeyError, TypeError, ValueError):
            return []
        return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


@dataclass(frozen=True, slots=True)
class Shown:
    """One trait that a job showed.

    Attributes:
        trait: a field of `ReleaseProfile`; `final` stands for `publishes_final`.
        value: its value.
        trust: what that rests on.
    """

    trait: str
    value: str | bool
    trust: Trust


def traits_of(job: EndedJob) -> list[Shown]:
    """What a job showed; at most one of each trait, the most trusted."""
    found: dict[str, Shown] = {}
    for rule in _RULES:
        shown = rule(job)
        if shown is not None and _outranks(shown.trust, found.get(shown.trait)):
            found[shown.trait] = shown
    return list(found.values())


def joined(known: Mapping[str, Any], shown: Iterable[Shown]) -> JsonObject:
    """Add what a job showed to what is known of its version, by trait, each with its trust.

    A newer word of the same trust counts; one of less trust changes nothing.
    """
    result = dict(known)
    trusts: dict[str, Trust] = dict(known.get("trust") or {})
    for one in shown:
        before = trusts.get(one.trait, _trust_before(one.trait, known))
        if one.trait in known and _TRUST.index(one.trust) < _TRUST.index(before):
            continue
        result[one.trait] = one.value
        trusts[one.trait] = one.trust
    return result if result == known and "trust" not in known else {**result, "trust": trusts}


def said_of(known: Mapping[str, Any]) -> list[str]:
    """What is known of a version, each as the rest of a sentence that begins with `that`."""
    said = [words for (trait, value), words in _WORDS.items() if known.get(trait) == value]
    return said + ([f"it has the options of {known['options']}"] if "options" in known else [])


def _trust_before(trait: str, known: Mapping[str, Any]) -> Trust:
    """The trust of a trait that an earlier version wrote without one."""
    return "said" if trait == "archive" and known.get(trait) == "ignored" else "proved"


def _outranks(trust: Trust, other: Shown | None) -> bool:
    return other is None or _TRUST.index(trust) > _TRUST.index(other.trust)


# -- the rules ------------------------------------------------------------------------------------


def _archive_was_read(job: EndedJob) -> Shown | None:
    """The trainer ends at its start when the folder of a dataset is missing."""
    if job.step < 1 or not job.inputs.get("images") or not _has_uploaded_dataset(job):
        return None
    return Shown("archive", "unpacks", "proved")


def _archive_was_ignored(job: EndedJob) -> Shown | None:
    refused = _REFUSED.search(job.log) or _NOT_FOUND.search(job.log)
    if not job.failed or not job.inputs.get("images") or not refused:
        return None
    return Shown("archive", "ignored", "said")


def _final_weights_came(job: EndedJob) -> Shown | None:
    """S3 delivery brought weights that are in no checkpoint."""
    paths = [PurePosixPath(name) for name in job.files]
    outside = any(
        path.name == _FINAL_WEIGHTS
        and not any(part.startswith("checkpoint-") for part in path.parts)
        for path in paths
    )
    if job.model_type != "lora" or not outside:
        return None
    return Shown("final", True, "proved")


def _zip_was_read(job: EndedJob) -> Shown | None:
    """A folder loader without files has nothing to train on, so that a step proves the files."""
    if job.step < 1 or not (only := _only_dataset(job)) or not _names_files(only):
        return None
    return Shown("knows_data_files", True, "proved")


def _zip_was_not_found(job: EndedJob) -> Shown | None:
    named = any(_names_files(entry) for entry in job.entries)
    if not job.failed or job.step or not named or not _NO_FILES.search(job.log):
        return None
    return Shown("knows_data_files", False, "said")


def _config_was_ignored(job: EndedJob) -> Shown | None:
    named = any(entry.get("dataset_config") for entry in job.entries)
    if not job.failed or job.step or not named or not _NO_CONFIG_NAME.search(job.log):
        return None
    return Shown("knows_dataset_config", False, "said")


def _folder_was_listed(job: EndedJob) -> Shown | None:
    """Keys of ours open one folder of a bucket, so that a step proves that it was listed alone."""
    only = _only_dataset(job)
    if job.step < 1 or not only or not _is_folder_of_ours(only):
        return None
    return Shown("aws_prefix_respected", True, "proved")


def _bucket_was_listed(job: EndedJob) -> Shown | None:
    ours = any(_is_folder_of_ours(entry) for entry in job.entries)
    if not job.failed or job.step or not ours or not _LISTING_REFUSED.search(job.log):
        return None
    return Shown("aws_prefix_respected", False, "said")


def _options_were_refused(job: EndedJob) -> Shown | None:
    """Options that it does not know tell which of the two lists it has at most."""
    facts = option_facts()
    refused = {
        word.lstrip("-").partition("=")[0]
        for match in _UNKNOWN_OPTIONS.finditer(job.log)
        for word in match[1].decode(errors="replace").split()
        if word.startswith("--")
    }
    if not job.failed or job.step:
        return None
    newer = {name for name in refused if name in facts.options and facts.options[name].since}
    if newer:
        release = facts.earlier
    elif refused & facts.removed.keys():
        release = facts.release
    else:
        return None
    return Shown("options", release, "said")


def _options_were_taken(job: EndedJob) -> Shown | None:
    """A run with an option that was removed later has the earlier list."""
    facts = option_facts()
    try:
        sent = json.loads(job.inputs["config_json"])
    except (KeyError, TypeError, ValueError):
        return None
    names = {str(name).lstrip("-") for name in sent} if isinstance(sent, Mapping) else set()
    if job.step < 1 or not names & facts.removed.keys():
        return None
    return Shown("options", facts.earlier, "proved")


_RULES: Final[Sequence[Callable[[EndedJob], Shown | None]]] = (
    _archive_was_read,
    _archive_was_ignored,
    _final_weights_came,
    _zip_was_read,
    _zip_was_not_found,
    _config_was_ignored,
    _folder_was_listed,
    _bucket_was_listed,
    _options_were_refused,
    _options_were_taken,
)


def _has_uploaded_dataset(job: EndedJob) -> bool:
    """Whether a dataset of the request lies in the archive; without a dataloader all do."""
    if job.inputs.get("dataloader_json") is None:
        return True
    folder = f"{UPLOAD_ROOT}/"
    return any(str(row.get("instance_data_dir") or "").startswith(folder) for row in job.entries)


def _only_dataset(job: EndedJob) -> Mapping[str, Any] | None:
    caches = ("text_embeds", "image_embeds")
    data = [row for row in job.entries if row.get("dataset_type") not in caches]
    return data[0] if len(data) == 1 else None


def _names_files(entry: Mapping[str, Any]) -> bool:
    block = entry.get("huggingface")
    inside = block.get("data_files") if isinstance(block, Mapping) else None
    return entry.get("dataset_name") == _PACKAGED and bool(entry.get("data_files") or inside)


def _is_folder_of_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a dataset is staged in a bucket, with temporary keys for its prefix alone.

    A stored request has placeholders in brackets for the values of such keys.
    """
    token = str(entry.get("aws_session_token") or "")
    return entry.get("type") == "aws" and bool(entry.get("aws_data_prefix")) and token[:1] == "("
