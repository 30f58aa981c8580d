"""The errors that a user may start a job in spite of, and the fields of a draft that say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tui.engine.submission.prepared import Prepared
from tui.simpletuner.checks.checks import Check

_DELIVERY_CHECKS: Final = ("hub-", "s3-", "listener", "receiver-reach", "delivery-")
_CONFIGURATION_CHECKS: Final = ("s3-destination",)
_DATA_CHECKS: Final = ("data-archive",)
_OVERRIDE_ADVICE: Final = {
    "accept_data": "You can start it all the same (--accept-data).",
    "accept_delivery": "You can start it all the same (--accept-delivery).",
}


def apply_overrides(prepared: Prepared) -> Prepared:
    """Turn errors that the draft accepts into warnings.

    The advice of each other error that a user may accept says how.
    """
    checks = []
    for check in prepared.checks:
        field = accepting_field(check)
        advice = _OVERRIDE_ADVICE.get(field, "")
        if check.level != "error" or not field:
            checks.append(check)
        elif getattr(prepared.draft, field):
            checks.append(replace(check, level="warn"))
        elif advice in check.advice:
            checks.append(check)
        else:
            checks.append(replace(check, advice=f"{check.advice} {advice}".strip()))
    return replace(prepared, checks=()).with_checks(*checks)


def accepted_by(prepared: Prepared) -> list[str]:
    """The fields of the draft that override all errors; empty when some cannot be overridden."""
    fields = {accepting_field(check) for check in prepared.checks if check.level == "error"}
    return [] if "" in fields else sorted(fields)


def accepting_field(check: Check) -> str:
    """The field of the draft that accepts a check's error; "" when none does."""
    if check.id in _DATA_CHECKS:
        return "accept_data"
    from_here = check.id.startswith(_DELIVERY_CHECKS) and check.id not in _CONFIGURATION_CHECKS
    return "accept_delivery" if from_here else ""
