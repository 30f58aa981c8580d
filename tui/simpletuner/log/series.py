"""The metric series of a run: each (name, step) is returned once, with its last value.

tqdm draws a training bar several times per step, at first with the values of the previous step. So
the newest step stays open until the next one (or the end), and its last drawing counts. A summary
line can repeat a step; it only adds values that the bars do not have.
"""

from __future__ import annotations

from typing import Final, TypedDict

from tui.simpletuner.log.grammar import metric_name, number, postfix_values, text_of
from tui.simpletuner.log.model import MetricPoint

# Takes a third of the time of `MetricPoint(...)`, which is created twice per step.
_new = tuple.__new__
# A run's values repeat (three digits are printed), so parsed pairs are cached.
_CACHE_LIMIT: Final = 8192
_PAIR_LIMIT: Final = 100


class SeriesState(TypedDict):
    """A `Series` as JSON values; numbers as text, because JSON has no nan.

    Attributes:
        held: the newest step as printed.
        body: the newest bar of that step.
        flushed: the last step whose points were returned.
        extra: values of the newest step that no bar has.
        latest: name, step and value of the newest point of each series.
    """

    held: str
    body: str | None
    flushed: int | None
    extra: dict[str, str]
    latest: list[list[str | int]]


class Series:
    """Values per step, the newest step still open.

    Attributes:
        held: the newest step as printed; empty before the first.
        step: the newest step as a number.
        body: the newest bar of that step, from the step to the closing bracket; None without one.
    """

    def __init__(self) -> None:
        self.held = b""
        self.step: int | None = None
        self.body: bytes | None = None
        self._flushed: int | None = None
        self._extra: dict[str, float] = {}
        self._latest: dict[str, MetricPoint] = {}
        self._pairs: dict[bytes, tuple[str, float] | None] = {}

    def advance(self, held: bytes, body: bytes | None, points: list[MetricPoint]) -> None:
        """Begin another step."""
        self.flush(points)
        self.held = held
        self.step = int(held)
        self.body = body

    def add(self, step: int, values: dict[str, float], points: list[MetricPoint]) -> None:
        """Add values for a step from a line that is no bar."""
        if self.step is None or step > self.step:
            self.advance(b"%d" % step, None, points)
        if step == self.step:
            for name, value in values.items():
                self._extra.setdefault(name, value)
            return
        for name, value in values.items():
            known = self._latest.get(name)
            if known is None or known.step < step:
                point = MetricPoint(name, step, value)
                self._latest[name] = point
                points.append(point)

    def flush(self, points: list[MetricPoint]) -> None:
        """Append the values of the newest step to `points`."""
        step, body = self.step, self.body
        if step is None:
            return
        latest, again = self._latest, self._flushed == step
        self._flushed = step
        if body is not None:
            self.body = None
            pairs = self._pairs
            for pair in body.split(b", ")[2:]:
                try:
                    known = pairs[pair]
                except KeyError:
                    known = self._learn(pair)
                if known is not None:
                    name, value = known
                    if again and name in latest and latest[name].step == step:
                        continue
                    latest[name] = point = _new(MetricPoint, (name, step, value))
                    points.append(point)
        if self._extra:
            for name, value in self._extra.items():
                if name not in latest or latest[name].step != step:
                    latest[name] = point = MetricPoint(name, step, value)
                    points.append(point)
            self._extra = {}

    def _learn(self, pair: bytes) -> tuple[str, float] | None:
        raw_name, equals, raw = pair.partition(b"=")
        value = number(raw) if equals else None
        known = None
        if value is not None:
            known = (metric_name(text_of(raw_name.strip())), value)
        if len(self._pairs) >= _CACHE_LIMIT:
            self._pairs.clear()
        if len(pair) <= _PAIR_LIMIT:
            self._pairs[pair] = known
        return known

    def latest(self, name: str) -> float | None:
        """The newest value of a series, also of the step that is still open."""
        if self.body is not None:
            value = postfix_values(self.body).get(name)
            if value is not None:
                return value
        if name in self._extra:
            return self._extra[name]
        known = self._latest.get(name)
        return None if known is None else known.value

    def dump(self) -> SeriesState:
        """The state as JSON values."""
        return {
            "held": self.held.decode("ascii"),
            "body": None if self.body is None else self.body.decode("latin-1"),
            "flushed": self._flushed,
            "extra": {name: repr(value) for name, value in self._extra.items()},
            "latest": [
                [point.name, point.step, repr(point.value)] for point in self._latest.values()
            ],
        }

    @classmethod
    def restore(cls, state: SeriesState) -> Series:
        """Rebuild the series from the result of `dump`."""
        series = cls()
        series.held = state["held"].encode("ascii")
        series.step = int(series.held) if series.held else None
        body = state["body"]
        series.body = None if body is None else body.encode("latin-1")
        series._flushed = state["flushed"]
        series._extra = {name: float(value) for name, value in state["extra"].items()}
        for name, step, value in state["latest"]:
            series._latest[str(name)] = MetricPoint(str(name), int(step), float(value))
        return series
