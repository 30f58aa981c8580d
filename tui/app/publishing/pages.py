"""Pages to read: a file, a comparison of checkpoints, a test, a transfer; no widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len

from tui.app.cloud.text import MARKS
from tui.app.keys.choices import in_app
from tui.app.publishing.text import STATES, best_means, checkpoint_name, place, unfetched, weights
from tui.app.terminal.text_lines import fit, unbreakable
from tui.app.widgets.entry_list import Entry
from tui.base import formatting
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState

Known = Mapping[str, Any]
_LABEL = 13
_COLUMNS: Final = (
    ("CHECKPOINT", 17, False, 0), ("STEP", 7, True, 0), ("MEAN LOSS", 9, True, 0),
    ("AT STEP", 9, True, 60), ("FILES", 5, True, 66), ("SIZE", 9, True, 0),
)  # fmt: skip
"""Of the comparison: heading, cells, whether figures end at its edge, the least width it needs."""
_LEAST_BAR: Final = 5


def wrapped(entries: Sequence[Entry], width: int) -> list[Entry]:
    """Wraps long lines; they go on under their text, or under what follows their mark."""
    return [part for entry in entries for part in _wrapped(entry, width)]


def _wrapped(entry: Entry, width: int) -> list[Entry]:
    if cell_len(entry.text) <= width:
        return [entry]
    labelled = len(entry.words[0][0]) == _LABEL and len(entry.words) > 1
    lead = entry.words[:1] if labelled or len(entry.words[0][0]) == 2 else ()
    indent = " " * (_LABEL if labelled else 2)
    lines: list[list[tuple[str, str]]] = [list(lead)]
    used, after = sum(cell_len(text) for text, _ in lead), ""
    most = max(20, width - len(indent))
    for text, tone in entry.words[len(lead) :]:
        for gap, part in unbreakable(text, most):
            begins = len(lines[-1]) <= (len(lead) if len(lines) == 1 else 1)
            between = after + gap
            if not begins and used + cell_len(between + part) > width:
                lines.append([(indent, "base")])
                used, between = len(indent), ""
            lines[-1].append((between + part, tone))
            used += cell_len(between + part)
            after = ""
        after += text[len(text.rstrip()) :]
    return [Entry(tuple(words), entry.copy, link=entry.link) for words in lines]


def fact(label: str, text: str, tone: str = "base", *, link: str = "", copy: str = "") -> Entry:
    """Returns a line with a label that `wrapped` knows."""
    return Entry(((label.ljust(_LABEL), "dim"), (text, tone)), copy or text, link=link)


def file_page(file: Known) -> list[Entry]:
    """Returns what a file is and holds, where it is, and whether it may be deleted here."""
    lines = [
        fact("Name", str(file["name"])),
        fact("Here", str(file["path"]) if file["here"] else _why_gone(file),
              "base" if file["here"] else "warn"),
        fact("Size", _size(file["size"])),
        fact("SHA-256", str(file["sha256"])),
    ]  # fmt: skip
    if file.get("weights"):
        lines += _weights_lines(file["weights"])
    lines.append(Entry())
    published = file.get("published") or []
    for copy in published:
        link = str(copy.get("link") or "")
        at = str(copy.get("at", ""))[:16].replace("T", " ")
        lines.append(fact("Published", f"✓ {place(copy['target'])}, verified {at}", "good"))
        if link:
            lines.append(fact("", link, "accent", link=link))
    if not published:
        lines.append(fact("Published", "nowhere yet; p publishes it"))
    return [*lines, Entry(), _safety(file)]


def _why_gone(file: Known) -> str:
    return str(file.get("missing") or "it was moved, changed or deleted; f fetches it again")


def _safety(file: Known) -> Entry:
    if not file["here"]:
        return fact("Delete", "it is not here")
    if not file.get("published"):
        return fact("Delete", "not safe: this is the only copy", "warn")
    words = "safe: d deletes it here, after looking at the other copy once more"
    return fact("Delete", words, "good")


def _weights_lines(known: Known) -> list[Entry]:
    words, tone = weights(known)
    if known.get("problem"):
        return [fact("Holds", f"{words}: {known['problem']}", tone)]
    dtypes = known.get("dtypes") or {}
    types = ", ".join(f"{count:,} × {name.lower()}" for name, count in dtypes.items())
    lines = [
        fact("Holds", words),
        fact(
            "Tensors",
            f"{known['tensors']:,} with "
            f"{formatting.plural(known['parameters'], 'parameter')}; {types}",
        ),
    ]
    for number, (name, value) in enumerate((known.get("metadata") or {}).items()):
        lines.append(fact("Metadata" if not number else "", f"{name} = {value}"))
    return lines


def missing_page(file: Known, now: datetime) -> list[Entry]:
    """Returns why a file is not here, how long it can be fetched, and what to do."""
    glyph, words, tone = unfetched(file, now)
    lines = [
        fact("Name", str(file["name"])),
        fact("Made at", {"hub": "the Hub", "s3": "the bucket"}.get(file["origin"], "Replicate")),
        fact("State", f"{glyph} {words}", tone),
    ]
    if file.get("size"):
        lines.append(fact("Size", _size(file["size"])))
    if file.get("until"):
        lines.append(fact("Deleted", f"there at {str(file['until'])[:16].replace('T', ' ')} UTC"))
    advice = in_app(str(file.get("advice") or ""))
    return [*lines, Entry(), fact("What to do", f"{advice} f fetches it now.".strip())]


def compare_page(checkpoints: Sequence[Known], width: int = 120) -> list[Entry]:
    """Returns checkpoints with step and loss, a bar for each loss, and which is the best."""
    values = [one["smoothed"] for one in checkpoints if one["smoothed"] is not None]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    columns = [one for one in _COLUMNS if width >= one[3]]
    room = width - 2 - sum(cells + 2 for _, cells, _, _ in columns)
    head = "  ".join(fit(name, cells, right=right) for name, cells, right, _ in columns)
    lines = [Entry(((f"  {head}", "dim"),))]
    for one in checkpoints:
        smoothed = one["smoothed"]
        share = (smoothed - low) / (high - low) if smoothed is not None and high > low else 1.0
        said = {
            "CHECKPOINT": checkpoint_name(one["step"], weights=bool(one.get("weights", True))),
            "STEP": "—" if one["at"] is None else f"{one['at']:,}",
            "MEAN LOSS": formatting.number(smoothed),
            "AT STEP": formatting.number(one["loss"]),
            "FILES": str(one["files"]),
            "SIZE": formatting.size(one["size"]),
        }
        words = "  ".join(fit(said[name], cells, right=right) for name, cells, right, _ in columns)
        mark = ("★ ", "good") if one["best"] else ("  ", "base")
        bar = (
            "━" * (1 + round(share * (min(12, room) - 1)))
            if smoothed is not None and room >= _LEAST_BAR
            else ""
        )
        lines.append(Entry((mark, (words, "base"), (f"  {bar}" if bar else "", "accent"))))
    best = next((one for one in checkpoints if one["best"]), None)
    lines.append(Entry())
    if best is not None:
        lines.append(Entry((("★ ", "dim"), (best_means(best), "dim"))))
    else:
        lines.append(Entry((("No loss was measured, so none of them is the best.", "dim"),)))
    return lines


def test_page(tested: Known) -> list[Entry]:
    """Returns the steps of a destination's test."""
    lines = []
    for step in tested.get("steps") or ():
        mark, tone = MARKS.get(str(step.get("level")), ("·", "dim"))
        lines.append(Entry(((f"{mark} ", tone), (in_app(str(step.get("message", ""))), "base"))))
        if step.get("advice") and step.get("level") != "ok":
            lines.append(Entry(((f"  {in_app(str(step['advice']))}", "dim"),)))
    return lines


def transfer_page(
    transfer: TransferRecord, job: str, items: Sequence[TransferItem], done: Mapping[int, int]
) -> list[Entry]:
    """Returns everything about a transfer: its state, the reason, and each file."""
    glyph, word, tone = STATES[transfer.state]
    lines = [
        fact("What", f"{formatting.plural(len(items), 'file')} of {job}"),
        fact("To", place(transfer.target)),
        fact("State", f"{glyph} {word}", tone),
    ]
    if transfer.message:
        tone = "bad" if transfer.state == "failed" else "warn"
        lines.append(fact("Why", in_app(transfer.message), tone))
    if transfer.advice:
        lines.append(fact("Do", in_app(transfer.advice)))
    if transfer.retry_at is not None:
        lines.append(
            fact(
                "Next try",
                f"{formatting.clock(transfer.retry_at)}, number {transfer.attempts + 1}",
            )
        )
    if transfer.link:
        lines.append(fact("Link", transfer.link, "accent", link=transfer.link))
    lines += [fact("Note", note) for note in transfer.notes]
    lines += [fact("Command", f"simpletuner-tui transfers retry {transfer.transfer_id}")] * (
        transfer.state in (TransferState.FAILED, TransferState.UNVERIFIED)
    )
    lines.append(Entry())
    return [*lines, *(_item_line(transfer, item, done) for item in items)]


_ITEMS = {
    "waiting": ("◌", "waiting", "dim"), "sent": ("▲", "sent", "accent"),
    "there": ("✓", "there", "good"), "verified": ("✓", "verified", "good"),
    "unverified": ("▲", "sent", "warn"),
}  # fmt: skip


def _item_line(transfer: TransferRecord, item: TransferItem, done: Mapping[int, int]) -> Entry:
    """Returns the line of a file. Its state comes first: names are long, and lines are cut."""
    glyph, word, tone = _ITEMS.get(item.state, ("·", item.state, "dim"))
    sent, more = done.get(item.seq, 0), []
    over = transfer.state in (TransferState.FAILED, TransferState.CANCELLED)
    if item.state == "waiting" and over:
        glyph, word, tone = "·", "not sent", "dim"
    elif item.state == "waiting" and sent:
        glyph, word, tone = "●", f"{100 * sent // max(1, item.size)} %", "accent"
        more.append(f"{formatting.size(sent)} sent")
    how = {"there": "it was there already", "copied": "copied by the far end"}
    if item.came in how:
        more.append(how[item.came])
    if item.state == "sent":
        more.append("not verified yet")
    if item.state == "unverified":
        more.append("cannot be verified")
    if item.proof:
        more.append(f"verified by {item.proof}" if item.state != "verified" else f"by {item.proof}")
    looked = bool(item.plan) or item.size > 0
    size = formatting.size(item.size) if looked else "—"
    words = ((f"{glyph} ", tone), (f"{word:<9}", tone), (f"{size:>9}  ", "base"),
             (f"{item.name}  ", "base"), (", ".join(more), "dim"))  # fmt: skip
    return Entry(words, item.link or item.name, link=item.link)


def _size(count: int) -> str:
    return f"{formatting.size(count)}, {formatting.plural(count, 'byte')}"
