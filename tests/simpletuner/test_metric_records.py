"""The file of a run's numbers, as it grows and as strangers may write it."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.metric_records import MOST_SERIES, MetricRecords


def line(step: object, **values: object) -> bytes:
    return json.dumps({"schema_version": 1, "step": step, "metrics": values}).encode() + b"\n"


def series(data: bytes) -> dict[str, tuple[list[int], list[float]]]:
    records = MetricRecords()
    records.feed(data)
    return {name: (list(steps), list(values)) for name, (steps, values) in records.series.items()}


def test_values_by_name_and_a_resume_replaces_what_it_does_again() -> None:
    data = line(1, loss=0.5, lr=1) + line(2, loss=0.4) + line(3, loss=0.3)
    assert series(data) == {"loss": ([1, 2, 3], [0.5, 0.4, 0.3]), "lr": ([1], [1.0])}
    again = data + line(2, loss=0.7) + line(2, loss=0.6)
    assert series(again)["loss"] == ([1, 2], [0.5, 0.6])


def test_what_is_not_as_described_is_passed_over() -> None:
    strange = [
        b"\n", b"[]\n", b"\xff\n", b'{"step":1}\n', b'{"step":1,"metrics":[]}\n',
        b"[" * 50_000 + b"\n", line(-1, x=1), line(True, x=1), line("1", x=1), line(10**12, x=1),
        line(1, x="1", y=None, z=True), line(1, **{"": 1, "a\x1b[2J": 1, "n" * 65: 1}),
    ]  # fmt: skip
    assert series(b"".join(strange)) == {}
    assert series(line(1, x=10**400))["x"] == ([1], [math.inf])
    many = line(1, **{f"n{at}": at for at in range(MOST_SERIES * 2)})
    assert len(series(many)) == MOST_SERIES


@given(st.lists(st.integers(0, 60), max_size=8))
def test_growth_in_any_pieces_is_the_same(cuts: list[int]) -> None:
    data = b"".join(line(step, loss=step / 10) for step in range(1, 5))
    records, held, at = MetricRecords(), b"", 0
    for cut in [*cuts, len(data)]:
        held += data[at : at + cut]
        at += cut
        held = held[records.feed(held) :]
    held += data[at:]
    records.feed(held)
    found = {name: (list(steps), list(values)) for name, (steps, values) in records.series.items()}
    assert found == series(data)
