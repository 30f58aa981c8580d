"""Pages to read: everything about a file, a checkpoint comparison, a test, a transfer. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len

from tui import formatting
from tui.app.cards.words import MARKS
from tui.app.shelf.words import STATES, best_means, checkpoint_name, place, unfetched, weights
from tui.app.widgets.piece_list import Entry
from tui.store.transfer_records import TransferItem, TransferRecord

Known = Mapping[str, Any]
_LABEL = 13


def wrapped(entries: Sequence[Entry], width: int) -> list[Entry]:
    """Labelled lines that are too long go on below, under their text."""
    lines: list[Entry] = []
    for one in entries:
        if len(one.words) != 2 or len(one.words[0][0]) != _LABEL or cell_len(one.text) <= width:
            lines.append(one)
            continue
        (label, quiet), (text, tone) = one.words
        parts = textwrap.wrap(text, max(20, width - _LABEL), break_on_hyphens=False)
        lines += [
            Entry((((" " * _LABEL if number else label), quiet), (part, tone)), one.copy,
                  link=one.link)
            for number, part in enumerate(parts)
        ]  # fmt: skip
    return lines


def _line(label: str, text: str, tone: str = "base", *, link: str = "", copy: str = "") -> Entry:
    return Entry(((label.ljust(_LABEL), "dim"), (text, tone)), copy or text, link=link)


def file_page(file: Known) -> list[Entry]:
    """What a file is, what it holds, where it is, and whether it may be deleted here."""
    lines = [
        _line("Name", str(file["name"])),
        _line("Here", str(file["path"]) if file["here"] else _why_gone(file),
              "base" if file["here"] else "warn"),
        _line("Size", f"{formatting.size(file['size'])}, {file['size']:,} bytes"),
        _line("SHA-256", str(file["sha256"])),
    ]  # fmt: skip
    if file.get("weights"):
        lines += _weights_lines(file["weights"])
    lines.append(Entry())
    published = file.get("published") or []
    for one in published:
        link = str(one.get("link") or "")
        at = str(one.get("at", ""))[:16].replace("T", " ")
        lines.append(_line("Published", f"✓ {place(one['target'])}, verified {at}", "good"))
        if link:
            lines.append(_line("", link, "accent", link=link))
    if not published:
        lines.append(_line("Published", "nowhere yet; p publishes it"))
    return [*lines, Entry(), _safety(file)]


def _why_gone(file: Known) -> str:
    return str(file.get("missing") or "it was moved, changed or deleted; f fetches it again")


def _safety(file: Known) -> Entry:
    if not file["here"]:
        return _line("Delete", "it is not here")
    if not file.get("published"):
        return _line("Delete", "not safe: this is the only copy", "warn")
    words = "safe: d deletes it here, after looking at the other copy once more"
    return _line("Delete", words, "good")


def _weights_lines(found: Known) -> list[Entry]:
    words, tone = weights(found)
    if found.get("problem"):
        return [_line("Holds", f"{words}: {found['problem']}", tone)]
    dtypes = found.get("dtypes") or {}
    types = ", ".join(f"{count:,} × {name.lower()}" for name, count in dtypes.items())
    lines = [
        _line("Holds", words),
        _line("Tensors", f"{found['tensors']:,} with {found['parameters']:,} parameters; {types}"),
    ]
    for number, (name, value) in enumerate((found.get("metadata") or {}).items()):
        lines.append(_line("Metadata" if not number else "", f"{name} = {value}"))
    return lines


def missing_page(one: Known, now: datetime) -> list[Entry]:
    """Something that is not here: why, how long it can be had, what to do."""
    glyph, words, tone = unfetched(one, now)
    lines = [
        _line("Name", str(one["name"])),
        _line("Made at", {"hub": "the Hub", "s3": "the bucket"}.get(one["origin"], "Replicate")),
        _line("State", f"{glyph} {words}", tone),
    ]
    if one.get("size"):
        lines.append(_line("Size", f"{formatting.size(one['size'])}, {one['size']:,} bytes"))
    if one.get("until"):
        lines.append(_line("Deleted", f"there at {str(one['until'])[:16].replace('T', ' ')} UTC"))
    advice = str(one.get("advice") or "")
    return [*lines, Entry(), _line("What to do", f"{advice} f fetches it now.".strip())]


def compare_page(checkpoints: Sequence[Known]) -> list[Entry]:
    """Checkpoints by step and loss, a bar for each loss, and what makes one the best."""
    values = [one["smoothed"] for one in checkpoints if one["smoothed"] is not None]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    lines = [
        Entry(
            (("  CHECKPOINT          STEP      MEAN LOSS  AT THE STEP   FILES       SIZE", "dim"),)
        )
    ]
    for one in checkpoints:
        smoothed = one["smoothed"]
        share = 0.0 if smoothed is None else (smoothed - low) / (high - low) if high > low else 1.0
        step = "—" if one["at"] is None else f"{one['at']:,}"
        words = (
            f"{checkpoint_name(one['step']):<18} {step:>6}  {formatting.number(smoothed):>13}"
            f"  {formatting.number(one['loss']):>11}  {one['files']:>6}"
            f"  {formatting.size(one['size']):>9}  "
        )
        mark = ("★ ", "good") if one["best"] else ("  ", "base")
        lines.append(Entry((mark, (words, "base"), ("━" * (1 + round(share * 11)), "accent"))))
    best = next((one for one in checkpoints if one["best"]), None)
    lines.append(Entry())
    if best is not None:
        lines.append(Entry(((f"★ {best_means(best)}", "dim"),)))
    else:
        lines.append(Entry((("No loss was measured, so none of them is the best.", "dim"),)))
    return lines


def test_page(tested: Known) -> list[Entry]:
    """Steps of a destination's test."""
    lines = []
    for step in tested.get("steps") or ():
        mark, tone = MARKS.get(str(step.get("level")), ("·", "dim"))
        lines.append(Entry(((f"{mark} ", tone), (str(step.get("message", "")), "base"))))
        if step.get("advice") and step.get("level") != "ok":
            lines.append(Entry(((f"  {step['advice']}", "dim"),)))
    return lines


def transfer_page(
    one: TransferRecord, job: str, items: Sequence[TransferItem], done: Mapping[int, int]
) -> list[Entry]:
    """Everything about a transfer: how it stands, why, and each file."""
    glyph, word, tone = STATES[one.state]
    lines = [
        _line("What", f"{formatting.plural(len(items), 'file')} of {job}"),
        _line("To", place(one.target)),
        _line("State", f"{glyph} {word}", tone),
    ]
    if one.message:
        lines.append(_line("Why", one.message, "bad" if one.state == "failed" else "warn"))
    if one.advice:
        lines.append(_line("Do", one.advice))
    if one.retry_at is not None:
        lines.append(
            _line("Next try", f"{formatting.clock(one.retry_at)}, number {one.attempts + 1}")
        )
    if one.link:
        lines.append(_line("Link", one.link, "accent", link=one.link))
    lines += [_line("Note", note) for note in one.notes]
    lines += [_line("Command", f"simpletuner-tui transfers retry {one.transfer_id}")] * (
        one.state == "failed"
    )
    lines.append(Entry())
    return [*lines, *(_item_line(item, done) for item in items)]


_ITEMS = {
    "waiting": ("◌", "waiting", "dim"), "sent": ("▲", "sent, not verified yet", "accent"),
    "there": ("✓", "was there already", "good"), "verified": ("✓", "verified", "good"),
}  # fmt: skip


def _item_line(item: TransferItem, done: Mapping[int, int]) -> Entry:
    glyph, word, tone = _ITEMS.get(item.state, ("·", item.state, "dim"))
    sent = done.get(item.seq, 0)
    if item.state == "waiting" and sent:
        glyph, tone = "●", "accent"
        word = f"{formatting.size(sent)}, {100 * sent // max(1, item.size)} %"
    word += {"there": ", was there already", "copied": ", copied by the far end"}.get(
        item.came if item.state != "there" else "", ""
    )
    if item.proof:
        word += f" by {item.proof}"
    words = ((f"{glyph} ", tone), (f"{formatting.size(item.size):>9}  ", "base"),
             (f"{item.name}  ", "base"), (word, tone))  # fmt: skip
    return Entry(words, item.link or item.name, link=item.link)
