"""What the log of a training run says, as plain values.

Offsets are bytes from the start of the log. Times are those handed to `LogParser.feed`, because
the log's own lines carry none. What may be made once per line is a named tuple: a frozen dataclass
takes four times as long to make.
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
        value: may be nan or infinite, as printed.
    """

    name: str
    step: int
    value: float


class Stage(NamedTuple):
    """One stretch of the run. A later `Stage` with the same `number` replaces an earlier one.

    Attributes:
        number: counts from 0 in the order in which stages began.
        key: stable name such as `init_vae_cache`, or an empty string for an unknown label.
            The optimisation steps have the key `training`, which the trainer itself does not use.
        label: the words in the log.
        status: how it stands.
        message: the last message of the stage, or an empty string.
        percent: 0..100, if known.
        current: units done, if the log counts them.
        total: units in all, if the log counts them.
        step: the optimisation step at which it began, None before the first.
        started_offset: where its first line begins.
        finished_offset: where the line that ended it begins, None while it runs.
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
    """A message to people: notifications, events, errors of the logger, exceptions.

    Attributes:
        level: how bad it is; `event` for the trainer's other events.
        title: a short heading, or an empty string.
        message: the words.
        offset: where the line begins.
        at: when it was read.
    """

    level: Level
    title: str
    message: str
    offset: int
    at: datetime | None


class Checkpoint(NamedTuple):
    """A checkpoint that the trainer says it has saved (inside the container).

    Attributes:
        step: the step in its name, else the step the run was at, None if neither is known.
        path: where the trainer put it, or an empty string.
        offset: where the line begins.
        at: when it was read.
    """

    step: int | None
    path: str
    offset: int
    at: datetime | None


@dataclass(slots=True)
class Update:
    """The new facts of one `feed`. Together, updates are the same for any cutting of the bytes.

    Attributes:
        metrics: each (name, step) at most once unless the run itself goes back to an earlier step.
        stages: stages that began, moved or ended, in order.
        notices: messages in order.
        checkpoints: checkpoints saved, each step once.
        published: addresses or directories where the run says its result is.
        outcome: set when the log says how the training ended.
    """

    metrics: list[MetricPoint] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    outcome: Outcome | None = None

    def __bool__(self) -> bool:
        """Whether there is anything new."""
        return bool(
            self.metrics
            or self.stages
            or self.notices
            or self.checkpoints
            or self.published
            or self.outcome
        )

    def extend(self, later: Update) -> None:
        """Add the facts of a later update."""
        self.metrics += later.metrics
        self.stages += later.stages
        self.notices += later.notices
        self.checkpoints += later.checkpoints
        self.published += later.published
        self.outcome = later.outcome or self.outcome


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is now.

    Attributes:
        step: steps done, None before the first progress bar.
        total_steps: steps to do in all.
        epoch: the current epoch, counted from 1.
        epochs: epochs in all.
        percent: steps done, 0..100.
        seconds_per_step: as the bar shows it (smoothed by the trainer).
        elapsed_seconds: time since the steps began, as the bar shows it.
        eta_seconds: until the last step; excludes final validation and upload.
        loss: the newest, may be nan.
        lr: the newest learning rate.
        stage: label of the stage that runs, or of the last one.
        stage_key: its key, see `Stage.key`.
        stage_percent: how far that stage is, 0..100, if known.
        last_line: the last line that says something, without control characters.
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
