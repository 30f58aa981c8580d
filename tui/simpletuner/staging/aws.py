"""The dataloader entry of a staged dataset that the trainer reads over S3, and its objects.

Source of the rules: SimpleTuner 4.10.1 and 4.8.0, `helpers/data_backend/` (aws.py, factory.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.simpletuner.config.values import as_text
from tui.simpletuner.staging.caches import LATENT_TYPES
from tui.simpletuner.staging.manifest import StagedDataset

PREFIX: Final = "images/"
"""The start of the keys. SimpleTuner 4.8.0 reads the whole bucket, whatever prefix is named."""
LATENTS_ID: Final = "staged-latents"
LATENTS_ENTRY: Final[Mapping[str, Any]] = {
    "id": LATENTS_ID, "dataset_type": "image_embeds", "type": "local", "cache_dir": "cache/staged",
}  # fmt: skip
"""Without an entry like this one the trainer writes its latents into the bucket, outside the
prefix (factory.py)."""
_ONLY_ELSEWHERE: Final = frozenset({
    "huggingface", "dataset_name", "dataset_config", "data_files", "split", "revision", "streaming",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """Where the trainer finds a dataset, and with which keys: values or placeholders.

    Attributes:
        bucket: the bucket's name.
        endpoint: the server's address.
        region: the region that requests are signed for.
        access_key: the public half of the key pair.
        secret_key: the secret half.
        session_token: for temporary keys; "" for a plain pair.
        prefix: the start of the dataset's keys, with a `/` at its end.
    """

    bucket: str
    endpoint: str
    region: str
    access_key: str
    secret_key: str
    session_token: str = ""
    prefix: str = PREFIX


def aws_entry(dataset: StagedDataset, entry: Mapping[str, Any], access: BucketAccess) -> JsonObject:
    """Return the `aws` entry of a staged dataset.

    Args:
        dataset: the staged dataset.
        entry: its portable entry.
        access: where its objects are.
    """
    kept = {name: value for name, value in entry.items() if name not in _ONLY_ELSEWHERE}
    strategy = as_text(kept.pop("caption_strategy", None))
    result: JsonObject = {"id": dataset.id, "type": "aws", **_without(kept, "id", "type")}
    if strategy == "instanceprompt":
        result["caption_strategy"] = strategy
    elif dataset.caption_lines:
        result["caption_strategy"] = "textfile"
    result |= {
        "metadata_backend": "discovery",
        "aws_bucket_name": access.bucket,
        "aws_data_prefix": access.prefix,
        "aws_endpoint_url": access.endpoint,
        "aws_region_name": access.region,
        "aws_access_key_id": access.access_key,
        "aws_secret_access_key": access.secret_key,
        "delete_problematic_images": False,
        "delete_unwanted_images": False,
    }
    if access.session_token:
        result["aws_session_token"] = access.session_token
    if (as_text(kept.get("dataset_type")) or "image") in LATENT_TYPES:
        result.setdefault("image_embeds", LATENTS_ID)
        # The default is a path of the trainer's; two datasets must not share one.
        result["cache_dir_vae"] = f"cache/vae/{dataset.id}"
    return result


def with_latents_entry(entries: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
    """Add the entry for latents that `aws` entries refer to, where they do and it is missing."""
    complete = [dict(entry) for entry in entries]
    wanted = any(entry.get("image_embeds") == LATENTS_ID for entry in complete)
    if wanted and all(entry.get("id") != LATENTS_ID for entry in complete):
        complete.append(dict(LATENTS_ENTRY))
    return complete


def caption_files(dataset: StagedDataset) -> Iterator[tuple[str, str]]:
    """Yield name and content of each caption file; each line is a caption to the trainer.

    The names are those of the pictures with another suffix: their stems are unique in a dataset.
    """
    for file in dataset.files:
        if file.captions:
            stem = file.name.rpartition(".")[0] or file.name
            yield f"{stem}.txt", "\n".join(file.captions)


def _without(entry: Mapping[str, Any], *names: str) -> JsonObject:
    return {name: value for name, value in entry.items() if name not in names}
