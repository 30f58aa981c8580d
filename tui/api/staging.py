"""Staged data: copies of local datasets that the trainer reads from elsewhere."""

from __future__ import annotations

from tui.api.base import Timestamp, TypedDict


class StagedData(TypedDict):
    """The staged datasets of one manifest in one place.

    Attributes:
        key: names it in calls.
        place: `hub`, `here` or `bucket:<destination>`; empty where `damage` has hidden it.
        where: the same for people.
        datasets: ids of the datasets.
        images: number of files.
        bytes: their size.
        created_at: when it was planned.
        complete: whether all of it was verified at the far end.
        keep: whether it stays after the last job that reads it.
        readers: ids of the jobs that read it or may still do so.
        problem: why its removal failed, which is tried again; empty when it did not fail.
        damage: what is not known since its record could not be read; empty when it could.
    """

    key: str
    place: str
    where: str
    datasets: list[str]
    images: int
    bytes: int
    created_at: Timestamp
    complete: bool
    keep: bool
    readers: list[str]
    problem: str
    damage: str


class StagedList(TypedDict):
    """Everything that is staged, oldest first."""

    staged: list[StagedData]


class StagedRemoved(TypedDict):
    """Staged data were removed."""

    removed: str
