"""What is in the data of a job: captions, sizes, buckets, what is left out and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tui.app.keys.choices import in_app
from tui.app.terminal.text_lines import plain
from tui.app.widgets.entry_list import Entry, entry
from tui.base import formatting

_LABEL: Final = 11
_BAR: Final = 24
_NAMES: Final = 200


def data_entries(answer: Mapping[str, Any], width: int) -> list[Entry]:
    """Returns a card for each dataset, caches last in one line each."""
    datasets = list(answer.get("datasets") or ())
    trained = [dataset for dataset in datasets if dataset.get("kind") != "cache"]
    lines: list[Entry] = []
    for dataset in trained:
        lines += [Entry()] if lines else []
        lines += _card(dataset, width)
    caches = [plain(str(one.get("id"))) for one in datasets if one.get("kind") == "cache"]
    if caches:
        lines += [Entry(), *labelled("Caches", ", ".join(caches), width)]
    return lines or [entry("No dataset is known: the dataloader names none.", "base")]


def _card(dataset: Mapping[str, Any], width: int) -> Iterator[Entry]:
    off = " · disabled: the trainer leaves it out" if dataset.get("disabled") else ""
    about = f"   {dataset.get('kind')} · {dataset.get('dataset_type') or 'image'}{off}"
    yield entry(plain(str(dataset.get("id"))), "strong", (plain(about), "dim"))
    if dataset.get("path"):
        yield from labelled("Folder", str(dataset["path"]), width)
    images = int(dataset.get("images") or 0)
    if dataset.get("kind") != "local":
        yield from labelled("Samples", "fetched by the trainer; they are not known here", width)
    else:
        size = formatting.size(dataset.get("bytes"))
        yield from labelled("Images", f"{images}, {size} with their captions", width)
        yield from _captions(dataset, images, width)
        yield from _sizes(dataset, width)
    yield from _buckets(dataset, width)
    for problem in dataset.get("problems") or ():
        words = f"{problem.get('message')}. {problem.get('advice') or ''}".strip()
        yield from labelled("Problem", in_app(words), width, "bad")
    yield from _skipped(dataset, width)


def _captions(dataset: Mapping[str, Any], images: int, width: int) -> Iterator[Entry]:
    strategy = str(dataset.get("caption_strategy") or "")
    yield from labelled(
        "Captions", f"{dataset.get('captions') or 0} of {images}, by {strategy}", width
    )
    for name, words in (("missing_captions", "without one"), ("empty_captions", "with no text")):
        if names := dataset.get(name):
            yield from labelled("", f"{len(names)} {words}: {_names(names)}", width, "warn")


def _sizes(dataset: Mapping[str, Any], width: int) -> Iterator[Entry]:
    if sizes := dataset.get("sizes"):
        low = f"{sizes['smallest_width']}×{sizes['smallest_height']}"
        high = f"{sizes['largest_width']}×{sizes['largest_height']}"
        words = low if low == high else f"{low} to {high}"
        yield from labelled("Sizes", f"{words} pixels, as they are shown", width)
    if small := dataset.get("small_images"):
        words = f"{len(small)} below the training size: {_names(small)}"
        yield from labelled("", words, width, "warn")
    if corrupt := dataset.get("corrupt_images"):
        yield from labelled("", f"{len(corrupt)} cannot be read: {_names(corrupt)}", width, "bad")


def _buckets(dataset: Mapping[str, Any], width: int) -> Iterator[Entry]:
    """Yields a bar for each bucket, marked where it does not fill a step."""
    need, repeats = int(dataset.get("samples_per_step") or 1), int(dataset.get("repeats") or 0)
    buckets: Sequence[Mapping[str, Any]] = dataset.get("buckets") or ()
    most = max((int(bucket["images"]) for bucket in buckets), default=1)
    for number, bucket in enumerate(buckets):
        count = int(bucket["images"])
        bar = "█" * max(1, round(_BAR * count / most))
        size = f"{bucket['width']}×{bucket['height']}"
        fills = count * (repeats + 1) >= need
        words = formatting.plural(count, "image")
        yield entry(("Buckets" if not number else "").ljust(_LABEL), "dim",
                    (f"{bucket['aspect']:<5} {size:<10} ", "base"),
                    (bar.ljust(_BAR), "accent" if fills else "warn"),
                    (f" {words}" + ("" if fills else f"; a step takes {need}"),
                     "base" if fills else "warn"))  # fmt: skip
    if buckets:
        again = "each once" if not repeats else f"each {repeats + 1} times"
        samples = formatting.plural(need, "image")
        yield from labelled("", f"{again} in an epoch; a step takes {samples} of one bucket", width)


def _skipped(dataset: Mapping[str, Any], width: int) -> Iterator[Entry]:
    reasons: dict[str, list[str]] = {}
    for item in dataset.get("skipped") or ():
        reasons.setdefault(str(item.get("reason")), []).append(str(item.get("path")))
    for number, (reason, names) in enumerate(reasons.items()):
        words = f"{formatting.plural(len(names), 'file')} ({reason}): {_names(names)}"
        yield from labelled("Left out" if not number else "", words, width)


def _names(names: Sequence[Any]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(str(name) for name in names[:_NAMES]) + more


def labelled(label: str, words: str, width: int, tone: str = "base") -> list[Entry]:
    """Returns a label and its words, wrapped beside it."""
    parts = textwrap.wrap(plain(words), max(20, width - _LABEL)) or [""]
    labels = [label, *[""] * (len(parts) - 1)]
    return [entry(one.ljust(_LABEL), "dim", (part, tone))
            for one, part in zip(labels, parts, strict=True)]  # fmt: skip
