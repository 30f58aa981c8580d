"""Predictions of the past, so that lists, pages and syncs have something to show."""

from __future__ import annotations

import random
from datetime import timedelta

from tui.sandbox.clock import Clock
from tui.sandbox.jobs import Jobs
from tui.sandbox.record import Record
from tui.sandbox.registry import Registry

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ENDS = ("succeeded",) * 7 + ("failed", "failed", "canceled")
_ERRORS = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB",
    "Prediction timed out.",
)


def add_history(jobs: Jobs, registry: Registry, clock: Clock, count: int) -> None:
    """Put `count` finished predictions before all that there are, one every half hour.

    All of them are older than the time for which the service keeps data, so they have none.
    """
    maker = random.Random(count)  # noqa: S311 - made-up data, nothing to guess
    versions = [
        version
        for model in registry.models.values()
        if model.owner == "simpletuner"
        for version in model.versions
    ]
    known = jobs.order["prediction"]
    newest = min([clock.now(), *(item.created_at for item in known[:1])]) - timedelta(hours=3)
    past = []
    for back in range(count, 0, -1):
        created = newest - timedelta(minutes=30 * back)
        record = Record(
            "prediction",
            maker.choice(versions),
            {},
            created,
            id="".join(maker.choices(_ALPHABET, k=26)),
            source="web" if maker.random() < 0.05 else "api",
        )
        started = created + timedelta(seconds=maker.uniform(1, 240))
        status = maker.choice(_ENDS)
        record.start(started)
        record.finish(
            status,
            started + timedelta(seconds=maker.uniform(30, 1500)),
            error=maker.choice(_ERRORS) if status == "failed" else None,
        )
        record.remove_data()
        past.append(record)
    jobs.keep_past(past)
