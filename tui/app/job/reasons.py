"""Why an action of the job page cannot be done now, in words for the user."""

from __future__ import annotations

from dataclasses import dataclass

from tui.base.job_status import STATUS_WORDS, JobStatus
from tui.store.records import JobRecord

_NO_ENGINE = "The engine is still starting; try again in a moment."
_NO_DESKTOP = "There is no desktop in this session; y copies the path."


@dataclass(frozen=True, slots=True)
class PageState:
    """The state of the job page besides the job.

    Attributes:
        engine: whether an engine is there.
        tab: the open tab.
        on_file: whether the cursor stands on a file.
        on_line: whether it stands on a line.
        desktop: whether there is a desktop to show a folder on.
        on_picture: whether the cursor is on a picture that is here.
        files: whether files of the job are here.
        resumable: whether a later job can go on from a checkpoint of it.
        no_engine: what to say while no engine is there.
    """

    engine: bool
    tab: str
    on_file: bool
    on_picture: bool
    on_line: bool
    desktop: bool
    files: bool
    resumable: bool = False
    no_engine: str = _NO_ENGINE


def why_not(name: str, job: JobRecord, page: PageState) -> str:
    """Returns why an action of the job page cannot be done; empty when it can."""
    if name == "cancel":
        return _cancel(job, page)
    if name == "move":
        return _move(job, page)
    if name == "collect":
        return _collect(job, page)
    if name == "publish":
        if not page.files:
            return "This job has no files on this machine yet; f fetches what there is."
        return "" if page.engine else page.no_engine
    if name in ("edit", "rerun"):
        no_engine = "" if page.engine else page.no_engine
        return why_not_again(name, job, no_engine, resumable=page.resumable)
    if name in ("note", "pin"):
        return "" if page.engine else page.no_engine
    if name == "outside":
        name = "open" if page.on_picture or page.on_file else "web"
    if name == "web":
        return "" if job.web_url else "This job has no web page yet."
    if name == "line":
        return "" if page.on_line else "There is no line here."
    if name == "open" and page.on_picture:
        return "" if page.desktop else _NO_DESKTOP
    if name in ("open", "copy_hash") and not page.on_file:
        return "This is about a file of the Files tab."
    if name == "open" and not page.desktop:
        return _NO_DESKTOP
    return ""


def why_not_again(name: str, job: JobRecord, no_engine: str, *, resumable: bool) -> str:
    """Returns why a job cannot be run again, or edited and run; empty when it can.

    Args:
        name: `rerun` or `edit`.
        job: the job.
        no_engine: what to say where an engine is needed; empty while one is there.
        resumable: whether a later job can go on from a checkpoint of it.
    """
    if not (job.submit.get("draft") or job.config_path):
        return "This job was started elsewhere; its config is not here."
    if name == "edit" or resumable:
        return ""
    if job.diagnosis.get("again") == "no":
        return "The same run would fail again; e opens the form to change it."
    return no_engine


def _cancel(job: JobRecord, page: PageState) -> str:
    if job.status.is_terminal:
        return f"The job is over already: {STATUS_WORDS[job.status]}."
    if job.cancel_requested:
        return "Cancelling was asked for already."
    return "" if page.engine else page.no_engine


def _move(job: JobRecord, page: PageState) -> str:
    if job.status is not JobStatus.QUEUED:
        state = STATUS_WORDS[job.status]
        return f"Only a job that waits for a machine can be moved; this one is {state}."
    if not job.submit.get("draft"):
        return "This job was started elsewhere; its config is not here."
    if job.cancel_requested:
        return "Cancelling was asked for already."
    return "" if page.engine else page.no_engine


def _collect(job: JobRecord, page: PageState) -> str:
    if job.status.is_active:
        return f"There are no files to fetch yet; the job is {STATUS_WORDS[job.status]}."
    if not job.prediction_id:
        return "The job never reached Replicate, so there is nothing to fetch."
    return "" if page.engine else page.no_engine
