"""Which bucket a job delivered to: from its inputs, or from what its output names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from tui.engine.results.replicate_outputs import texts_of
from tui.store.records import JobRecord
from tui.store.transfer_records import DestinationRecord

_DEFAULT_PREFIX: Final = "simpletuner"
_PORTS: Final = {"http": 80, "https": 443}


def bucket_of(job: JobRecord, records: Sequence[DestinationRecord]) -> dict[str, str] | None:
    """The bucket that the trainer was given, or that the output names; not our own receiver's.

    Args:
        job: as it is known.
        records: the user's destinations; an output that is a web address is told by them alone.

    Returns:
        `{bucket, endpoint, region, prefix, destination}`, empty where it is not known.
    """
    if job.delivery == "local":
        return None
    inputs = job.inputs
    draft = job.submit.get("draft", {}).get("delivery") or {}
    if bucket := _text(inputs.get("s3_bucket")):
        return {
            "bucket": bucket,
            "endpoint": _text(inputs.get("s3_endpoint_url")),
            "region": _text(inputs.get("s3_region")),
            "prefix": (_text(inputs.get("s3_base_path")) or _DEFAULT_PREFIX).strip("/"),
            "destination": _text(draft.get("destination")),
        }
    for text in texts_of(job.output):
        parts = _split(text)
        if parts is None:
            continue
        if parts.scheme == "s3" and parts.netloc:
            return {
                "bucket": parts.netloc, "endpoint": "", "region": "",
                "prefix": unquote(parts.path).strip("/"), "destination": "",
            }  # fmt: skip
        if parts.scheme in _PORTS and (known := _at_destination(parts, records)) is not None:
            return known
    return None


def _at_destination(
    parts: SplitResult, records: Sequence[DestinationRecord]
) -> dict[str, str] | None:
    """What an address is at one of the user's destinations, the one that tells most of it.

    Only names are read from the address: what is asked, and gets the keys, is the destination's own
    endpoint.
    """
    found: tuple[int, dict[str, str]] | None = None
    path = unquote(parts.path)
    for record in records:
        if record.kind != "s3":
            continue
        for base in _bases(record.options):
            top = unquote(base.path).rstrip("/")
            if _host(base) != _host(parts) or not f"{path}/".startswith(f"{top}/"):
                continue
            if found is None or len(top) > found[0]:
                told = {
                    "bucket": str(record.options["bucket"]),
                    "endpoint": _text(record.options.get("endpoint")),
                    "region": "",
                    "prefix": path[len(top) :].strip("/"),
                    "destination": record.name,
                }
                found = len(top), told
    return found[1] if found is not None else None


def _bases(options: dict[str, Any]) -> Iterator[SplitResult]:
    """Addresses that a bucket's objects are below: both styles, and what the public sees."""
    bucket, endpoint = str(options["bucket"]), _text(options.get("endpoint"))
    if endpoint:
        ends = [endpoint]
    else:
        region = _text(options.get("region")) or "us-east-1"
        ends = [f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com"]
    texts = [_text(options.get("public_base_url"))]
    for end in ends:
        parts = urlsplit(end)
        texts.append(f"{end.rstrip('/')}/{bucket}")
        texts.append(f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path.rstrip('/')}")
    for text in texts:
        parsed = _split(text)
        if parsed is not None and parsed.hostname:
            yield parsed


def _split(text: str) -> SplitResult | None:
    """An address, or None: an output is text that a model wrote, a port may be anything."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> tuple[str, int | None]:
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
