"""Formats amounts of money, times, sizes and job states for the screen."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from tui.base.job_status import (
    STATUS_WORDS,
    SWEEP_STOPPED,
    UNDELIVERED,
    WAITS_FOR_TURN,
    JobStatus,
    status_label,
)

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def plain(text: str) -> str:
    """Text that cannot disturb a terminal: control and direction characters become `·`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "·" for char in text)


def visible_lines(text: str) -> str:
    """Text for a file that somebody may print: what disturbs a terminal is written as Python would.

    Lines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text
    )


def money(micros: int | None) -> str:
    """Micro-dollars as dollars and cents: `$1.84`, `<$0.01` for less than that, `—` if unknown."""
    if micros is None:
        return "—"
    if 0 < micros < 5_000:
        return "<$0.01"
    cents = (abs(micros) + 5_000) // 10_000
    sign = "-" if micros < 0 < cents else ""
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


_BOUNDS: Final = {"at least": ("≥ ", ">= "), "at most": ("≤ ", "<= ")}


def bounded(micros: int | None, bound: str, ascii_only: bool = False) -> str:
    """An amount in a column, with how sure it is: `≥ $0.35`, `≤ $1.80`, `$0.92`."""
    return _BOUNDS.get(bound, ("", ""))[ascii_only] + money(micros)


def bounded_in(width: int, micros: int | None, bound: str) -> str:
    """The same in at most `width` cells if it can be: without the space, then in whole dollars.

    Whole dollars are rounded to the side that keeps the bound true: `≥$576`, `≤$577`.
    """
    text = bounded(micros, bound)
    if len(text) > width:
        text = text.replace(" ", "")
    if len(text) > width and micros is not None:
        rounded = {"at least": micros // 1_000_000, "at most": -(-micros // 1_000_000)}
        whole = rounded.get(bound, round(micros / 1_000_000)) * 1_000_000
        text = bounded(whole, bound).replace(" ", "").removesuffix(".00")
    return text


def cost_words(micros: int | None, bound: str = "") -> str:
    """A job's cost with how sure it is: `at least $0.35`, `$0.35 so far`, `$0.92`."""
    if bound in _BOUNDS:
        return f"{bound} {money(micros)}"
    return f"{money(micros)} {bound}".rstrip()


def dollars(micros: int | None) -> str:
    """An amount in a sentence: `$31.20`, but `$50` for whole dollars."""
    return money(micros).removesuffix(".00")


def rate(micros_per_second: int) -> str:
    """A rate for each second as dollars an hour: `$3.51/h`."""
    return f"{money(micros_per_second * 3600)}/h"


def size(count: float | None) -> str:
    """Bytes in binary units: `41.2 MiB`."""
    if count is None:
        return "—"
    value, unit = float(count), 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0:
        return f"{int(value)} B"
    return f"{value:.1f} {_UNITS[unit]}" if value < 100 else f"{value:.0f} {_UNITS[unit]}"


def duration(seconds: float | None) -> str:
    """A length of time in at most two units: `42 s`, `21 m`, `1 h 04 m`, `3 d 2 h`."""
    if seconds is None or math.isnan(seconds) or math.isinf(seconds):
        return "—"
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    minutes, rest = divmod(total, 60)
    if minutes < 60:
        return f"{minutes} m" if minutes >= 10 or not rest else f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} m"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def age(seconds: float, width: int = 4) -> str:
    """A length of time in one unit, short enough for a column: `42 s`, `18 m`, `3 h`, `120d`."""
    total = max(0, int(seconds))
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if total >= length:
            text = f"{total // length} {unit}"
            break
    else:
        text = f"{total} s"
    return text if len(text) <= width else text.replace(" ", "")


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """The time since a moment: `3 m ago`, `just now`; `never` for None."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return "just now" if seconds < 5 else f"{duration(seconds)} ago"


def clock(moment: datetime | None) -> str:
    """A time of day in the user's zone: `14:02`."""
    return "—" if moment is None else moment.astimezone().strftime("%H:%M")


def second(moment: datetime | None) -> str:
    """A time of day to the second in the user's zone: `14:02:10`."""
    return "—" if moment is None else moment.astimezone().strftime("%H:%M:%S")


def unheard(why: str, since: datetime, now: datetime) -> str:
    """The state of a job without contact: `not heard of for 4 m: token refused`."""
    return f"not heard of for {duration((now - since).total_seconds())}: {why}"


UNVERIFIED: Final = "sent, cannot be verified"
"""Of what a place took that lets nobody look."""


def delivery(delivered: Mapping[str, object]) -> str:
    """What is known of a delivery: its state, and the same in words."""
    state = str(delivered.get("state"))
    return f"{UNVERIFIED if state == 'unverified' else state}: {delivered.get('words', '')}"


def stamp(moment: datetime | None) -> str:
    """A date and time in the user's zone: `2026-11-23 14:02:10`."""
    return "—" if moment is None else moment.astimezone().isoformat(" ")[:19]


def number(value: float | None) -> str:
    """A measured value with four significant digits: `0.1421`, `8.9e-05`, `nan`."""
    if value is None:
        return "—"
    return f"{value:.4g}"


def loss_text(value: float | None, not_finite: Collection[str] = ()) -> str:
    """A job's loss: `0.1421`; `nan` where the store has none since it is not a number.

    Args:
        value: the newest one; the store keeps NaN as None.
        not_finite: names of the series with values that are not finite.
    """
    if value is None and "loss" in not_finite:
        return "nan"
    return "" if value is None else f"{value:.4f}"[:6]


def percent(value: float | None) -> str:
    """A percentage without decimals: `62 %`; "" for None."""
    return "" if value is None else f"{value:.0f} %"


def speed(seconds_per_step: float | None) -> str:
    """Training speed as trainers write it: `1.89 s/it` or `4.2 it/s`."""
    if not seconds_per_step:
        return "—"
    if seconds_per_step < 1:
        return f"{1 / seconds_per_step:.1f} it/s"
    return f"{seconds_per_step:.2f} s/it"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `3 files`; `many` defaults to `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def finding(message: str, release: str = "") -> str:
    """A finding with the release of the trainer that it rests on, where it rests on one."""
    return f"{message} · {release}" if release else message


def in_doubt(state: JobStatus, stage: str) -> bool:
    """Whether a job is done, but its results are not known to have reached their destination."""
    return state is JobStatus.COMPLETED and stage.startswith(UNDELIVERED)


def ended(state: JobStatus, stage: str, ascii_only: bool = False) -> str:
    """Glyph and word of a state; a done job gets its tick only when its results have arrived."""
    if in_doubt(state, stage):
        return f"! {STATUS_WORDS[state]}"
    label = status_label(state, ascii_only)
    if state is JobStatus.PENDING and stage in (WAITS_FOR_TURN, SWEEP_STOPPED):
        return label.replace(STATUS_WORDS[state], "waits")  # nothing of it is prepared yet
    return label
