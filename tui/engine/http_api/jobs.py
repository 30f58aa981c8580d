"""Jobs: list, look, follow, submit, cancel, collect, delete, sync."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.engine import Engine
from tui.engine.http_api.job_logs import LogRoutes
from tui.engine.http_api.routes import (
    Route,
    Schema,
    base_of,
    count_in_query,
    flag_in_query,
    read_object,
    wrong,
)
from tui.engine.http_api.schemas import (
    ANY_OBJECT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    WHOLE,
    choice,
    many,
    maybe,
    shape,
)
from tui.engine.http_api.submit_body import draft_of, is_simpletuner_body
from tui.store.filter import JobFilter
from tui.store.job_json import job_json
from tui.store.records import JobRecord

_MOST: Final = 500
_STATES: Final = tuple(status.value for status in JobStatus)

JOB: Final[Schema] = shape(
    {
        "job_id": TEXT, "job_type": choice("cloud"), "provider": choice("replicate"),
        "status": choice(*_STATES), "config_name": maybe(TEXT), "created_at": TIME,
        "queued_at": maybe(TIME), "started_at": maybe(TIME), "completed_at": maybe(TIME),
        "duration_seconds": maybe(NUMBER), "cost_usd": maybe(NUMBER), "hardware_type": TEXT,
        "error_message": maybe(TEXT), "output_url": maybe(TEXT), "is_terminal": FLAG,
        "is_active": FLAG, "metadata": ANY_OBJECT,
    },
    files=many(shape({"path": TEXT, "size": WHOLE, "sha256": TEXT})),
)  # fmt: skip
_DONE: Final = shape({"success": FLAG, "job_id": TEXT})
_SUBMITTED: Final = shape(
    {
        "success": FLAG, "job_id": TEXT, "status": choice(*_STATES), "error": maybe(TEXT),
        "data_uploaded": FLAG, "upload_id": maybe(TEXT), "cost_limit_warning": maybe(TEXT),
        "quota_warnings": TEXTS, "idempotent_hit": FLAG,
    }
)  # fmt: skip


class JobRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        logs = LogRoutes(self._engine)
        one = "/api/cloud/jobs/{job_id}"
        return [
            Route(
                "GET", "/api/cloud/jobs", self._list, "Jobs, newest first",
                shape({"jobs": many(JOB), "total": WHOLE}),
                query={
                    "job_type": choice("local", "cloud"), "status": choice(*_STATES),
                    "provider": TEXT, "limit": WHOLE, "offset": WHOLE, "sync_active": FLAG,
                },
            ),
            Route(
                "POST", "/api/cloud/check", self._check,
                "Everything that can be known about a job before it costs anything",
                shape({"ok": FLAG, "checks": many(ANY_OBJECT), "estimate": ANY_OBJECT}),
                ANY_OBJECT,
            ),
            Route(
                "POST", "/api/cloud/jobs/submit", self._submit, "Start a job",
                _SUBMITTED, ANY_OBJECT, {"provider": TEXT}, status=201,
            ),
            Route(
                "POST", "/api/cloud/jobs/sync", self._sync,
                "Bring in jobs that were started elsewhere on the account",
                shape({"synced": WHOLE, "message": TEXT}),
            ),
            Route("GET", one, self._get, "One job with its files", shape({"job": JOB})),
            *logs.routes(),
            Route("POST", f"{one}/cancel", self._cancel, "Cancel a job", _DONE),
            Route(
                "POST", f"{one}/collect", self._collect, "Fetch and verify what a job produced",
                shape({"job_id": TEXT, "folder": TEXT, "files": many(ANY_OBJECT),
                       "missing": many(ANY_OBJECT)}),
            ),
            Route("DELETE", one, self._delete, "Drop a finished job's record; files stay", _DONE),
        ]  # fmt: skip

    async def _list(self, request: web.Request) -> web.Response:
        limit = count_in_query(request, "limit", 50, 1, _MOST)
        offset = count_in_query(request, "offset", 0, 0, 10**8)
        where = _where(request)
        if flag_in_query(request, "sync_active"):
            await self._refresh()
        if where is None:
            return web.json_response({"jobs": [], "total": 0})
        reader = self._engine.reader
        rows = [self._row(job) for job in reader.records(where, limit, offset)]
        return web.json_response({"jobs": rows, "total": _total(reader.counts(), where)})

    async def _refresh(self) -> None:
        """Look at every active job now. One that cannot be asked about stays as it stands."""
        for job in self._engine.recorder.writer.active():
            if job.prediction_id:
                self._engine.monitor.wake(job.job_id)

    async def _get(self, request: web.Request) -> web.Response:
        job = self._engine.jobs.find(request.match_info["job_id"])
        return web.json_response({"job": self._row(job)})

    async def _check(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        return web.json_response(
            await self._engine.jobs.check(base_of(request, self._engine.api_base), body)
        )

    async def _submit(self, request: web.Request) -> web.Response:
        provider = request.query.get("provider", "replicate")
        if provider != "replicate":
            raise wrong("provider", "must be replicate")
        body = await read_object(request)
        theirs = is_simpletuner_body(body)
        draft = draft_of(body, self._engine.home) if theirs else body
        answer = await self._engine.jobs.submit(base_of(request, self._engine.api_base), draft)
        job = self._engine.recorder.writer.job(answer["job_id"])
        full = {
            "error": None,
            "data_uploaded": bool(job.submit.get("pack")),
            "upload_id": job.job_id if job.submit.get("pack") else None,
            "cost_limit_warning": None,
            "quota_warnings": [],
            **answer,
        }
        return web.json_response(full, status=200 if theirs else 201)

    async def _sync(self, request: web.Request) -> web.Response:
        return web.json_response(
            await self._engine.jobs.sync(base_of(request, self._engine.api_base))
        )

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.cancel(request.match_info["job_id"]))

    async def _collect(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.collect(request.match_info["job_id"]))

    async def _delete(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.delete(request.match_info["job_id"]))

    def _row(self, job: JobRecord) -> dict[str, Any]:
        files = self._engine.reader.files(job.job_id)
        row = job_json(job, files, self._engine.listening.outputs)
        row["sandbox"] = is_loopback(job.api_base)
        return row


def _total(counts: dict[JobStatus, int], where: JobFilter) -> int:
    if where.text:
        return counts.get(JobStatus(where.text), 0)
    return sum(counts.values())


def _where(request: web.Request) -> JobFilter | None:
    """The rows that the query asks for; None when there can be none."""
    kind = request.query.get("job_type", "")
    if kind not in ("", "local", "cloud"):
        raise RefusedError(
            f"Invalid job_type: {kind}. It must be local or cloud.",
            details={"fields": {"job_type": "must be local or cloud"}},
        )
    status = request.query.get("status", "")
    if status and status not in _STATES:
        raise wrong("status", f"must be one of {', '.join(_STATES)}")
    if kind == "local" or request.query.get("provider", "replicate") not in ("", "replicate"):
        return None
    return JobFilter(status, "status = ?", (status,)) if status else JobFilter()
