"""Jobs: the list, one job with its files, its log, and what can be done with it."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias

from tui.api.base import Bounds, Delivery, Hidden, JsonObject, Micros, Timestamp, TypedDict
from tui.api.network import ServiceState

JobStatus: TypeAlias = Literal[
    "pending", "uploading", "queued", "running", "completed", "failed", "cancelled"
]
"""Where a job stands; the words of SimpleTuner's job model."""


class JobFile(TypedDict):
    """A file of a job that is on this machine.

    Attributes:
        path: absolute; relative to the outputs folder where no folder is known.
        size: bytes.
        sha256: of its content, in hex; empty where it was not computed yet.
        sent_as: the name that it was sent with, if that could not stand in a folder.
    """

    path: Annotated[str, Hidden("submit", path=True)]
    size: int
    sha256: str
    sent_as: NotRequired[str]


class NotFinite(TypedDict):
    """A metric series with values that are infinite or not a number.

    Attributes:
        name: of the series, such as `loss`.
        first_step: the first step with such a value.
        last_step: the newest one.
    """

    name: str
    first_step: int
    last_step: int


WarningKind = Literal["not_finite", "diverging", "stalled", "slower"]
"""What can be wrong with a run, see `JobWarning`."""


class JobWarning(TypedDict):
    """Something about a run that a person who pays for it wants to know.

    Attributes:
        kind: `not_finite`: a loss that is infinite or not a number; `diverging`: the smoothed loss
            is well above its lowest; `stalled`: no step for long, with the run heard of; `slower`:
            steps take longer than they did.
        step: since which step; null where that is not known.
        since: when it was noticed, or the last step's time for a run that stands.
        ratio: how many times the best loss or usual step time; null where it has no meaning.
        dismissed: whether it was put away for this run.
    """

    kind: WarningKind
    step: int | None
    since: Timestamp
    ratio: float | None
    dismissed: bool


class JobProgress(TypedDict):
    """How far a job is, as its log tells.

    Attributes:
        stage: what happens now, in words; null before anything is known.
        step: optimisation steps done.
        total_steps: steps that the run will have.
        epoch: of the run, from 1.
        epochs: how many there will be.
        percent: 0 to 100.
        seconds_per_step: the present rate.
        loss: of the last step; null where it is not finite.
        loss_smoothed: its exponential mean, weight 0.97; null before the first loss, and for jobs
            that ended before this was kept.
        loss_best: the lowest smoothed loss so far.
        best_step: the step of that.
        learning_rate: of the last step; null where it is not finite.
        eta_at: when the steps will be done at the present rate; null while it is not heard of.
        not_finite: series with values that are infinite or not a number.
    """

    stage: str | None
    step: int | None
    total_steps: int | None
    epoch: int | None
    epochs: int | None
    percent: float | None
    seconds_per_step: float | None
    loss: float | None
    loss_smoothed: float | None
    loss_best: float | None
    best_step: int | None
    learning_rate: float | None
    eta_at: Timestamp | None
    not_finite: list[NotFinite]


class JobMetadata(TypedDict):
    """What else is known of a job.

    Attributes:
        prediction_id: Replicate's id; null before Replicate has accepted the job.
        model: the trainer, `owner/name`.
        version: the trainer's version, a hash.
        hardware_profile: such as `l40s`; empty for jobs of an unknown trainer.
        tracker_run_name: the job's name, as SimpleTuner calls it.
        model_family: such as `flux`; empty where it is not known.
        model_flavour: such as `dev`.
        model_type: `lora` or `full`.
        lora_type: `standard` or `lycoris`; empty for others.
        delivery: where results go; empty for jobs that were started elsewhere.
        api_base: the API that runs it.
        account: the account that it began with; null where that is not known.
        web_url: the job's page on Replicate.
    """

    prediction_id: str | None
    model: str
    version: str
    hardware_profile: str
    tracker_run_name: str
    model_family: str
    model_flavour: str
    model_type: str
    lora_type: str
    delivery: Delivery | Literal[""]
    api_base: str
    account: str | None
    web_url: str | None


class DeliveredState(TypedDict):
    """Whether a finished job's results are where it was to deliver them.

    Attributes:
        state: `unverified` where it was sent to a place that lets nobody look, `unknown` where
            nobody could be asked.
        words: the same for people, without a full stop.
        advice: what to do; empty where nothing is wrong.
        revision: the commit that holds them, for the Hub; empty for others.
        files: how many weights files of the run there are.
        at: when this was looked at.
        missing: names of what did not arrive; only where the record has them.
        expected: names of the weights that the job's schedule promised; empty where no schedule
            was kept, and missing from older records.
        arrived: names of the weights that are there.
    """

    state: Literal["yes", "partly", "no", "unverified", "unknown"]
    words: str
    advice: str
    revision: str
    files: int
    at: Timestamp
    missing: NotRequired[list[str]]
    expected: NotRequired[list[str]]
    arrived: NotRequired[list[str]]


class Evidence(TypedDict):
    """A line of the log that a diagnosis rests on.

    Attributes:
        offset: bytes from the beginning of the log.
        text: the line, cut to a reasonable length.
    """

    offset: int
    text: str


class Diagnosis(TypedDict):
    """Why a job failed, as far as can be told.

    Attributes:
        kind: short name of the kind of cause, such as `out_of_memory`; `submit` for a job that
            Replicate never accepted.
        rule: short name of the cause itself, such as `cache-out-of-memory`.
        again: whether the same job, unchanged, can succeed.
        title: in a few words.
        what: in a sentence or two.
        evidence: lines of the log that show it.
        error: the error text of the prediction.
        advice: what to do, the most useful first.
        changes: options of the config to try in the next run, by plain name; `data` is the
            field of the draft, such as `staged`.
        inputs: what Replicate said of single inputs, by name, where it refused some.
    """

    kind: str
    rule: NotRequired[str]
    again: NotRequired[Literal["no", "maybe", "yes"]]
    title: str
    what: str
    evidence: list[Evidence]
    error: NotRequired[str]
    advice: list[str]
    changes: JsonObject
    inputs: NotRequired[dict[str, str]]


class Job(TypedDict):
    """One job: the fields of SimpleTuner's job model first, then what is known beyond it.

    Attributes:
        job_id: ten letters and digits, made here.
        job_type: always `cloud`.
        provider: always `replicate`.
        status: where it stands.
        name: the run's name.
        config_name: of the training config; empty for jobs that were started elsewhere.
        pinned: whether the user pinned it; such jobs stand first in the app's list.
        tags: words that the user gave it.
        has_note: whether the user wrote a note about it.
        created_at: when it was made.
        queued_at: when Replicate accepted it.
        started_at: when the trainer began.
        completed_at: when it ended.
        duration_seconds: from start to end, or until now; null before it started.
        cost_usd: what it cost, in dollars; null while that is not known.
        cost_is_upper_bound: the job was lost, so its cost is the most it can have been.
        cost_at_least_usd: what it cost until it was last heard of, in dollars; null for a job that
            is heard of, has ended or did not start.
        estimated_cost: what it was expected to cost, in dollars.
        hardware_type: a hardware profile; empty for an unknown trainer.
        error_message: why it failed.
        output_url: where its results are.
        is_terminal: whether nothing can follow.
        is_active: whether something still happens.
        unheard_since: the last moment at which its state was known, where nothing can be learned of
            it now; null for a job that is followed, or has ended. Its fields are those of then.
        unheard_reason: why nothing can be learned of it, in a few words.
        stop_running: whether it is cancelled when the cost limit is reached.
        progress: how far it is.
        warnings: what is wrong with the run, the most urgent first.
        metadata: what else is known.
        delivered: whether results arrived; null for jobs that were not looked at.
        diagnosis: why it failed; null for others.
        note: the user's note, empty for none; only where one job is asked for.
        files: its files on this machine; only where one job is asked for or a list says so.
        sandbox: whether its API is a server on this machine; only in answers of the HTTP API.
    """

    job_id: str
    job_type: Literal["cloud"]
    provider: Literal["replicate"]
    status: JobStatus
    name: str
    config_name: str | None
    pinned: bool
    tags: list[str]
    has_note: bool
    created_at: Timestamp
    queued_at: Timestamp | None
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_seconds: float | None
    cost_usd: float | None
    cost_is_upper_bound: bool
    cost_at_least_usd: float | None
    estimated_cost: float | None
    hardware_type: str
    error_message: str | None
    output_url: str | None
    is_terminal: bool
    is_active: bool
    unheard_since: Timestamp | None
    unheard_reason: str | None
    stop_running: bool
    progress: JobProgress
    warnings: list[JobWarning]
    metadata: JobMetadata
    delivered: DeliveredState | None
    diagnosis: Diagnosis | None
    note: NotRequired[str]
    files: NotRequired[list[JobFile]]
    sandbox: NotRequired[bool]


class JobsQuery(TypedDict, total=False):
    """Which jobs are listed.

    Attributes:
        job_type: `local` lists nothing: there are cloud jobs only.
        status: only jobs in this state.
        filter: as in the app: `flux tag:face has:warning loss<0.2`.
        provider: another one than `replicate` lists nothing.
        limit: at most so many, 1 to 500; 50 without it.
        offset: leave out so many of the newest.
        sync_active: ask Replicate about every active job now.
    """

    job_type: Literal["local", "cloud"]
    status: JobStatus
    filter: Annotated[str, Bounds(max_length=1000)]
    provider: str
    limit: Annotated[int, Bounds(ge=1, le=500)]
    offset: Annotated[int, Bounds(ge=0, le=100_000_000)]
    sync_active: bool


class JobList(TypedDict):
    """Jobs, newest first.

    Attributes:
        jobs: those of the page.
        total: how many there are on all pages.
    """

    jobs: list[Job]
    total: int


class JobAnswer(TypedDict):
    """One job with its files."""

    job: Job


class JobChange(TypedDict, total=False):
    """What the user writes about a job; what is missing stays as it is.

    Attributes:
        name: shown everywhere; what was sent to the trainer stays as it was.
        note: several lines, at most 1 MiB; empty deletes it.
        add_tags: words to find it by; one that it has already stays once.
        remove_tags: those to take away.
        pinned: whether it stands first in the app's list.
        dismiss: warnings of the run that are put away, for as long as it runs.
    """

    name: Annotated[str, Bounds(max_length=1000)]
    note: Annotated[str, Bounds(max_length=1_048_576)]
    add_tags: Annotated[list[str], Bounds(max_length=500)]
    remove_tags: Annotated[list[str], Bounds(max_length=500)]
    pinned: bool
    dismiss: Annotated[list[WarningKind], Bounds(max_length=10)]


class JobLogText(TypedDict):
    """A job's log as far as it is known; undecodable bytes are replaced."""

    job_id: str
    logs: str


class LogStreamQuery(TypedDict, total=False):
    """Where the stream of a log begins.

    Attributes:
        offset: bytes of the log to leave out; the header `Last-Event-ID` counts before it.
    """

    offset: int


class InlineProgress(TypedDict):
    """Where a job stands, in a line.

    Attributes:
        job_id: the job's whole id.
        stage: what happens now.
        last_log: the last line of the log that is not empty.
        progress: percent.
    """

    job_id: str
    stage: str | None
    last_log: str | None
    progress: float | None


class JobCancelled(TypedDict):
    """A cancel was carried out or passed on.

    Attributes:
        success: always true.
        job_id: the job's whole id.
        status: where the job stands now; `running` until Replicate has stopped it.
    """

    success: Literal[True]
    job_id: str
    status: JobStatus


class OtherHardware(TypedDict):
    """What a waiting job would cost on another machine.

    Attributes:
        id: the hardware profile.
        label: for people.
        rate_micros: micro-dollars for each second.
        seconds: the likeliest length of the run.
        estimate_micros: the likeliest price.
        usual_wait_seconds: how long half of the earlier jobs waited there; null when unknown.
    """

    id: str
    label: str
    rate_micros: Micros
    seconds: int
    estimate_micros: Micros
    usual_wait_seconds: int | None


class QueueStanding(TypedDict):
    """How long a job waits for a machine, against what is usual.

    Attributes:
        job_id: the job's whole id.
        hardware: the profile that it waits for.
        waited_seconds: since Replicate accepted it, until it started or now.
        usual_seconds: half of the earlier jobs waited at most so long; null when unknown.
        long_seconds: 95 of 100 earlier jobs waited at most so long; null when unknown.
        runs: earlier jobs that were counted.
        stuck_after_seconds: from when on the wait is unusual.
        stuck: it still waits, and longer than that.
        service: Replicate's state by its status page.
        service_words: what the page says of that hardware, or of all; may be empty.
        others: the other machines with a public trainer.
        words: all that in a sentence or two.
    """

    job_id: str
    hardware: str
    waited_seconds: int
    usual_seconds: int | None
    long_seconds: int | None
    runs: int
    stuck_after_seconds: int
    stuck: bool
    service: ServiceState
    service_words: str
    others: list[OtherHardware]
    words: str


class MoveRequest(TypedDict):
    """Other hardware for a job that waits.

    Attributes:
        hardware: the hardware profile.
    """

    hardware: str


class JobMoved(TypedDict):
    """A move has begun: the job is cancelled, and posted anew once it is seen cancelled.

    Attributes:
        success: always true.
        job_id: the job that is left.
        hardware: where the next one will run.
    """

    success: Literal[True]
    job_id: str
    hardware: str


RerunPart: TypeAlias = Literal["config", "dataset", "data", "version", "account"]
"""A part of a job that may differ when it is run again."""


class RerunDifference(TypedDict):
    """Something that is different today from what a job ran with.

    Attributes:
        what: the part of the job.
        name: the option, the dataset or the model.
        then: as the job ran; empty where it was not set.
        now: as it is today; empty where it is not set.
        words: the same for people, without a full stop.
    """

    what: RerunPart
    name: str
    then: str
    now: str
    words: str


class RerunData(TypedDict):
    """The datasets of this machine that a job ran with, by content.

    Attributes:
        state: `none` where nothing came from this machine; `there` where nothing has to be sent;
            `again` where the same content is sent again; `kept` where the files here are others
            and the copy that the job read is still there; `gone` where the content cannot be had.
        bytes: what has to be sent; 0 for none.
        words: the same for people, without a full stop.
        advice: what to do; empty where nothing is wrong.
    """

    state: Literal["none", "there", "again", "kept", "gone"]
    bytes: int
    words: str
    advice: str


class RerunPlan(TypedDict):
    """How a job can be run again: as it ran, and as it is today.

    Attributes:
        job_id: the job's whole id.
        name: a run name that no job has yet.
        differences: what is different today; both ways lead to the same run where there are none.
        data: the datasets that it ran with.
        ran: the draft of the same run; null where it cannot be had.
        not_ran: why it cannot be had; empty where it can.
        today: the draft of a run with the config, data and version of today; null where it cannot
            be had.
        not_today: why it cannot be had; empty where it can.
    """

    job_id: str
    name: str
    differences: list[RerunDifference]
    data: RerunData
    ran: JsonObject | None
    not_ran: str
    today: JsonObject | None
    not_today: str


class JobDeleted(TypedDict):
    """A job's record and log are gone; delivered files stay."""

    success: Literal[True]
    job_id: str


class JobsSynced(TypedDict):
    """Jobs of the account that were started elsewhere have been added.

    Attributes:
        synced: how many are new.
        message: the same as a sentence.
    """

    synced: int
    message: str


class MissingResult(TypedDict):
    """Something a job produced that is not on this machine.

    Attributes:
        what: the file, or the place that cannot be read.
        why: the reason.
        advice: what to do; may be empty.
        until: when it is deleted where it is; null where nothing says that it will be.
        again: whether another try makes sense without anyone changing anything.
    """

    what: str
    why: str
    advice: str
    until: Timestamp | None
    again: bool


class Collected(TypedDict):
    """What is on this machine of a job's results, and what is missing.

    Attributes:
        job_id: the job's whole id.
        folder: the job's folder, absolute.
        files: what is here.
        missing: what is not.
    """

    job_id: str
    folder: str
    files: list[JobFile]
    missing: list[MissingResult]
