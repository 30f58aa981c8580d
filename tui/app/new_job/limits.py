"""The form's two limits of a job: a length of time, and a sum of money that becomes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tui.base import formatting
from tui.base.text_fields import FieldError, read_amount

Draft = dict[str, Any]
SHORTEST_STOP: Final = 5
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd])?[a-z]*\s*")


def stop_words(draft: Draft) -> tuple[str, str]:
    """What the line of the time says."""
    seconds = draft.get("cancel_after")
    if not seconds:
        return "no limit of yours", ""
    return formatting.duration(seconds), "Replicate cancels it then"


def ceiling_words(draft: Draft, answer: Mapping[str, Any] | None) -> tuple[str, str]:
    """What the line of the money says: the sum, and the time that it becomes."""
    micros = int(draft.get("cost_ceiling_micros") or 0)
    if not micros:
        return "none", ""
    rate = int(((answer or {}).get("hardware") or {}).get("rate_micros") or 0)
    if not rate:
        return formatting.money(micros), ""
    seconds, shorter = micros // rate, draft.get("cancel_after")
    if shorter and shorter < seconds:
        return formatting.money(micros), "Stop after comes first"
    return formatting.money(micros), f"→ Cancel-After {seconds} s, {formatting.duration(seconds)}"


def editable(draft: Draft, key: str) -> str:
    """What the line to type in begins with."""
    value = draft.get(key)
    if not value:
        return ""
    if key == "cancel_after":
        return formatting.duration(value)
    return f"{Decimal(value) / 1_000_000:f}"


def set_stop(draft: Draft, text: str) -> str:
    """Put a length of time into the draft; what is wrong with it, else empty."""
    seconds = parse_duration(text) if text else None
    if text and seconds is None:
        return "Write a length of time such as 90 m or 2 h."
    if seconds is not None and seconds < SHORTEST_STOP:
        return f"Replicate accepts no less than {SHORTEST_STOP} s."
    draft["cancel_after"] = seconds
    return ""


def set_ceiling(draft: Draft, text: str) -> str:
    """Put a sum into the draft; what is wrong with it, else empty."""
    try:
        micros = read_amount(text) if text else None
    except FieldError as error:
        return f"Cost ceiling {error}."
    if micros == 0:
        return "Cost ceiling must be more than nothing."
    draft["cost_ceiling_micros"] = micros
    return ""


def parse_duration(text: str) -> int | None:
    """Seconds in `2 h`, `90m`, `1 h 30 m`, `45` (minutes); None when it is no length of time."""
    total, at = 0.0, 0
    lowered = text.lower().strip()
    while at < len(lowered):
        found = _DURATION.match(lowered, at)
        if found is None or found.end() == at:
            return None
        total += float(found[1]) * _UNITS[found[2] or "m"]
        at = found.end()
    return round(total) if lowered else None
