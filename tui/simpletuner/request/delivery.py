"""Where the trainer is to put its results. It never returns files: it uploads them somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text

DeliveryKind = Literal["local", "hub", "s3", "none"]

JOB_ID: Final = "{job_id}"
"""In a prefix: the job's own id, which is known when the job is made."""
DEFAULT_PREFIX: Final = "simpletuner"
"""What the trainer itself takes where no `s3_base_path` is given."""
_REPO_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
MOST_PREFIX: Final = 512
"""Bytes; a key may have 1024 with the run's own folders and names behind it (S3's limit)."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_DESTINATION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_OTHER_REPOS: Final = re.compile(r"(?:^|/)(?:datasets|spaces)/")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where results go; keys and tokens are passed beside it, never inside.

    Attributes:
        kind: `local` is our own S3-compatible receiver, `s3` another bucket, `hub` the Hugging Face
            Hub, `none` leaves everything in the container, where it is lost.
        hub_model_id: `owner/name`, for hub; None takes the config's.
        bucket: for local and s3, like all that follow.
        base_path: prefix of all keys. The trainer adds the name of its output folder, but no job
            id, so this should be different for every job.
        region: S3 region.
        endpoint_url: for anything but AWS.
        public_base_url: only used by the trainer to print links.
        destination: name of the user's destination whose keys open the bucket; for s3.
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


def job_prefix(prefix: str | None) -> str:
    """A prefix that no other job has: with the job's id in it, where the user put it or behind."""
    given = (prefix or DEFAULT_PREFIX).strip("/")
    return given if JOB_ID in given else f"{given}/{JOB_ID}"


def default_delivery_kind(config: TrainingConfig) -> DeliveryKind:
    """What the config itself asks for; our own receiver where it asks for nothing."""
    if config.push_to_hub:
        return "hub"
    targets = publishing_targets(config.values.get("publishing_config"))
    return "s3" if any(is_s3(target) for target in targets) else "local"


def publishing_targets(value: Any) -> list[Mapping[str, Any]]:
    """The targets of a `publishing_config`, which may be one, a list, or JSON of either.

    A path to a file elsewhere has none that are known here.
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
    """`owner/name` (or a bare name) from what people paste, or None when it is no repository.

    Web addresses, `hf.co/`, `/tree/main`, queries and fragments are taken off.
    """
    given = text.strip()
    if "://" in given or given.startswith(("huggingface.co/", "hf.co/", "www.huggingface.co/")):
        try:
            parts = urlsplit(given if "://" in given else f"https://{given}")
        except ValueError:  # half an IPv6 address
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

    It matters for delivery: by the S3 protocol the trainer uploads final files only after a
    validation.
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
        ValueError: it is none; in words.
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
    """The address under which a bucket can be read, as links begin with it.

    Raises:
        ValueError: it is none; in words that go on from the field's name.
    """
    expected = "must be an address such as https://files.example.org"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if not usable or not text.isprintable() or " " in text:
        raise ValueError(expected)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password: whoever sees a link can read them")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment")
    return text.rstrip("/")


READERS: Final[dict[str, Callable[[str], str]]] = {
    "hub_model_id": read_repo,
    "destination": _destination,
    "bucket": _bucket,
    "region": _region,
    "prefix": _prefix,
    "public_base_url": public_url,
}
"""By field of a draft's delivery."""


def read_field(name: str, text: Any) -> str:
    """A field's value as it is kept.

    Raises:
        ValueError: it cannot be that; in words that go on from the field's name.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError("must not be empty")
    return READERS[name](text.strip())
