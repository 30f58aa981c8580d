"""The values that the log parser produces.

Offsets are bytes from the start of the log. Times are those given to `LogParser.feed`, because most
lines of the log have none. Values that occur once per line are named tuples: creating a frozen
dataclass takes four times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # dataclass fields are resolved by readers of hints
from typing import Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error", "event"]
StageStatus = Literal["running", "completed", "failed", "skipped"]
Outcome = Literal["completed", "aborted"]


class MetricPoint(NamedTuple):
    """One value of one series.

    Attributes:
        name: `loss` (the bar's `step_loss`), `lr`, or the name as the trainer prints it.
        step: the optimisation step it belongs to.
        value: as printed; may be nan or infinite.
    """

    name: str
    step: int
    value: float


class Stage(NamedTuple):
    """A stage of the run. A later `Stage` with the same `number` replaces an earlier one.

    Attributes:
        number: counts from 0 in the order in which stages began.
        key: stable name such as `init_vae_cache`; an empty string for an unknown label. The
            optimisation steps have the key `training`, which the trainer itself does not use.
        label: the stage's name in the log.
        status: whether it runs or how it ended.
        message: the last message of the stage; may be empty.
        percent: 0..100; None when unknown.
        current: units done; None when the log does not count them.
        total: number of units; None when the log does not count them.
        step: the optimisation step at which it began; None before the first.
        started_offset: offset of its first line.
        finished_offset: offset of the line that ended it; None while it runs.
        started_at: when its first line was read.
        finished_at: when the line that ended it was read.
    """

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
    started_at: datetime | None
    finished_at: datetime | None


class Notice(NamedTuple):
    """A message for the user: a notification, an event, an error of the logger, an exception.

    Attributes:
        level: severity; `event` for the trainer's other events.
        title: a short heading; may be empty.
        message: the text.
        offset: offset of the line.
        at: when the line was read.
    """

    level: Level
    title: str
    message: str
    offset: int
    at: datetime | None


class Checkpoint(NamedTuple):
    """A checkpoint that the trainer saved inside its container.

    Attributes:
        step: the step in its name, else the current step of the run; None when both are unknown.
        path: its path in the container; may be empty.
        offset: offset of the line.
        at: when the line was read.
    """

    step: int | None
    path: str
    offset: int
    at: datetime | None


@dataclass(slots=True)
class Update:
    """The new values of one `feed`. Their sum does not depend on how the bytes are cut.

    Attributes:
        metrics: each (name, step) at most once, unless the run itself returns to an earlier step.
        stages: stages that began, moved or ended, in order.
        notices: messages, in order.
        checkpoints: saved checkpoints, each step once.
        published: addresses or folders of the result.
        outcome: how the training ended; None while the log does not say.
    """

    metrics: list[MetricPoint] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    outcome: Outcome | None = None

    def __bool__(self) -> bool:
        """Whether there is any new value."""
        return bool(
            self.metrics
            or self.stages
            or self.notices
            or self.checkpoints
            or self.published
            or self.outcome
        )

    def extend(self, later: Update) -> None:
        """Append the values of a later update."""
        self.metrics += later.metrics
        self.stages += later.stages
        self.notices += later.notices
        self.checkpoints += later.checkpoints
        self.published += later.published
        self.outcome = later.outcome or self.outcome


@dataclass(frozen=True, slots=True)
class Progress:
    """The current state of the run.

    Attributes:
        step: steps done; None before the first progress bar.
        total_steps: number of steps.
        epoch: the current epoch, counted from 1.
        epochs: number of epochs.
        percent: steps done, 0..100.
        seconds_per_step: as in the bar (smoothed by tqdm).
        elapsed_seconds: time since the steps began, as in the bar.
        eta_seconds: time until the last step, without final validation and upload.
        loss: the newest loss; may be nan.
        lr: the newest learning rate.
        stage: label of the running stage, or of the last one.
        stage_key: its key, see `Stage.key`.
        stage_percent: progress of that stage, 0..100; None when unknown.
        last_line: the last line worth showing, without control characters.
    """

    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    percent: float | None = None
    seconds_per_step: float | None = None
    elapsed_seconds: int | None = None
    eta_seconds: int | None = None
    loss: float | None = None
    lr: float | None = None
    stage: str = ""
    stage_key: str = ""
    stage_percent: float | None = None
    last_line: str = ""
