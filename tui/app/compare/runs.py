"""The runs of a comparison as the screen needs them: results, settings, curves and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.app.chart.axis import Axis
from tui.app.chart.data import SCHEDULES, Series
from tui.app.chart.grid import pace
from tui.app.chart.timed import over
from tui.simpletuner.log.step_clock import StepClock
from tui.store.comparison import compare_jobs
from tui.store.reader import StoreReader
from tui.store.run_clock import run_clock

if TYPE_CHECKING:
    from tui.api.comparison import Comparison
    from tui.settings import Home
    from tui.store.records import JobRecord

LOSS: Final = "loss"


@dataclass(slots=True)
class Runs:
    """Several runs.

    Attributes:
        jobs: their records, in the order of the columns.
        found: what differs and what came of it; every setting is in it.
        metrics: the series that at least one of them has, the loss first.
        metric: which of them the curves show.
        curves: that series of each by step.
        paces: of each curve how many of its run's steps lie between two points.
        clocks: when each did its steps; read when a time is asked for.
    """

    jobs: list[JobRecord]
    found: Comparison
    metrics: list[str]
    metric: str
    curves: list[Series]
    paces: list[float]
    clocks: list[StepClock] = field(default_factory=list)

    def over(self, axis: Axis) -> list[Series]:
        """The curves over an axis; an empty one where a run's times are not known."""
        clocks: list[StepClock | None] = [*self.clocks] or [None] * len(self.curves)
        return [over(one, clock, axis) for one, clock in zip(self.curves, clocks, strict=True)]

    def untimed(self, axis: Axis) -> list[bool]:
        """Which runs have points and no place for them on an axis of time."""
        pairs = zip(self.curves, self.over(axis), strict=True)
        return [len(curve) > 0 and not len(timed) for curve, timed in pairs]


def read_runs(
    home: Home,
    outputs: Path,
    job_ids: Sequence[str],
    now: datetime,
    *,
    times: bool,
    metric: str = LOSS,
) -> Runs:
    """Reads the runs from the store, in a thread; jobs that are gone are left out.

    Args:
        home: the state directory.
        outputs: the folder of delivered files.
        job_ids: the jobs.
        now: the time.
        times: whether their times are needed, which lie in their logs.
        metric: the series of the curves; the first one where no run has it.

    Raises:
        StoreError: the store cannot be read.
    """
    reader = StoreReader(home.database)
    try:
        jobs = [job for job_id in job_ids if (job := reader.job(job_id)) is not None]
        found = compare_jobs(reader, jobs, now, everything=True)
        distances = [reader.metric_distances(job.job_id) for job in jobs]
        names = {name for one in distances for name in one} | {LOSS}
        metrics = sorted(names, key=lambda name: (name != LOSS, name != "lr", name))
        metric = metric if metric in names else metrics[0]
        curves = [
            Series(one["label"], *reader.metrics(job.job_id, metric))
            for job, one in zip(jobs, found["jobs"], strict=True)
        ]
        for curve in curves:
            curve.prepare()
        clocks = [run_clock(reader, home, outputs, job) for job in jobs] if times else []
    finally:
        reader.close()
    paces = [
        pace(one.get(metric, 0.0), (far for name, far in one.items() if name not in SCHEDULES))
        for one in distances
    ]
    return Runs(jobs, found, metrics, metric, curves, paces, clocks)
