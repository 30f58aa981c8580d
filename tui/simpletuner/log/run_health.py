"""What the points of a running training say about it: its smoothed loss, its best, what goes wrong.

Everything is kept up with each point in constant time and memory, so that a run of a million steps
costs the engine what a short one does, and the state fits beside the parser's in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite, log
from typing import Any, Final, Literal, NotRequired, TypedDict

from tui.simpletuner.log.model import MetricPoint, Progress
from tui.simpletuner.log.outline import Outline, OutlineState
from tui.simpletuner.log.smoothing import Smoothed

WarningKind = Literal["not_finite", "diverging", "stalled", "slower"]

_TRAINING: Final = "training"
"""`Stage.key` of the optimisation steps."""
_LOSS: Final = "loss"
_SHORT_RUN: Final = 1000
_BUCKET: Final = 1.05
"""Ratio of the limits of a bucket of step times: the median is right within 5 %."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a run is reported.

    Attributes:
        diverging_ratio: smoothed loss by its lowest value.
        diverging_steps: for how many steps at least.
        diverging_share: for which share of the run at least.
        quiet_share: share of the run at its beginning in which divergence is not reported.
        stalled_seconds: seconds without a step at least.
        stalled_steps: median step times without a step at least.
        slower_ratio: step time by the run's median.
        slower_steps: for how many steps.
        broken_points: losses in a row that are not finite, after which a run counts as broken.
    """

    diverging_ratio: float = 1.75
    diverging_steps: int = 20
    diverging_share: float = 0.02
    quiet_share: float = 0.05
    stalled_seconds: float = 60.0
    stalled_steps: float = 20.0
    slower_ratio: float = 2.0
    slower_steps: int = 20
    broken_points: int = 3


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something that a person who pays for the run wants to know.

    Attributes:
        kind: what it is.
        step: since which step.
        since: since when, as far as known.
        ratio: how many times the usual or best value; None where it has no meaning.
    """

    kind: WarningKind
    step: int | None
    since: datetime | None
    ratio: float | None = None


class StepTimes:
    """The median of step times, in constant memory.

    A histogram with logarithmic buckets; the median's bucket moves along with each value.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0

    def add(self, seconds: float) -> None:
        """Take a step time."""
        if isfinite(seconds) and seconds > 0:
            bucket = round(log(seconds) / log(_BUCKET))
            self._counts[bucket] = self._counts.get(bucket, 0) + 1
            self._total += 1

    @property
    def median(self) -> float | None:
        """The median in seconds, within 5 %; None before the first value."""
        passed = 0
        for bucket in sorted(self._counts):
            passed += self._counts[bucket]
            if 2 * passed >= self._total:
                return float(_BUCKET**bucket)
        return None

    def dump(self) -> dict[str, int]:
        """The state as JSON values."""
        return {str(bucket): count for bucket, count in self._counts.items()}

    @classmethod
    def restore(cls, state: Mapping[str, int]) -> StepTimes:
        """Rebuild the times from the result of `dump`."""
        times = cls()
        times._counts = {int(bucket): int(count) for bucket, count in state.items()}
        times._total = sum(times._counts.values())
        return times


class HealthState(TypedDict):
    """A `RunHealth` as JSON values.

    Attributes:
        warmup: steps in which the learning rate rises.
        total: steps of the whole run.
        smoothed: the mean of the loss.
        slow: weight and state of the slower mean.
        best: the lowest smoothed loss.
        best_step: its step.
        lowest: the lowest value of the slower mean.
        above: since which step the loss is too high.
        ratio: how high, against the best.
        newest: the newest step with a loss.
        bad: since which step losses are not finite, how many in a row, and the most in a row.
        times: how often a step took how long.
        slower: since which step the run is slower, and how much.
        step: the newest step.
        stepped_at: when it was reached.
        in_steps: whether the run is in its steps.
        outline: the shape of the smoothed loss; earlier versions did not keep it.
    """

    warmup: int
    total: int | None
    smoothed: list[float]
    slow: list[float]
    best: float | None
    best_step: int | None
    lowest: float | None
    above: int | None
    ratio: float | None
    newest: int
    bad: list[int | None]
    times: dict[str, int]
    slower: list[float | None]
    step: int | None
    stepped_at: str | None
    in_steps: bool
    outline: NotRequired[OutlineState]


class RunHealth:
    """Follows one run.

    Args:
        warmup_steps: steps in which the learning rate rises; the loss may rise in them.
        thresholds: when something is reported.

    Attributes:
        best: the lowest smoothed loss.
        best_step: its step.
    """

    def __init__(self, warmup_steps: int = 0, thresholds: Thresholds | None = None) -> None:
        self._thresholds = thresholds or Thresholds()
        self._warmup = warmup_steps
        self._smoothed = Smoothed()
        self._outline = Outline()
        self._slow_mean = Smoothed(0.99)
        self._total: int | None = None
        self.best: float | None = None
        self.best_step: int | None = None
        self._lowest: float | None = None
        self._above_since: int | None = None
        self._ratio: float | None = None
        self._newest = -1
        self._bad_since: int | None = None
        self._bad_run = 0
        self._longest_bad_run = 0
        self._times = StepTimes()
        self._slow_since: int | None = None
        self._slow_ratio: float | None = None
        self._step: int | None = None
        self._stepped_at: datetime | None = None
        self._in_steps = False

    @property
    def loss(self) -> float | None:
        """The smoothed loss."""
        return self._smoothed.value

    @property
    def is_broken(self) -> bool:
        """Whether several losses in a row were not finite: such a run does not recover."""
        return self._longest_bad_run >= self._thresholds.broken_points

    def add(self, points: Iterable[MetricPoint], total_steps: int | None) -> None:
        """Take the next points of the run.

        Args:
            points: values of any series, in the order of the log.
            total_steps: steps of the whole run, as far as known.
        """
        if self._total is None and total_steps:
            self._total = total_steps
            if total_steps < _SHORT_RUN and not self._slow_mean.count:
                self._slow_mean = Smoothed(0.98)
        for point in points:
            if point.name == _LOSS:
                self._take_loss(point.step, point.value)

    def _take_loss(self, step: int, value: float) -> None:
        if step < self._newest:
            self._above_since = None  # the run has gone back to a checkpoint
        self._newest = step
        if not isfinite(value):
            self._bad_run += 1
            self._longest_bad_run = max(self._longest_bad_run, self._bad_run)
            if self._bad_since is None:
                self._bad_since = step
            return
        self._bad_run = 0
        was_settled = self._smoothed.is_settled
        smoothed = self._smoothed.add(value)
        if smoothed is not None:
            self._outline.add(smoothed)
        if smoothed is not None and (
            self.best is None
            or smoothed < self.best
            or (self._smoothed.is_settled and not was_settled)
        ):
            # The mean of the first few batches is luck: it counts only until there are enough.
            self.best, self.best_step = smoothed, step
        self._look_for_divergence(step, self._slow_mean.add(value))

    def _look_for_divergence(self, step: int, mean: float | None) -> None:
        limits, total = self._thresholds, self._total or 0
        if mean is None or step <= max(self._warmup, limits.quiet_share * total):
            return
        if self._slow_mean.is_settled and (self._lowest is None or mean < self._lowest):
            self._lowest = mean
        if (
            self._lowest is None
            or self._lowest <= 0
            or mean <= limits.diverging_ratio * self._lowest
        ):
            self._above_since = self._ratio = None
            return
        self._ratio = mean / self._lowest
        if self._above_since is None:
            self._above_since = step

    def moved(self, progress: Progress, at: datetime) -> None:
        """Take the state of the run as read at a time."""
        self._in_steps = progress.stage_key == _TRAINING
        step, limits = progress.step, self._thresholds
        if step is None or step == self._step:
            return
        self._step, self._stepped_at = step, at
        pace = progress.seconds_per_step
        if pace is None:
            return
        median = self._times.median
        self._times.add(pace)
        if median is None or pace <= limits.slower_ratio * median:
            self._slow_since = self._slow_ratio = None
        else:
            self._slow_ratio = pace / median
            if self._slow_since is None:
                self._slow_since = step

    def warnings(self, now: datetime, *, heard: bool = True) -> list[RunWarning]:
        """Return what is wrong at a time, the most urgent first.

        Args:
            now: the time.
            heard: whether the run's state was read just now; without that nobody can tell whether
                it stands still.
        """
        found: list[RunWarning] = []
        limits = self._thresholds
        if self._bad_since is not None:
            found.append(RunWarning("not_finite", self._bad_since, None))
        if self._above_since is not None and self._newest - self._above_since >= max(
            limits.diverging_steps, limits.diverging_share * (self._total or 0)
        ):
            found.append(RunWarning("diverging", self._above_since, None, self._ratio))
        if heard and (since := self._stands_since(now)) is not None:
            found.append(RunWarning("stalled", self._step, since))
        if (
            self._slow_since is not None
            and self._step is not None
            and self._step - self._slow_since >= limits.slower_steps
        ):
            found.append(RunWarning("slower", self._slow_since, None, self._slow_ratio))
        return found

    def _stands_since(self, now: datetime) -> datetime | None:
        if not self._in_steps or self._stepped_at is None:
            return None
        limits = self._thresholds
        pause = max(limits.stalled_seconds, limits.stalled_steps * (self._times.median or 0.0))
        return self._stepped_at if now - self._stepped_at > timedelta(seconds=pause) else None

    def dump(self) -> HealthState:
        """The state as JSON values."""
        return {
            "warmup": self._warmup,
            "total": self._total,
            "smoothed": self._smoothed.dump(),
            "slow": [self._slow_mean.weight, *self._slow_mean.dump()],
            "best": self.best,
            "best_step": self.best_step,
            "lowest": self._lowest,
            "above": self._above_since,
            "ratio": self._ratio,
            "newest": self._newest,
            "bad": [self._bad_since, self._bad_run, self._longest_bad_run],
            "times": self._times.dump(),
            "slower": [self._slow_since, self._slow_ratio],
            "step": self._step,
            "stepped_at": self._stepped_at.isoformat() if self._stepped_at else None,
            "in_steps": self._in_steps,
            "outline": self._outline.dump(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], thresholds: Thresholds | None = None) -> RunHealth:
        """Rebuild the state from the result of `dump`.

        Raises:
            ValueError: the state is damaged.
        """
        try:
            health = cls(int(state["warmup"]), thresholds)
            health._total = state["total"]
            health._smoothed = Smoothed.restore(state["smoothed"])
            weight, *mean = state["slow"]
            health._slow_mean = Smoothed.restore(mean, weight)
            health.best, health.best_step = state["best"], state["best_step"]
            health._lowest, health._above_since = state["lowest"], state["above"]
            health._ratio, health._newest = state["ratio"], state["newest"]
            health._bad_since, health._bad_run, health._longest_bad_run = state["bad"]
            health._times = StepTimes.restore(state["times"])
            health._slow_since, health._slow_ratio = state["slower"]
            health._step, health._in_steps = state["step"], bool(state["in_steps"])
            if "outline" in state:
                health._outline = Outline.restore(state["outline"])
            at = state["stepped_at"]
            health._stepped_at = datetime.fromisoformat(at) if at else None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("this state of a run is damaged") from error
        return health
