"""When a job did its steps, from what lies on this machine."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.simpletuner.log.step_clock import StepClock
from tui.simpletuner.validation_media import METRICS_FILE

if TYPE_CHECKING:
    from tui.settings import Home
    from tui.store.reader import StoreReader
    from tui.store.records import JobRecord

_PIECE: Final = 4 << 20
_LONGEST_BAR: Final = 4096
_MOST_LINES: Final = 500_000


def run_clock(reader: StoreReader, home: Home, outputs: Path, job: JobRecord) -> StepClock:
    """Return when a job did its steps. Blocking.

    It reads the file of all numbers that `report_to: simpletuner` writes, which names the time of
    each, or the whole log.

    Args:
        reader: the store.
        home: the state directory, with the logs.
        outputs: the folder of delivered files.
        job: the job.
    """
    for file in reader.files(job.job_id):
        if file.path.endswith(f"/{METRICS_FILE}") and not file.missing:
            exact = _exact(outputs / file.path)
            if exact is not None:
                return exact
    clock = StepClock(_began(reader, job))
    held = b""
    try:
        with home.log_file(job.job_id).open("rb") as log:
            while piece := log.read(_PIECE):
                held += piece
                held = held[clock.feed(held) :][-_LONGEST_BAR:]
    except OSError:
        pass  # it has no log yet
    return clock


def _began(reader: StoreReader, job: JobRecord) -> datetime | None:
    """When the first step was read here; the log itself has no time of day."""
    stages = (stage for stage in reader.stages(job.job_id) if stage.key == "training")
    first = next(stages, None)
    return job.started_at if first is None or first.started_at is None else first.started_at


def _exact(path: Path) -> StepClock | None:
    """The times in the file of a run's numbers; None where it cannot be read or has none."""
    clock: StepClock | None = None
    try:
        with path.open("rb") as file:
            for line in islice(file, _MOST_LINES):
                known = _record(line)
                if known is None:
                    continue
                step, at = known
                if clock is None or clock.began is None:
                    clock = StepClock(at, received=False)
                clock.add(step, (at - (clock.began or at)).total_seconds())
    except OSError:
        return None
    return clock if clock is not None and len(clock.steps) > 1 else None


def _record(line: bytes) -> tuple[int, datetime] | None:
    """The step and the time of a line; None for one that is not as described or half written."""
    try:
        record = json.loads(line)
        step, at = record["step"], datetime.fromisoformat(record["timestamp"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(step, int) or not 0 <= step < 10**12 or at.tzinfo is None:
        return None
    return step, at
