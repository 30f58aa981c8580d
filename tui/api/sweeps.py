"""Sweeps: groups of jobs that are planned, agreed to and cancelled as one."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from tui.api.base import Bounds, Micros, Timestamp, TypedDict
from tui.api.check_report import Check, CostLimitDetails
from tui.api.submission import Draft


class SweepAxis(TypedDict):
    """An option and the values that it takes in turn.

    Attributes:
        name: the option.
        values: as they are typed; each is read by the option's type.
    """

    name: Annotated[str, Bounds(max_length=200)]
    values: Annotated[list[str], Bounds(max_length=32)]


class SweepDraft(TypedDict):
    """What a sweep is made of: each draft with each combination of the axes' values.

    Attributes:
        drafts: one for each config.
        axes: every combination of their values becomes a run of each draft.
        name: the sweep's name; suggested when missing.
        at_once: how many of its jobs may be under way at a time; 2 when missing.
    """

    drafts: Annotated[list[Draft], Bounds(max_length=32)]
    axes: NotRequired[Annotated[list[SweepAxis], Bounds(max_length=10)]]
    name: NotRequired[Annotated[str, Bounds(max_length=100)] | None]
    at_once: NotRequired[Annotated[int, Bounds(ge=1, le=10)] | None]


class SweepRequest(SweepDraft):
    """A sweep with the consent to it.

    Attributes:
        consent: whether the user agreed to all runs, their price and the upload.
        agreed: what they agreed to: the digest that the plan showed.
        idempotency_key: a second start with the same key returns the first one's sweep.
    """

    consent: NotRequired[bool]
    agreed: NotRequired[Annotated[str, Bounds(max_length=200)] | None]
    idempotency_key: NotRequired[Annotated[str, Bounds(max_length=200)] | None]


class PlannedMember(TypedDict):
    """One run of a plan.

    Attributes:
        name: its run name.
        config: the config that it is made from.
        changes: what tells it from the others, by option, as the trainer reads it.
        ok: whether it could be submitted by itself.
        checks: its findings, errors first.
        hardware: what it would run on.
        seconds: its estimated duration.
        micros: its estimated price.
        low_micros: the lower end of that.
        high_micros: the upper end of that.
    """

    name: str
    config: str
    changes: dict[str, str]
    ok: bool
    checks: list[Check]
    hardware: str
    seconds: int
    micros: Micros
    low_micros: Micros
    high_micros: Micros


class LeavingOnce(TypedDict):
    """Data that leave this machine.

    Attributes:
        images: files that are no captions.
        captions: captions.
        bytes: size of all of them.
        destination: where to, for people.
        words: whether they leave or stay, what, where to and for how long, in one line.
        stays_here: who gets them and the API are servers on this machine.
        runs: how many runs read them.
        times: how often they are sent: once where they are staged; an archive goes with each run.
        until: how long they stay there; empty where that is not known.
        token: which token travels with the runs; empty for none.
    """

    images: int
    captions: int
    bytes: int
    destination: str
    words: str
    stays_here: bool
    runs: int
    times: int
    until: str
    token: str


class SweepProblem(TypedDict):
    """Why a sweep cannot be started.

    Attributes:
        code: as in an error of the API.
        message: what is wrong, with the run's name where it is one's.
        advice: what can be done.
        member: the run's place in the plan; null where it is about all of them.
    """

    code: str
    message: str
    advice: str
    member: int | None


class SweepPlan(TypedDict):
    """All that is known of a sweep before it costs anything.

    Attributes:
        name: the sweep's name.
        at_once: how many of its jobs would be under way at a time.
        ok: whether it can be started.
        problem: why not; null when it can.
        members: its runs, in their order.
        micros: estimated price of all runs.
        low_micros: the lower end of that.
        high_micros: the upper end of that.
        free: whether it costs no real money.
        cost: the finding about the cost limit, with all runs.
        cost_limit: the figures of a sweep that the limit refuses; null for one that it lets pass.
        leaves: the data that leave this machine.
        digest: what a consent agrees to.
    """

    name: str
    at_once: int
    ok: bool
    problem: SweepProblem | None
    members: list[PlannedMember]
    micros: Micros
    low_micros: Micros
    high_micros: Micros
    free: bool
    cost: Check
    cost_limit: CostLimitDetails | None
    leaves: list[LeavingOnce]
    digest: str


class SweepMember(TypedDict):
    """A job of a sweep.

    Attributes:
        job_id: the job.
        name: its name.
        status: its state.
        stage: what it does, or why it ended so.
        waits: whether its turn has not come.
        changes: what tells it from the others, by option.
        loss: its smoothed loss; null before the first value.
        best_loss: the lowest smoothed loss.
        cost_micros: what it has cost, so far for one that runs.
        estimate_micros: what it was expected to cost.
    """

    job_id: str
    name: str
    status: str
    stage: str
    waits: bool
    changes: dict[str, str]
    loss: float | None
    best_loss: float | None
    cost_micros: Micros
    estimate_micros: Micros | None


class Sweep(TypedDict):
    """A sweep as it stands.

    Attributes:
        name: its name.
        state: `paused` starts no more runs until it is resumed; `done` when all have ended.
        reason: why it is paused; empty otherwise.
        advice: what the user can do about it.
        at_once: how many of its jobs may be under way at a time.
        created_at: when it was agreed to.
        done: jobs that were completed.
        failed: jobs that failed.
        cancelled: jobs that were cancelled.
        running: jobs that are under way.
        waiting: jobs whose turn has not come.
        best: the completed job with the lowest smoothed loss; null before there is one.
        cost_micros: what its jobs have cost so far.
        estimate_micros: what all of them were expected to cost.
        members: its jobs, in their order.
    """

    name: str
    state: Literal["running", "paused", "cancelled", "done"]
    reason: str
    advice: str
    at_once: int
    created_at: Timestamp
    done: int
    failed: int
    cancelled: int
    running: int
    waiting: int
    best: str | None
    cost_micros: Micros
    estimate_micros: Micros
    members: list[SweepMember]


class SweepList(TypedDict):
    """All sweeps, the newest first."""

    sweeps: list[Sweep]


class SweepCancelled(TypedDict):
    """A sweep was cancelled.

    Attributes:
        sweep: as it stands now.
        ended: jobs that ended before anything was started at Replicate.
        stopping: jobs that Replicate was asked to stop.
        failed: jobs that could not be cancelled, with the reason.
    """

    sweep: Sweep
    ended: list[str]
    stopping: list[str]
    failed: list[str]
