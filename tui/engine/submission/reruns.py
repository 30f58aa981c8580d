"""Runs a job again: the same run from its record, or the same draft with the files of today.

Nothing is started without a consent that names the price: a rerun is one call away from a list of
finished jobs, so an empty request must never be a paid one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from tui.base import formatting
from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject, as_object
from tui.engine.submission.check_service import CheckService
from tui.engine.submission.draft import Draft, read_draft
from tui.engine.submission.job_service import JobService
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.prepared import Prepared
from tui.engine.submission.stored_run import config_differences
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.request.hardware import PROFILES
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import RerunData, RerunDifference, RerunPlan
    from tui.api.submission import JobSubmitted, RerunRequest

_NUMBERED: Final = re.compile(r"-\d+$")
_PASSED_ON: Final = ("agreed", "accept_delivery", "accept_data", "idempotency_key")
_NOT_OF_A_RERUN: Final = ("consent", "agreed", "idempotency_key", "rerun_of", "name", "tags")
"""Fields of a stored draft that belong to its own submit."""


class RerunService:
    """Plans and starts reruns."""

    def __init__(
        self,
        *,
        jobs: JobService,
        checks: CheckService,
        preparer: Preparer,
        names: Callable[[str], set[str]],
        tags: Callable[[str], Sequence[str]],
    ) -> None:
        """Take the services it works with.

        Args:
            jobs: finds and submits jobs.
            checks: states the price of a draft.
            preparer: prepares drafts.
            names: returns the names of jobs that begin with a text.
            tags: returns the tags of a job, which its next run takes along.
        """
        self._jobs = jobs
        self._checks = checks
        self._preparer = preparer
        self._names = names
        self._tags = tags

    async def plan(self, job_id: str) -> RerunPlan:
        """Return both ways to run a job again, and what is different today. It starts nothing.

        Raises:
            RefusedError: there is no such job, or it was started elsewhere.
        """
        job = self._jobs.find(job_id)
        name = self.suggested_name(job)
        more = {"name": name, "tags": list(self._tags(job.job_id))}
        ran, today = same_run(job) | more, todays_run(job) | more
        differences: list[RerunDifference] = []
        not_today = ""
        try:
            config = await asyncio.to_thread(self._preparer.load, read_draft(today))
            differences += config_differences(job, config)
        except ConfigError as error:
            not_today = f"Today's config cannot be used: {error.message}."
        prepared, not_ran = None, ""
        try:
            prepared = await self._preparer.prepare(job.api_base, read_draft(ran))
        except (RefusedError, ConfigError) as error:
            not_ran = error.message
        data: RerunData = {"state": "none", "bytes": 0, "words": "", "advice": ""}
        if prepared is not None:
            verdict = prepared.same_data
            if verdict is not None:
                data = {"state": verdict.state, "bytes": verdict.bytes, "words": verdict.words,
                        "advice": verdict.advice}  # fmt: skip
                differences += _data_differences(data)
                if verdict.state == "gone":
                    not_ran = f"{verdict.words[:1].upper()}{verdict.words[1:]}."
            not_ran = not_ran or _no_version(prepared)
            differences += await self._version_difference(job, read_draft(today))
        differences += await self._account_difference(job)
        return {
            "job_id": job.job_id,
            "name": name,
            "differences": differences,
            "data": data,
            "ran": None if not_ran else ran,
            "not_ran": not_ran,
            "today": None if not_today else today,
            "not_today": not_today,
        }

    async def submit(self, job_id: str, body: RerunRequest) -> JobSubmitted:
        """Run a job again.

        Raises:
            RefusedError: without consent, above the agreed price, and for all reasons for which
                `JobService.submit` refuses a draft.
        """
        job = self._jobs.find(job_id)
        make = todays_run if body.get("settings") == "today" else same_run
        draft = make(job) | {"name": body.get("name") or self.suggested_name(job)}
        draft["tags"] = list(self._tags(job.job_id))
        draft["overrides"] = {**as_object(draft.get("overrides")), **(body.get("overrides") or {})}
        draft |= {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
        earlier = self._jobs.job_of_draft(job.api_base, read_draft(draft))
        if earlier is not None:
            return earlier
        report = await self._checks.check(job.api_base, draft)
        price = int(report["estimate"]["micros"])
        most = body.get("most_micros")
        if not body.get("consent") or (most is not None and price > most):
            why = "" if most is None else f", more than the {formatting.money(most)} agreed to"
            raise RefusedError(
                f"Running {job.name} again costs about {formatting.money(price)}{why}.",
                "Nothing was started. Agree to it: consent true, or --yes on the command line.",
                status=403,
                code="consent_required",
            )
        return await self._jobs.submit(job.api_base, draft | {"consent": True})

    def suggested_name(self, job: JobRecord) -> str:
        """A run name that no job has: `cat-lora-2` after `cat-lora`."""
        base = _NUMBERED.sub("", job.name)
        if base == job.name or base not in self._names(base):
            base = job.name
        return self._preparer.free_name(base)

    async def _account_difference(self, job: JobRecord) -> list[RerunDifference]:
        """Whose money a run would cost today, if the job began with another account."""
        then, now = job.submit.get("account"), await self._jobs.account(job.api_base)
        if not then or now in ("", then):
            return []
        return [
            {"what": "account", "name": "account", "then": then, "now": now,
             "words": f"account @{then} → @{now}, who would pay"}
        ]  # fmt: skip

    async def _version_difference(self, job: JobRecord, draft: Draft) -> list[RerunDifference]:
        """What version today's run would take, if it is another one."""
        choice = await self._preparer.choice_of(job.api_base, draft)
        if choice is None or (choice.model, choice.version) == (job.model, job.version):
            return []
        then, now = job.version[:8], choice.version[:8]
        name = choice.model if choice.model == job.model else f"{job.model} → {choice.model}"
        return [
            {"what": "version", "name": name, "then": job.version, "now": choice.version,
             "words": f"trainer's version {then} → {now}"}
        ]  # fmt: skip


def same_run(job: JobRecord) -> JsonObject:
    """The draft of a run with config, data, hardware and version as a job had them.

    Raises:
        RefusedError: the job was started elsewhere.
    """
    draft = _stored_draft(job)
    draft |= {"rerun_of": job.job_id, "hardware": job.hardware, "version": job.version}
    if draft.get("model") or PROFILES[job.hardware].model != job.model:
        draft["model"] = job.model
    if staging := job.submit.get("staging"):
        draft |= {"data": "staged", "staging": staging.get("place")}
    elif job.submit.get("pack"):
        draft["data"] = "upload"
    return draft


def todays_run(job: JobRecord) -> JsonObject:
    """The draft that a job was made from, which reads config and data as they are today.

    Raises:
        RefusedError: the job was started elsewhere.
    """
    return _stored_draft(job)


def _stored_draft(job: JobRecord) -> JsonObject:
    draft = job.submit.get("draft")
    if not draft:
        raise RefusedError(
            f"{job.name} was started elsewhere; its config is not here.",
            "Start a new job from a config.",
            status=409,
        )
    return {name: value for name, value in draft.items() if name not in _NOT_OF_A_RERUN}


def _data_differences(data: Mapping[str, Any]) -> list[RerunDifference]:
    if data["state"] not in ("gone", "kept"):
        return []
    return [
        cast(
            "RerunDifference",
            {"what": "data", "name": "data", "then": "", "now": "", "words": data["words"]},
        )
    ]


def _no_version(prepared: Prepared) -> str:
    """Why the version that a job ran on cannot be used any more; "" when it can be."""
    if prepared.choice is not None:
        return ""
    errors = (check for check in prepared.checks if check.level == "error")
    lost = next((check for check in errors if check.id in ("model", "version", "replicate")), None)
    return "" if lost is None else f"Its version of the trainer cannot be used: {lost.message}"
