"""Turns stage lines into `Stage` values with a beginning and an end.

The log has lines for a running stage and only sometimes one for its end. Some stages never get a
line for their end (captions, validation), some end without a beginning (loading the final model),
some are nested (caches inside the data backends, validation inside training). A stage without an
end line is closed when a later stage or step begins.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypedDict

from tui.simpletuner.log import grammar
from tui.simpletuner.log.model import Outcome, Stage, StageStatus, Update

TRAINING: Final = "training"
# Stages that happen between two optimisation steps and leave the training stage open.
_WITHIN_TRAINING: Final = frozenset({"validation", "checkpoint_save", ""})
# Stages that last until their own end line: stages that begin meanwhile are nested.
_CONTAINERS: Final = frozenset({TRAINING, "init_data_backend"})
_AFTER_TRAINING: Final = frozenset(
    {"final_validation", "model_save", "training_complete", "training_abort"}
)
# What the trainer prints as the label of a stage that has none, and what it is shown as.
_UNNAMED: Final = "None"
_NUMBERED: Final = "Stage "
_LABEL_LIMIT: Final = 120
_MESSAGE_LIMIT: Final = 2000
# Much faster than `Stage(...)`; caches print their progress in thousands of lines.
_new = tuple.__new__
_UNKNOWN: Final = (None, None, None)
_OUTCOMES: Final[dict[str, Outcome]] = {
    "training_complete": "completed",
    "training_abort": "aborted",
}


class StageState(TypedDict):
    """A `Stage` as JSON values."""

    number: int
    key: str
    label: str
    status: StageStatus
    message: str
    percent: float | None
    current: int | None
    total: int | None
    step: int | None
    started_offset: int
    finished_offset: int | None
    started_at: str | None
    finished_at: str | None


class TrackerState(TypedDict):
    """A `StageTracker` as JSON values."""

    open: list[StageState]
    count: int
    label: str
    key: str
    over: bool
    settled: bool


class StageTracker:
    """The open stages of a run, outermost first."""

    def __init__(self) -> None:
        self.open: list[Stage] = []
        self.count = 0
        self.label = ""
        self.key = ""
        # tqdm can draw the last bar again after the steps have ended; it must not reopen training.
        self.over = False
        # Whether another optimisation step changes no stage. An attribute instead of a property,
        # because the parser reads it at every step.
        self.settled = False

    @property
    def percent(self) -> float | None:
        """Progress of the innermost open stage, 0..100; None when unknown."""
        if not self.open:
            return None
        stage = self.open[-1]
        if stage.percent is None and stage.total and stage.current is not None:
            return 100.0 * min(stage.current, stage.total) / stage.total
        return stage.percent

    def line(
        self, text: str, *, step: int | None, offset: int, at: datetime | None, update: Update
    ) -> Stage | None:
        """Read the text after the tag; return the changed stage, None if the text has no label."""
        icon, _, rest = text.partition(" ")
        label, percent, current, total, message = grammar.stage_parts(rest)
        if not label:
            return None
        if label == _UNNAMED:
            label = self._numbered()
        label, message = label[:_LABEL_LIMIT], message[:_MESSAGE_LIMIT]
        status: StageStatus | None = grammar.STAGE_STATUS.get(icon)
        if status is None:
            status = "skipped" if "skip" in message.lower() else "completed"
        key = grammar.STAGE_KEYS.get(label, "")
        position = len(self.open) - 1
        while position >= 0 and self.open[position].label != label:
            position -= 1
        if position < 0:
            self._begin(key, label, step=step, offset=offset, at=at, update=update)
            position = len(self.open) - 1
        known = self.open[position]
        if percent is None and current is None:
            percent, current = known.percent, known.current
        running = status == "running"
        stage = _new(
            Stage,
            (
                known.number,
                key,
                label,
                status,
                message or known.message,
                percent,
                current,
                known.total if total is None else total,
                known.step,
                known.started_offset,
                None if running else offset,
                known.started_at,
                None if running else at,
            ),
        )
        if position < len(self.open) - 1:
            inner: StageStatus = "failed" if status == "failed" else "completed"
            self._close_after(position, offset, at, update, inner)
        if running:
            self.open[-1] = stage
        else:
            self.open.pop()
        update.stages.append(stage)
        self.label, self.key = label, key
        self.over = self.over or key in _AFTER_TRAINING
        self.settled = self.over
        if key in _OUTCOMES:
            update.outcome = _OUTCOMES[key]
        return stage

    def _numbered(self) -> str:
        """A name for a stage that the trainer reports without one: `Stage 3`."""
        if self.open and self.open[-1].label.startswith(_NUMBERED):
            return self.open[-1].label
        return f"{_NUMBERED}{self.count + 1}"

    def training_step(self, step: int, offset: int, at: datetime | None, update: Update) -> None:
        """Close the stages that run between two steps: another optimisation step has begun."""
        if self.over:
            return
        for position, stage in enumerate(self.open):
            if stage.key == TRAINING:
                self._close_after(position, offset, at, update)
                break
        else:
            self._close_after(-1, offset, at, update)
            self._begin(TRAINING, "Training", step=step, offset=offset, at=at, update=update)
            update.stages.append(self.open[-1])
        self.label, self.key = "Training", TRAINING
        self.settled = True

    def _begin(
        self,
        key: str,
        label: str,
        *,
        step: int | None,
        offset: int,
        at: datetime | None,
        update: Update,
    ) -> Stage:
        ended: StageStatus = "failed" if key == "training_abort" else "completed"
        while self.open and not self._holds(self.open[-1], key):
            self._finish(self.open.pop(), ended, offset, at, update)
        stage = _new(
            Stage,
            (self.count, key, label, "running", "", *_UNKNOWN, step, offset, None, at, None),
        )
        self.count += 1
        self.open.append(stage)
        return stage

    @staticmethod
    def _holds(outer: Stage, key: str) -> bool:
        if outer.key == TRAINING:
            return key in _WITHIN_TRAINING
        return outer.key in _CONTAINERS and key != TRAINING

    def _close_after(
        self,
        position: int,
        offset: int,
        at: datetime | None,
        update: Update,
        status: StageStatus = "completed",
    ) -> None:
        while len(self.open) > position + 1:
            self._finish(self.open.pop(), status, offset, at, update)

    @staticmethod
    def _finish(
        stage: Stage, status: StageStatus, offset: int, at: datetime | None, update: Update
    ) -> None:
        update.stages.append(
            _new(Stage, (*stage[:3], status, *stage[4:10], offset, stage.started_at, at))
        )

    def dump(self) -> TrackerState:
        """The state as JSON values."""
        return {
            "open": [_stage_state(stage) for stage in self.open],
            "count": self.count,
            "label": self.label,
            "key": self.key,
            "over": self.over,
            "settled": self.settled,
        }

    @classmethod
    def restore(cls, state: TrackerState) -> StageTracker:
        """Rebuild the tracker from the result of `dump`."""
        tracker = cls()
        tracker.open = [_stage(stored) for stored in state["open"]]
        tracker.count = state["count"]
        tracker.label, tracker.key = state["label"], state["key"]
        tracker.over = state["over"]
        tracker.settled = state["settled"]
        return tracker


def _stage_state(stage: Stage) -> StageState:
    return {
        "number": stage.number,
        "key": stage.key,
        "label": stage.label,
        "status": stage.status,
        "message": stage.message,
        "percent": stage.percent,
        "current": stage.current,
        "total": stage.total,
        "step": stage.step,
        "started_offset": stage.started_offset,
        "finished_offset": stage.finished_offset,
        "started_at": stage.started_at.isoformat() if stage.started_at else None,
        "finished_at": stage.finished_at.isoformat() if stage.finished_at else None,
    }


def _stage(state: StageState) -> Stage:
    started, finished = state["started_at"], state["finished_at"]
    return Stage(
        number=state["number"],
        key=state["key"],
        label=state["label"],
        status=state["status"],
        message=state["message"],
        percent=state["percent"],
        current=state["current"],
        total=state["total"],
        step=state["step"],
        started_offset=state["started_offset"],
        finished_offset=state["finished_offset"],
        started_at=datetime.fromisoformat(started) if started else None,
        finished_at=datetime.fromisoformat(finished) if finished else None,
    )
