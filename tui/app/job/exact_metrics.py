"""Series that a run wrote itself, beside those of its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tui.app.chart.data import Series
from tui.simpletuner.metric_records import SAME_AS_LOGGED, MetricRecords
from tui.simpletuner.validation_media import METRICS_FILE
from tui.store.records import FileRecord

_PIECE: Final = 4 << 20
_MOST_BYTES: Final = 256 << 20


class ExactMetrics:
    """Reads the file of a run's numbers as it arrives, again only when it has changed."""

    def __init__(self) -> None:
        self._seen: tuple[str, int, int] | None = None
        self._series: list[Series] = []

    def read(self, outputs: Path, files: Iterable[FileRecord]) -> list[Series]:
        """Return the series that the log has under no name. Blocking.

        Args:
            outputs: the folder of delivered files.
            files: the files of the job.
        """
        for file in files:
            path = outputs / file.path
            if not file.missing and file.path.endswith(f"/{METRICS_FILE}") and path.is_file():
                return self._of(path)
        return []

    def _of(self, path: Path) -> list[Series]:
        try:
            with path.open("rb") as content:
                state = path.stat()
                seen = (str(path), state.st_size, state.st_mtime_ns)
                if seen != self._seen:
                    records, held = MetricRecords(), b""
                    while piece := content.read(_PIECE):
                        held += piece
                        held = held[records.feed(held) :][-_PIECE:]
                        if content.tell() > _MOST_BYTES:
                            break
                    self._series = list(_prepared(records))
                    self._seen = seen
        except OSError:
            return []
        return self._series


def _prepared(records: MetricRecords) -> Iterator[Series]:
    for name in sorted(records.series):
        if name not in SAME_AS_LOGGED:
            series = Series(name, *records.series[name])
            series.prepare()
            yield series
