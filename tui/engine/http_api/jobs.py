"""Jobs: list, look, follow, submit, cancel, collect, delete, sync."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from tui.api import check_report, jobs, paths, submission
from tui.base.errors import refused_fields
from tui.base.hosts import is_loopback
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Answered, Call, Form, Operations
from tui.engine.http_api.submit_body import draft_of, is_simpletuner_body
from tui.store.annotations import NONE, Annotation
from tui.store.filter import FILTER_ADVICE, JobFilter, parse_filter
from tui.store.job_json import job_json
from tui.store.lost_contact import Contacts
from tui.store.records import JobRecord
from tui.store.stopping_limit import stopping_limit

_USUAL_LIMIT: Final = 50


class JobRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.JOBS, self._list)
        operations.add(paths.CHECK_JOB, self._check)
        operations.add(paths.CHECK_LATER, self._check_later)
        operations.add(paths.SUBMIT_JOB, self._submit, form=_submit_form)
        operations.add(paths.SYNC_JOBS, self._sync)
        operations.add(paths.JOB, self._get)
        operations.add(paths.CHANGE_JOB, self._change)
        operations.add(paths.CANCEL_JOB, self._cancel)
        operations.add(paths.JOB_QUEUE, self._queue)
        operations.add(paths.MOVE_JOB, self._move)
        operations.add(paths.RERUN_PLAN, self._rerun_plan)
        operations.add(paths.RERUN_JOB, self._rerun)
        operations.add(paths.COLLECT_JOB, self._collect)
        operations.add(paths.DELETE_JOB, self._delete)

    async def _list(self, call: Call[None, jobs.JobsQuery]) -> jobs.JobList:
        where = _where(call.query)
        if call.query.get("sync_active"):
            self._refresh()
        if where is None:
            return {"jobs": [], "total": 0}
        reader = self._engine.reader
        limit, offset = call.query.get("limit", _USUAL_LIMIT), call.query.get("offset", 0)
        contacts = reader.contacts()
        records = reader.records(where, limit, offset)
        written = reader.annotations([job.job_id for job in records])
        rows = [self._row(job, contacts, written.get(job.job_id, NONE)) for job in records]
        return {"jobs": rows, "total": reader.count(where)}

    def _refresh(self) -> None:
        """Look at every active job now. One that cannot be asked about stays as it stands."""
        for job in self._engine.recorder.writer.active():
            if job.prediction_id:
                self._engine.monitor.wake(job.job_id)

    async def _get(self, call: Call[None, None]) -> jobs.JobAnswer:
        return self._answer(self._engine.jobs.find(call.part("job_id")))

    async def _change(self, call: Call[jobs.JobChange, None]) -> jobs.JobAnswer:
        job = self._engine.jobs.find(call.part("job_id"))
        return self._answer(self._engine.annotator.change(job, call.body))

    def _answer(self, job: JobRecord) -> jobs.JobAnswer:
        written = self._engine.reader.annotation(job.job_id)
        return {"job": self._row(job, self._engine.reader.contacts(), written)}

    async def _check(
        self, call: Call[submission.Draft, check_report.CheckQuery]
    ) -> check_report.CheckReport:
        wait = call.query.get("proofs", "wait") == "wait"
        draft: Mapping[str, Any] = call.body
        if call.confinement is not None:
            draft = await asyncio.to_thread(call.confinement.admit, draft)
        return await self._engine.checks.check(call.api_base, draft, wait=wait)

    async def _check_later(
        self, call: Call[None, check_report.LaterQuery]
    ) -> check_report.CheckReport:
        after = call.query.get("after", 0)
        return await self._engine.checks.later(call.part("check_id"), after)

    async def _submit(
        self, call: Call[submission.SubmitRequest, submission.SubmitQuery]
    ) -> Answered[submission.JobSubmitted]:
        theirs = is_simpletuner_body(call.body)
        draft: Mapping[str, Any] = call.body
        if theirs:
            draft = await asyncio.to_thread(
                draft_of, call.body, self._engine.home, call.confinement
            )
        elif call.confinement is not None:
            draft = await asyncio.to_thread(call.confinement.admit, draft)
        answer = await self._engine.jobs.submit(call.api_base, draft)
        status = 200 if theirs else paths.SUBMIT_JOB.status
        return Answered(answer, status)

    async def _sync(self, call: Call[None, None]) -> jobs.JobsSynced:
        return await self._engine.jobs.sync(call.api_base)

    async def _cancel(self, call: Call[None, None]) -> jobs.JobCancelled:
        return await self._engine.jobs.cancel(call.part("job_id"))

    async def _queue(self, call: Call[None, None]) -> jobs.QueueStanding:
        job = self._engine.jobs.find(call.part("job_id"))
        return await self._engine.queue.standings.standing(job)

    async def _move(self, call: Call[jobs.MoveRequest, None]) -> jobs.JobMoved:
        return await self._engine.queue.moves.move(call.part("job_id"), call.body["hardware"])

    async def _rerun_plan(self, call: Call[None, None]) -> jobs.RerunPlan:
        return await self._engine.reruns.plan(call.part("job_id"))

    async def _rerun(self, call: Call[submission.RerunRequest, None]) -> submission.JobSubmitted:
        return await self._engine.reruns.submit(call.part("job_id"), call.body)

    async def _collect(self, call: Call[None, None]) -> jobs.Collected:
        return await self._engine.jobs.collect(call.part("job_id"))

    async def _delete(self, call: Call[None, None]) -> jobs.JobDeleted:
        return await self._engine.jobs.delete(call.part("job_id"))

    def _row(self, job: JobRecord, contacts: Contacts, written: Annotation) -> jobs.Job:
        files = self._engine.reader.files(job.job_id)
        stops = bool(stopping_limit(self._engine.reader))
        outputs = self._engine.listening.outputs
        row = job_json(job, files, outputs, contacts, stops=stops, annotation=written)
        row["sandbox"] = is_loopback(job.api_base)
        return row


def _submit_form(body: Any) -> Form:
    """SimpleTuner's clients may send more than is known here; a draft of ours may not."""
    if isinstance(body, dict) and is_simpletuner_body(body):
        return Form(submission.SimpleTunerSubmit, "allow")
    return Form(submission.Draft, "forbid")


def _where(query: jobs.JobsQuery) -> JobFilter | None:
    """The rows that the query asks for; None when there can be none.

    Raises:
        RefusedError: the filter names what does not exist.
    """
    where = parse_filter(query.get("filter", ""))
    if where.problem:
        wrong = f"cannot be used: {where.problem}. {where.advice or FILTER_ADVICE}"
        raise refused_fields({"filter": wrong})
    if query.get("job_type") == "local" or query.get("provider", "replicate") != "replicate":
        return None
    if status := query.get("status"):
        both = f"({where.where}) AND status = ?"
        return JobFilter(where.text, both, (*where.parameters, status))
    return where
