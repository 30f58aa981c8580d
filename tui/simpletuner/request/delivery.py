"""The delivery of a job: where the trainer uploads its results, and the fields of that setting.

The trainer never returns files as output of the prediction; it uploads them to a bucket or to the
Hugging Face Hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from tui.base.addresses import LINK, read_address
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text

DeliveryKind = Literal["local", "hub", "s3", "none"]

JOB_ID: Final = "{job_id}"
"""Placeholder in a prefix for the job's id, which is replaced when the job is created."""
DEFAULT_PREFIX: Final = "simpletuner"
"""The trainer's default for `s3_base_path`."""
_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
MOST_PREFIX: Final = 512
"""Bytes of a prefix. S3 limits keys to 1024, and the run adds folders and file names."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_DESTINATION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_OTHER_REPOS: Final = re.compile(r"(?:^|/)(?:datasets|spaces)/")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the trainer uploads its results. It holds no keys and no tokens.

    Attributes:
        kind: `local` is our S3-compatible receiver, `s3` another bucket, `hub` the Hugging Face
            Hub; `none` leaves the results in the container, where they are lost.
        hub_model_id: `owner/name`, for hub; None uses the config's.
        bucket: name of the bucket, for local and s3 (as all further attributes).
        base_path: prefix of all keys. The trainer adds the name of its output folder but no job
            id, so each job needs a prefix of its own.
        region: S3 region.
        endpoint_url: address of an S3 service other than AWS.
        public_base_url: the trainer uses it only to print links.
        destination: name of the user's destination that has the bucket's keys; for s3.
    """

    kind: DeliveryKind
    hub_model_id: str | None = None
    bucket: str | None = None
    base_path: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    public_base_url: str | None = None
    destination: str | None = None

    @property
    def uses_s3(self) -> bool:
        """Whether the trainer uploads by the S3 protocol."""
        return self.kind in ("local", "s3")


def in_bucket(address: str, bucket: str | None) -> bool:
    """Whether a checkpoint's address is in a bucket: `s3://bucket/…/checkpoint-N`."""
    start = f"s3://{bucket}/"
    last = address.rstrip("/").rpartition("/")[2]
    return bool(bucket) and address.startswith(start) and last.startswith("checkpoint-")


def job_prefix(prefix: str | None) -> str:
    """A prefix with the job id's placeholder: where the user put it, else as the last part."""
    given = (prefix or DEFAULT_PREFIX).strip("/")
    return given if JOB_ID in given else f"{given}/{JOB_ID}"


def default_delivery_kind(config: TrainingConfig) -> DeliveryKind:
    """The delivery that the config configures; without any, our own receiver."""
    if config.push_to_hub:
        return "hub"
    targets = publishing_targets(config.values.get("publishing_config"))
    return "s3" if any(is_s3(target) for target in targets) else "local"


def publishing_targets(value: Any) -> list[Mapping[str, Any]]:
    """The targets of a `publishing_config`: an object, a list of them, or JSON text of either.

    The path of a file gives no targets.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    entries = value if isinstance(value, list | tuple) else [value]
    return [entry for entry in entries if isinstance(entry, Mapping)]


def is_s3(target: Mapping[str, Any]) -> bool:
    """Whether a target of a `publishing_config` is a bucket."""
    return as_text(target.get("provider")) in ("s3", "backblaze_b2", "b2")


def clean_repo_id(text: str) -> str | None:
    """`owner/name` (or a bare name) from an id or a web address; None when it is no repository.

    The host, `/tree/main` and the like, queries and fragments are removed. The rules for names are
    those of huggingface_hub's `validate_repo_id`.
    """
    given = text.strip()
    if "://" in given or given.startswith(("huggingface.co/", "hf.co/", "www.huggingface.co/")):
        try:
            parts = urlsplit(given if "://" in given else f"https://{given}")
        except ValueError:  # an incomplete IPv6 address
            return None
        host = (parts.hostname or "").removeprefix("www.")
        if host not in ("huggingface.co", "hf.co"):
            return None
        given = parts.path
    given = given.split("?")[0].split("#")[0].strip("/")
    pieces = given.split("/")
    if pieces[0] == "models":
        pieces = pieces[1:]
    if len(pieces) > 2 and pieces[2] in ("tree", "blob", "resolve", "commits", "discussions"):
        pieces = pieces[:2]
    if not 1 <= len(pieces) <= 2:
        return None
    if not all(_REPO_PART.fullmatch(p) and "--" not in p and ".." not in p for p in pieces):
        return None
    if pieces[-1].endswith(".git"):
        return None
    return "/".join(pieces)


def validation_enabled(config: TrainingConfig) -> bool:
    """Whether the run renders validation images.

    Delivery depends on it: over S3 the trainer uploads final files only after a validation.
    """
    values = config.values
    if as_bool(values.get("validation_disable")) or as_bool(values.get("disable_validation")):
        return False
    library = as_bool(values.get("validation_prompt_library"))
    prompt = as_text(values.get("validation_prompt"))
    return bool(prompt or library or as_text(values.get("user_prompt_library")))


def read_repo(text: str) -> str:
    """`owner/name` or a bare name, from an id or a web address of the repository.

    Raises:
        ValueError: it is no model repository; the text continues the field's name.
    """
    if _OTHER_REPOS.search(text.strip()):
        raise ValueError("is the address of a dataset or a Space; give a model repository")
    repository = clean_repo_id(text)
    if repository is None:
        raise ValueError("is no repository's name; write owner/name")
    return repository


def _bucket(text: str) -> str:
    if not _BUCKET.fullmatch(text) or ".." in text:
        raise ValueError("is no bucket's name: 3 to 63 lower case letters, digits, dots, hyphens")
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("is no region; write it like eu-central-1")
    return text


def _destination(text: str) -> str:
    if not _DESTINATION.fullmatch(text):
        raise ValueError("is no destination's name: lower case letters, digits, - and _")
    return text


def _prefix(text: str) -> str:
    given = text.strip("/")
    parts = given.split("/")
    if not given.isprintable() or "\\" in given or any(part in ("", ".", "..") for part in parts):
        raise ValueError("must be names with / between them, such as runs/cats")
    if set(given.replace(JOB_ID, "")) & set("{}"):
        raise ValueError(f"knows one name in braces: {JOB_ID}")
    if len(given.encode()) > MOST_PREFIX:
        raise ValueError(f"must have at most {MOST_PREFIX} bytes")
    return given


def public_url(text: str) -> str:
    """Check the public base address of a bucket, and return it without a trailing slash.

    Raises:
        AddressError: it is no such address; the text continues the field's name.
    """
    return read_address(text, LINK).url


READERS: Final[dict[str, Callable[[str], str]]] = {
    "hub_model_id": read_repo,
    "destination": _destination,
    "bucket": _bucket,
    "region": _region,
    "prefix": _prefix,
    "public_base_url": public_url,
}
"""The reader of each field of a draft's delivery."""


def read_field(name: str, text: Any) -> str:
    """Check a field of a draft's delivery, and return its normalised value.

    Raises:
        ValueError: the value is not allowed; the text continues the field's name.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError("must not be empty")
    return READERS[name](text.strip())
