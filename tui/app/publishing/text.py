"""Short texts about places, weights, checkpoints and files; no widgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from tui.base import formatting
from tui.store.transfer_records import DestinationRecord, TransferState

Known = Mapping[str, Any]
PROVIDERS: Final = {
    "aws": "Amazon S3", "minio": "MinIO", "b2": "Backblaze B2", "r2": "Cloudflare R2",
    "wasabi": "Wasabi", "custom": "other S3 server",
}  # fmt: skip
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
STATES: Final = {
    TransferState.QUEUED: ("◌", "waiting", "dim"),
    TransferState.RUNNING: ("●", "sending", "accent"),
    TransferState.PAUSED: ("○", "paused", "warn"),
    TransferState.DONE: ("✓", "done", "good"),
    TransferState.UNVERIFIED: ("▲", "sent, cannot be verified", "warn"),
    TransferState.FAILED: ("✗", "failed", "bad"),
    TransferState.CANCELLED: ("⊘", "cancelled", "dim"),
}
"""Glyph, word and tone of each state of a transfer."""


def where(target: str, destinations: Iterable[DestinationRecord] = ()) -> str:
    """Returns a target in few letters: `Hub`, or the name of the destination or folder."""
    kind, _, rest = target.partition(":")
    if kind == "hub":
        return "Hub"
    if kind == "s3":
        return rest.partition("/")[0]
    for record in destinations:
        path = str(record.options.get("path", "")) if record.kind == "folder" else ""
        if path and (rest == path or rest.startswith(f"{path.rstrip('/')}/")):
            return record.name
    return PurePath(rest).name or rest


def apart(targets: Sequence[str], destinations: Iterable[DestinationRecord] = ()) -> list[str]:
    """Returns the same of several targets, longer where two would have the same text."""
    known = list(destinations)
    ways = (
        [where(target, known) for target in targets],
        [_nearer(target, known) for target in targets],
        [place(target) for target in targets],
    )
    counts = [Counter(names) for names in ways]
    return [
        next((names[at] for names, count in zip(ways, counts, strict=True)
              if count[names[at]] == 1), ways[-1][at])
        for at in range(len(targets))
    ]  # fmt: skip


def _nearer(target: str, destinations: Iterable[DestinationRecord]) -> str:
    """Returns a target with the end of its path: `Hub cat-lora`, `mine/runs`."""
    kind, _, rest = target.partition(":")
    end = PurePath(rest.rstrip("/")).name
    name = where(target, destinations)
    return f"Hub {end}" if kind == "hub" else name if name == end else f"{name}/{end}"


def place(target: str) -> str:
    """Returns a target for a list: `Hub alice/cat`, `s3 mine/runs`, `/models/cat`."""
    kind, _, rest = target.partition(":")
    return {"hub": f"Hub {rest}", "s3": f"s3 {rest.rstrip('/')}"}.get(kind, rest)


def destination(record: DestinationRecord) -> tuple[str, str]:
    """Returns kind and place of a destination."""
    options = record.options
    if record.kind == "hub":
        return (
            "Hub",
            f"{options.get('repo', '')}, {'private' if options.get('private') else 'public'}",
        )
    if record.kind == "folder":
        return "folder", str(options.get("path", ""))
    endpoint = options.get("endpoint")
    server = urlsplit(endpoint).netloc if endpoint else str(options.get("region", ""))
    prefix = str(options.get("prefix", "")).strip("/")
    bucket = f"{options.get('bucket', '')}/{prefix}".rstrip("/")
    return PROVIDERS.get(str(options.get("preset")), "S3"), f"{bucket} at {server}"


_WARNINGS: Final = (
    ("no TLS", "not encrypted"), ("Certificates", "certificates not checked"),
    ("anyone", "anyone can read it"),
)  # fmt: skip


def warnings(tested: Known) -> str:
    """Returns the warnings of a test that went well; empty for none."""
    said = [str(one.get("message", "")) for one in tested.get("steps") or ()
            if one.get("level") == "warn"]  # fmt: skip
    short = [words for sign, words in _WARNINGS if any(sign in one for one in said)]
    return ", ".join(short) or ("with a warning; enter shows it" if said else "")


def weights(known: Known | None) -> tuple[str, str]:
    """Returns what a safetensors file holds, in few letters, and a tone."""
    if not known:
        return "", "dim"
    if known.get("truncated"):
        return "✗ truncated", "bad"
    if known.get("problem"):
        return "✗ damaged", "bad"
    kind = {"lora": "LoRA", "lycoris": "LyCORIS", "full": "full model"}.get(str(known.get("kind")))
    words = [kind or "tensors"]
    if known.get("rank"):
        words.append(f"rank {known['rank']}")
    words += [main_type(known.get("dtypes") or {})]
    return " ".join(filter(None, words)), "base"


def main_type(dtypes: Mapping[str, int]) -> str:
    """Returns the type of most tensors: `bf16`."""
    return max(dtypes, key=lambda name: dtypes[name]).lower() if dtypes else ""


def loss_words(row: Known) -> str:
    """Returns a checkpoint's loss: the mean of the steps before it, as one step's is noisy."""
    if not row.get("weights", True):
        return "no weights"
    value = row.get("smoothed")
    if value is None:
        return "no loss"
    return f"loss {formatting.number(value)}{' best' if row.get('best') else ''}"


def best_means(row: Known) -> str:
    """Returns why a checkpoint is called the best."""
    return (
        f"The best is the one with the lowest loss, taken as the mean of the "
        f"{formatting.plural(row['window'], 'step')} up to it: "
        f"{formatting.number(row['smoothed'])}."
    )


def checkpoint_name(step: int | None, *, weights: bool = True) -> str:
    """Returns the name of a checkpoint, or of the files that belong to none.

    Args:
        step: of the checkpoint; None for the files outside of all checkpoints.
        weights: whether weights are among them; else they are pictures, settings and the like.
    """
    if step is None:
        return "final weights" if weights else "other files"
    return f"checkpoint-{step}"


def is_safe(file: Known) -> bool:
    """Returns whether a file is here and, as far as is known, elsewhere as well."""
    return bool(file.get("here")) and bool(file.get("published"))


def day(moment: datetime) -> str:
    """Returns a day in the user's zone: `Nov 27`."""
    local = moment.astimezone()
    return f"{_MONTHS[local.month - 1]} {local.day}"


def progress(done: int, total: int, width: int) -> str:
    """Returns a bar in half cells."""
    if total <= 0:
        return "─" * width
    halves = min(2 * width, 2 * width * done // total)
    full, rest = divmod(halves, 2)
    return ("━" * full + "╸" * rest).ljust(width, "─")


def unfetched(file: Known, now: datetime) -> tuple[str, str, str]:
    """Returns glyph, text and tone of a file that is not here.

    How far it is or why it is not here, and how long it can still be had.
    """
    done, size, why = int(file.get("done") or 0), int(file.get("size") or 0), str(file["why"])
    left = time_left(file, now)
    far = f"{100 * done // size} % of {formatting.size(size)}" if size else ""
    if file["state"] == "fetching":
        glyph, tone, said = "●", "accent", ["fetching", far, left]
    elif file["state"] == "waiting":
        again = "tried again by itself" if why else ""
        glyph, tone = "!", "warn"
        said = [why.rstrip(".") or "not fetched yet", far if done else "", left, again]
    else:
        glyph, tone, said = "✗", "bad", [why.rstrip("."), left]
    return glyph, " · ".join(filter(None, said)), tone


def time_left(file: Known, now: datetime) -> str:
    """Returns how long a file can still be fetched; empty where nothing limits it."""
    if not file.get("until"):
        return ""
    left = (datetime.fromisoformat(str(file["until"])) - now).total_seconds()
    return f"deleted there in {formatting.duration(left)}" if left > 0 else "deleted there by now"
