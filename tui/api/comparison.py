"""The comparison of several jobs: what differs between their settings, and what came of it."""

from __future__ import annotations

from tui.api.base import Timestamp, TypedDict


class ComparedJob(TypedDict):
    """One of the jobs.

    Attributes:
        label: its name; with its age or id where two are called the same.
        loss: the smoothed loss of the finite values; null before the first.
        not_finite: whether the newest loss is no finite number.
        best_loss: the lowest smoothed loss.
        best_step: its step.
        seconds_per_step: the newest.
        cost_usd: what it has cost, so far for one that runs.
        cost_bound: how sure that is: empty, `so far`, `at least` or `at most`.
        steps: steps done.
        total_steps: steps of the whole run.
        pictures: pictures of its validations that are here.
    """

    job_id: str
    name: str
    label: str
    status: str
    created_at: Timestamp
    loss: float | None
    not_finite: bool
    best_loss: float | None
    best_step: int | None
    seconds_per_step: float | None
    cost_usd: float | None
    cost_bound: str
    steps: int | None
    total_steps: int | None
    pictures: int


class ComparedSetting(TypedDict):
    """One setting.

    Attributes:
        name: the option, `data`, `trainer`, `hardware`, or `datasets.<id>.<key>`.
        values: for each job, as the trainer reads it; empty where it is not set.
        differs: whether the jobs were trained with different values of it.
    """

    name: str
    values: list[str]
    differs: bool


class Comparison(TypedDict):
    """Several jobs beside each other.

    Attributes:
        jobs: in the order in which they were asked for.
        settings: those that differ first; without `--all` only those.
        differing: how many differ.
        compared: how many there are in all.
        remarks: why the jobs may not be comparable; empty when nothing speaks against it.
    """

    jobs: list[ComparedJob]
    settings: list[ComparedSetting]
    differing: int
    compared: int
    remarks: list[str]
