"""A sweep's plan as text: one table, each finding once, the sum, and what leaves."""

from __future__ import annotations

from typing import Any, cast

from tui.api.submission import Check
from tui.api.sweeps import PlannedMember, SweepPlan
from tui.cli.sweep_commands import plan_lines


def _check(level: str, message: str) -> Check:
    found = {"id": "x", "level": level, "message": message, "advice": "Do it.", "changes": {},
             "release": ""}  # fmt: skip
    return cast("Check", found)


def _member(name: str, rank: str, *checks: Check, ok: bool = True) -> PlannedMember:
    return {
        "name": name, "config": "c", "changes": {"lora_rank": rank}, "ok": ok,
        "checks": list(checks), "hardware": "l40s", "seconds": 90, "micros": 1_000_000,
        "low_micros": 500_000, "high_micros": 2_000_000,
    }  # fmt: skip


def test_a_plan_says_everything_once() -> None:
    once = "once for 2 runs; it stays there"
    until = "until both have ended"
    shared = _check("warn", "no validation")
    plan: dict[str, Any] = {
        "name": "cats", "at_once": 2, "ok": False, "problem": None,
        "members": [_member("cats-r16", "16", shared),
                    _member("cats-r32", "32", shared, _check("error", "too large"), ok=False)],
        "micros": 2_000_000, "low_micros": 1_000_000, "high_micros": 4_000_000, "free": False,
        "cost": {**_check("ok", "$2 of $50 / 7 d")}, "cost_limit": None, "digest": "d",
        "leaves": [{"images": 9, "captions": 9, "bytes": 1 << 20, "destination": "the Hub",
                    "runs": 2, "times": 1, "until": until, "token": ""}],
    }  # fmt: skip
    assert plan_lines(cast("SweepPlan", plan)) == [
        "   NAME      WHAT DIFFERS      TIME  PRICE",
        "✓  cats-r16  lora_rank 16  1 m 30 s  $1.00",
        "✗  cats-r32  lora_rank 32  1 m 30 s  $1.00",
        "✗ cats-r32: too large",
        "    Do it.",
        "! all runs: no validation",
        "    Do it.",
        "2 runs, about $2.00 together ($1.00–$4.00), at most 2 at once",
        "  $2 of $50 / 7 d",
        f"  leaves this machine: 9 images, 9 captions, 1.0 MiB → the Hub, {once} {until}",
    ]
