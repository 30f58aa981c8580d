"""What a decision needs, below the fields where there is room: time, price, weights and data."""

from __future__ import annotations

from typing import ClassVar

from tui.app.new_job import check_text
from tui.app.new_job.data_card import data_entries, labelled
from tui.app.widgets.entry_list import Entry, EntryList, entry

LEAST_ROOM = 4
"""Lines below which nothing of it is shown."""
_MORE = "I shows all that is known of the data"


class Summary(EntryList, can_focus=False):
    """Shows lines to be read: the keys stay with the fields and the checks."""

    CURSOR: ClassVar = False
    SIGNED: ClassVar = False


def summary_entries(answer: check_text.Answer, width: int, room: int) -> list[Entry]:
    """Returns what a check found, as far as it fits.

    Args:
        answer: the check's.
        width: cells of a line.
        room: lines.
    """
    estimate = check_text.estimate_words(answer) if answer.get("estimate") else ""
    parts = (
        ("Estimate", estimate),
        ("", check_text.basis_words(answer)),
        ("Ends", " ".join(check_text.limit_words(answer))),
        ("Weights", check_text.weights_words(answer)),
    )
    lines = [
        line for label, words in parts if words for line in labelled(label, words, width)
    ]  # fmt: skip
    lines += [Entry(), *data_entries(answer, width)] if answer.get("datasets") else []
    return lines if len(lines) <= room else [*lines[: room - 1], entry(_MORE, "dim")]
