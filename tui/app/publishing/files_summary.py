"""What files are, taken together: kinds and sizes, what the weights hold, where they are proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui.app.publishing.pages import fact
from tui.app.publishing.text import best_means, checkpoint_name, place, weights
from tui.app.widgets.entry_list import Entry
from tui.base import formatting
from tui.base.formatting import plural

Known = Mapping[str, Any]
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")
_NEWEST: Final = 3
"""Pictures that are named."""


def files_summary(
    files: Sequence[Known], checkpoints: Sequence[Known] = (), *, unfetched: int = 0
) -> list[Entry]:
    """Returns what a tree of the same files does not say.

    Args:
        files: those of a job or of a checkpoint.
        checkpoints: rows of the comparison that the files belong to.
        unfetched: further files that were never here.
    """
    lines = [
        line
        for words, of_kind in _kinds(files)
        for line in _kind(words, of_kind, alone=len(checkpoints) <= 1)
    ]
    if len(checkpoints) == 1:
        lines = [*_step(checkpoints[0]), *lines]
    lines += [Entry(), *_places(files, unfetched)]
    if best := next((one for one in checkpoints if one["best"]), None):
        name = checkpoint_name(best["step"])
        lines += [Entry(), fact("Best", f"{name}. {best_means(best)}", "good")]
    return lines


def _kinds(files: Sequence[Known]) -> list[tuple[str, list[Known]]]:
    kinds: dict[str, list[Known]] = {"Weights": [], "Pictures": [], "Others": []}
    for file in files:
        picture = str(file["name"]).lower().endswith(_PICTURES)
        kind = "Weights" if file.get("weights") else "Pictures" if picture else "Others"
        kinds[kind].append(file)
    return [(kind, found) for kind, found in kinds.items() if found]


def _kind(label: str, files: Sequence[Known], *, alone: bool) -> list[Entry]:
    size = formatting.size(sum(int(file["size"]) for file in files))
    said = f"{plural(len(files), 'file')}, {size}"
    if label == "Weights":
        held = Counter(weights(file["weights"]) for file in files)
        words = [f"{count} {what}" if len(held) > 1 else what for (what, _), count in held.items()]
        tone = "bad" if any(tone == "bad" for _, tone in held) else "base"
        lines = [fact(label, f"{said}: {', '.join(words)}", tone)]
        if len(files) == 1 and alone:
            lines.append(fact("SHA-256", str(files[0].get("sha256") or "not computed yet")))
        return lines
    if label == "Pictures":
        newest = [str(file["name"]).rpartition("/")[2] for file in files[-_NEWEST:]]
        return [fact(label, f"{said}, the last: {', '.join(reversed(newest))}")]
    return [fact(label, said)]


def _step(checkpoint: Known) -> list[Entry]:
    if checkpoint.get("at") is None:
        return []
    loss = ""
    if checkpoint.get("smoothed") is not None:
        mean = formatting.number(checkpoint["smoothed"])
        steps = plural(checkpoint["window"], "step")
        loss = f", mean loss {mean} of the {steps} up to it, {checkpoint['loss']:.3g} at it"
    return [fact("Step", f"{checkpoint['at']:,}{loss}")]


def _places(files: Sequence[Known], unfetched: int) -> list[Entry]:
    """Returns how much is here, and each place that was proven to have copies."""
    here = sum(bool(file["here"]) for file in files)
    total = len(files) + unfetched
    lines = [fact("Here", _share(here, total), "base" if here == total else "warn")]
    copies: dict[str, list[Known]] = {}
    doubtful: dict[str, int] = {}
    for file in files:
        latest = {str(copy["target"]): copy for copy in file.get("published") or ()}
        for target, copy in latest.items():
            copies.setdefault(target, []).append(copy)
        for target in {str(copy["target"]) for copy in file.get("unverified") or ()}:
            doubtful[target] = doubtful.get(target, 0) + 1
    for target, found in copies.items():
        at = max(str(copy.get("at", "")) for copy in found)[:16].replace("T", " ")
        said = f"✓ {place(target)}: {_share(len(found), len(files))}, verified {at}"
        lines.append(fact("Published", said, "good"))
    for target, count in doubtful.items():
        said = f"{place(target)}: {_share(count, len(files))} sent, which nobody may look at there"
        lines.append(fact("Not verified", said, "warn"))
    alone = sum(bool(file["here"]) and not file.get("published") for file in files)
    if not copies and not doubtful:
        lines.append(fact("Published", "nowhere yet; p publishes it"))
    elif alone:
        lines.append(fact("Only here", plural(alone, "file"), "warn"))
    return lines


def _share(some: int, total: int) -> str:
    if some == total:
        return "all of it" if total != 1 else "the file"
    return f"{some} of {plural(total, 'file')}"
