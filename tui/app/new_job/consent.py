"""The question before money is spent and data leaves the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.app.new_job.check_text import (
    Answer,
    estimate_words,
    leaves_words,
    price,
    skipped_words,
)
from tui.app.widgets.confirm import Confirm
from tui.base import formatting

if TYPE_CHECKING:
    from tui.app.app import SimpleTunerApp


def ask_consent(owner: SimpleTunerApp, answer: Answer, agreed: Callable[[], None]) -> None:
    """Show price and what leaves; call `agreed` after a yes."""
    hardware = (answer.get("hardware") or {}).get("label") or ""
    version = answer.get("version") or {}
    warnings = [
        f"! {check.get('message')}"
        for check in answer.get("checks") or ()
        if check.get("level") == "warn"
    ]
    details = [
        ": ".join(leaves_words(answer)) + ".",
        *filter(None, [skipped_words(answer)]),
        f"On {hardware}: {estimate_words(answer)}. It is charged by the second.",
        *_limits(answer),
        f"Model {version.get('model')}, version {str(version.get('id'))[:8]}.",
        *(["", *warnings] if warnings else []),
    ]
    known = price(answer)
    yes = f"Yes, start it ({known})" if known else "Yes, start it"

    def answered(yes: bool | None) -> None:
        if yes:
            agreed()

    owner.push_screen(
        Confirm(f"Start {answer.get('run_name') or 'this job'}?", details, yes=yes), answered
    )


def ask_delivery(owner: SimpleTunerApp, answer: Answer, agreed: Callable[[], None]) -> None:
    """Say why the results would not arrive; call `agreed` when it is to start all the same."""
    failed = [one for one in answer.get("checks") or () if one.get("level") == "error"]
    details = [
        *(f"✗ {one.get('message')}" for one in failed),
        "",
        "As far as can be told from here the results would not arrive, and the run is paid for.",
    ]

    def answered(yes: bool | None) -> None:
        if yes:
            agreed()

    owner.push_screen(
        Confirm("Start it all the same?", details, yes="Yes, I know better", no="No, correct it"),
        answered,
    )


def _limits(answer: Answer) -> list[str]:
    """When Replicate ends the job at the latest, and what it then cost."""
    seconds, ceiling = answer.get("cancel_after"), answer.get("cost_ceiling_micros")
    if not seconds:
        return []
    most = f", never more than {formatting.money(ceiling)}" if ceiling else ""
    return [f"Replicate ends it after {formatting.duration(seconds)}{most}."]
