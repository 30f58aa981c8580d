"""The metric series of a run: each (name, step) handed out once, with its last value.

A training bar is drawn several times per step, at first still with the values of the step before.
So the newest step is held back until the next one (or the end) and its last drawing counts. A
summary line may repeat a step; it only adds what the bars did not say.
"""

from __future__ import annotations

from typing import Any

from tui.simpletuner.log_grammar import metric_name, postfix_values, text_of
from tui.simpletuner.log_model import MetricPoint

_make = MetricPoint._make


class Series:
    """Values per step, the newest step still open.

    Attributes:
        held: the newest step as printed, empty before the first.
        step: the same as a number.
        postfix: the newest `k=v` list of that step.
    """

    def __init__(self) -> None:
        self.held = b""
        self.step: int | None = None
        self.postfix: bytes | None = None
        self._extra: dict[str, float] = {}
        self._last_step: dict[str, int] = {}
        self._latest: dict[str, float] = {}
        self._names: dict[bytes, str] = {}

    def advance(self, held: bytes, postfix: bytes | None, points: list[MetricPoint]) -> None:
        """A bar shows another step."""
        self.flush(points)
        self.held = held
        self.step = int(held)
        self.postfix = postfix

    def add(self, step: int, values: dict[str, float], points: list[MetricPoint]) -> None:
        """A line other than a bar gives values for a step."""
        if self.step is None or step > self.step:
            self.advance(b"%d" % step, None, points)
        if step == self.step:
            for name, value in values.items():
                self._extra.setdefault(name, value)
            return
        for name, value in values.items():
            if self._last_step.get(name, -1) < step:
                self._last_step[name] = step
                self._latest[name] = value
                points.append(MetricPoint(name, step, value))

    def flush(self, points: list[MetricPoint]) -> None:
        """Hand out what is known of the newest step."""
        step, postfix = self.step, self.postfix
        if step is None:
            return
        last_step, latest, names = self._last_step, self._latest, self._names
        if postfix:
            for pair in postfix.split(b","):
                raw_name, _, raw = pair.partition(b"=")
                name = names.get(raw_name)
                if name is None:
                    name = names[raw_name] = metric_name(text_of(raw_name.strip()))
                try:
                    value = float(raw)
                except ValueError:
                    continue
                if last_step.get(name) != step:
                    last_step[name] = step
                    latest[name] = value
                    points.append(_make((name, step, value)))
        if self._extra:
            for name, value in self._extra.items():
                if last_step.get(name) != step:
                    last_step[name] = step
                    latest[name] = value
                    points.append(MetricPoint(name, step, value))
            self._extra = {}

    def latest(self, name: str) -> float | None:
        """The newest value of a series, also of the step that is still open."""
        value = postfix_values(self.postfix or b"").get(name)
        if value is None:
            value = self._extra.get(name, self._latest.get(name))
        return value

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values; numbers as text, because JSON has no nan."""
        return {
            "held": self.held.decode("ascii"),
            "postfix": None if self.postfix is None else self.postfix.decode("latin-1"),
            "extra": {name: repr(value) for name, value in self._extra.items()},
            "last_step": dict(self._last_step),
            "latest": {name: repr(value) for name, value in self._latest.items()},
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Series:
        """The series that `dump` described."""
        series = cls()
        series.held = state["held"].encode("ascii")
        series.step = int(series.held) if series.held else None
        postfix = state["postfix"]
        series.postfix = None if postfix is None else postfix.encode("latin-1")
        series._extra = {name: float(value) for name, value in state["extra"].items()}
        series._last_step = dict(state["last_step"])
        series._latest = {name: float(value) for name, value in state["latest"].items()}
        return series
