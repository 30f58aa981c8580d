"""The calls about sweeps. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.api import paths
from tui.client.call import Call, Caller

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep, SweepCancelled, SweepDraft, SweepPlan, SweepRequest

_CHECK_SECONDS: Final = 1800.0
"""Each run is checked, and its datasets may be large."""
_CANCEL_SECONDS: Final = 600.0


class SweepCalls:
    """Groups of jobs: planned, started, looked at, cancelled."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def plan(self, draft: SweepDraft) -> Call[SweepPlan]:
        """Every run of a sweep checked and priced; nothing is sent."""
        return self._caller.call(paths.PLAN_SWEEP, draft, timeout=_CHECK_SECONDS)

    def start(self, request: SweepRequest) -> Call[Sweep]:
        """Start a sweep; its jobs are posted a few at a time."""
        return self._caller.call(paths.START_SWEEP, request, timeout=_CHECK_SECONDS)

    def all(self) -> Call[list[Sweep]]:
        """All sweeps, the newest first."""
        return self._caller.call(paths.SWEEPS).then(lambda answer: answer["sweeps"])

    def find(self, name: str) -> Call[Sweep]:
        """One sweep."""
        return self._caller.call(paths.SWEEP, name=name)

    def cancel(self, name: str) -> Call[SweepCancelled]:
        """Cancel all jobs of a sweep; those that wait are never posted."""
        return self._caller.call(paths.CANCEL_SWEEP, name=name, timeout=_CANCEL_SECONDS)

    def resume(self, name: str) -> Call[Sweep]:
        """Go on with a paused sweep."""
        return self._caller.call(paths.RESUME_SWEEP, name=name)
