"""Texts from elsewhere on their way to a terminal: nothing in them may be obeyed or hidden."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from functools import partial

from tests.attacks.area import SPARE_MEMORY, Area, memory_in_use
from tests.attacks.listener import SEED
from tests.listener.watched import MOST_SECONDS
from tests.support import least_seconds
from tui.api.comparison import ComparedJob, Comparison
from tui.app.terminal.handover import harmless_pieces
from tui.app.terminal.text_lines import fit, wrap
from tui.base.formatting import plain, visible_lines
from tui.cli.compare_command import rows_of
from tui.cli.job_table import JobRow, job_table
from tui.cli.output import say, say_json, table, tell
from tui.destinations.card.model_card import CardFacts, Sample, render_card
from tui.simpletuner.log.harmless import LogText
from tui.store.lost_contact import LostContact

PIECES = [
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;cm0=\x07", "\x1b]8;;http://evil\x1b\\", "\x9b31m",
    "\x9d0;x\x9c", "\x90q", "\x1bP", "\x1b", "\x07", "\x08" * 9, "\x00", "\x7f", "\x85", "\r",
    "\n", "\t", "\u2028", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\ud800",
    "\U000e0041", "猫", "e\u0301", "✓", "word", " ", "\x1b[?1049h", "\x1b[6n", "\x1b[999B",
]  # fmt: skip
_ALLOWED = {"log": "\n\r\t", "piped": "\n\r\t", "card": "\n\t", "report": "\n\t"}
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


class _Terminal(io.StringIO):
    """A standard output that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def _row(text: str) -> JobRow:
    return JobRow(
        text, text, text, "failed", text, 1, 2, text, _NOW, (5, text), LostContact(text, _NOW)
    )


def _printed(write: Callable[[], object]) -> str:
    out = _Terminal()
    with redirect_stdout(out), redirect_stderr(out):
        write()
    return out.getvalue()


def _log(text: str) -> str:
    clean = LogText()
    raw = text.encode("utf-8", "surrogatepass")
    return clean.feed(raw[: len(raw) // 2]) + clean.feed(raw[len(raw) // 2 :])


def _card(text: str) -> str:
    return render_card(
        CardFacts(
            text, "lora", base_model=text, family=text, flavour=text, weights=text, note=text,
            hardware=text, trigger_words=(text,), samples=(Sample(text, text),), licence=text,
        )
    )  # fmt: skip


def _comparison(text: str) -> Comparison:
    job: ComparedJob = {
        "job_id": text, "label": text, "name": text, "status": text, "created_at": text,
        "loss": None, "best_loss": 1.0, "best_step": None, "seconds_per_step": 1e308,
        "cost_usd": None, "cost_bound": "", "steps": 1, "total_steps": None, "pictures": 0,
        "not_finite": True,
    }  # fmt: skip
    return {"jobs": [job, job], "settings": [{"name": text, "values": [text, ""], "differs": True}],
            "remarks": [text], "differing": 1, "compared": 1}  # fmt: skip


def ways(text: str) -> dict[str, str]:
    """What each way to a screen makes of a text."""
    return {
        "say": _printed(lambda: say(text)),
        "tell": _printed(lambda: tell(text)),
        "json": _printed(lambda: say_json({text: [text]})),
        "table": "\n".join(table([["ID", "NAME"], [text, text]])),
        "jobs": "\n".join(job_table([_row(text)])),
        "plain": plain(text),
        "fit": fit(plain(text), 12),
        "wrap": "\n".join(wrap(plain(text), 12)),
        "log": _log(text),
        "card": _card(text),
        "report": visible_lines(text),
        "compare": "\n".join(table(rows_of(_comparison(text)))),
        "piped": b"".join(harmless_pieces([text.encode("utf-8", "surrogatepass")])).decode(),
    }


def attack(attempts: int, seed: int = SEED) -> Area:
    """Send texts on every way to a terminal.

    Args:
        attempts: how many texts.
        seed: decides them.
    """
    dice = random.Random(seed)
    area = Area("terminal", attempts)
    ways("word")
    before = memory_in_use()
    for number in range(attempts):
        start = time.thread_time()
        text = "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 9)))
        for way, shown in ways(text).items():
            allowed = _ALLOWED.get(way, "\n")
            if odd := [char for char in shown if not char.isprintable() and char not in allowed]:
                area.through.append(f"{number} {way}: {text!r} shows {odd[0]!r}")
            if way == "json" and json.loads(shown) != json.loads(json.dumps({text: [text]})):
                area.through.append(f"{number} json: {text!r} is other data")
        spent = time.thread_time() - start
        if spent > MOST_SECONDS:  # or another has taken the processor's caches: the least counts
            spent = min(spent, least_seconds(partial(ways, text)))
        if spent > MOST_SECONDS:
            area.stalls.append(f"{number}: {spent * 1000:.0f} ms for {text!r}")
    area.growth = max(0, memory_in_use() - before - SPARE_MEMORY)
    return area
