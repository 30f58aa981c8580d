"""What stands between a job and its start when its results would not arrive. Pure.

Some checks try the delivery from here. Where they fail the user may know better: the trainer sees
another network, and rights may be about to change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tui.engine.submission.prepare import Prepared
from tui.simpletuner.checks.checks import Check

_PROOFS: Final = ("hub-", "s3-", "listener", "receiver-reach", "delivery-")
_NO_PROOFS: Final = ("s3-destination",)
_ALL_THE_SAME: Final = "You can start it all the same (--accept-delivery)."


def gated(prepared: Prepared) -> Prepared:
    """The checks, with a failed delivery as a warning where the user accepts it."""
    accepts = prepared.draft.accept_delivery
    checks = []
    for check in prepared.checks:
        if check.level != "error" or not is_proof(check):
            checks.append(check)
        elif accepts:
            checks.append(replace(check, level="warn"))
        elif _ALL_THE_SAME in check.advice:
            checks.append(check)
        else:
            checks.append(replace(check, advice=f"{check.advice} {_ALL_THE_SAME}".strip()))
    return replace(prepared, checks=()).with_checks(*checks)


def acceptable(prepared: Prepared) -> bool:
    """Whether only failed proofs stand in the way, so that a user may start all the same."""
    errors = [check for check in prepared.checks if check.level == "error"]
    return bool(errors) and all(map(is_proof, errors))


def is_proof(check: Check) -> bool:
    """Whether a check tried the delivery from here, so that a user may overrule it."""
    return check.id.startswith(_PROOFS) and check.id not in _NO_PROOFS
