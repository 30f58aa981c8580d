"""The Stages tab: its cursor shares the step of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tui.app.widgets.entry_list import Entry, EntryList
from tui.simpletuner.log.grammar import CHECKPOINT_NAME
from tui.store.records import JobRecord, StageRecord

_TRAINING: Final = "training"
_AFTER: Final = frozenset({"final_validation", "model_save", "training_complete"})
"""Stages that begin once the last step is done."""


def steps_of(job: JobRecord, stages: Sequence[StageRecord]) -> list[int | None]:
    """Returns for each stage how many steps were done when it began, as far as the log says.

    A checkpoint names its step, and what follows it comes after that step; before training there
    are none.
    """
    steps: list[int | None] = []
    known: int | None = None
    for stage in stages:
        if stage.key == _TRAINING and known is None:
            known = 0
        elif stage.key in _AFTER:
            known = known if job.step is None else job.step
        elif known is not None and (saved := CHECKPOINT_NAME.search(stage.detail)):
            known = int(saved[1])
        steps.append(known)
    return steps


class StageList(EntryList):
    """Lists the stages, each with the step that it began at."""

    def __init__(self, empty: str) -> None:
        super().__init__(empty)
        self._steps: Sequence[int | None] = ()
        self._shown: tuple[int, int] | None = None
        """The step of the page and the line that it is shown by."""

    def set_stages(self, entries: Sequence[Entry], steps: Sequence[int | None]) -> None:
        """Shows other stages; the lines before those of the steps are about none."""
        self._steps = [*[None] * (len(entries) - len(steps)), *steps]
        self.set(entries)

    def step_now(self) -> int | None:
        """Returns the step of the page, or that of the stage which the cursor was moved to."""
        if self._shown is not None and self._shown[1] == self.index:
            return self._shown[0]
        moved_to = self._steps[self.index] if self.index < len(self._steps) else None
        return moved_to or (None if self._shown is None else self._shown[0])

    def show_step(self, step: int, *, asked: bool) -> None:  # noqa: ARG002  see LogPanel
        """Puts the cursor on the last stage that began at a step or before it."""
        before = (at for at, began in enumerate(self._steps) if began is not None and began <= step)
        self.move_to(max(before, default=self.index))
        self._shown = step, self.index
