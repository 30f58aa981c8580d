"""The plan of a sweep: every run checked like a single job, and all of them priced as one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.base.errors import ApiError, RefusedError
from tui.base.formatting import dollars, plural
from tui.base.hosts import is_loopback
from tui.engine.spending.service import SpendingService
from tui.engine.submission.agreement import UPLOAD
from tui.engine.submission.check_service import CheckService
from tui.engine.submission.prepared import Prepared
from tui.engine.submission.report import leaving
from tui.engine.sweeps.members import Member
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.checks.describe import describe_checks
from tui.simpletuner.checks.leaving_words import leaving_once_words, sentence
from tui.simpletuner.compare import RunSettings
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.sweep import differing, identical

if TYPE_CHECKING:
    from tui.api import check_report
    from tui.api.sweeps import LeavingOnce, PlannedMember, SweepPlan, SweepProblem

_CHECKED_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the check of a run found; `prepared` is None where its draft cannot be used."""

    member: Member
    prepared: Prepared | None
    checks: list[check_report.Check]
    ok: bool


async def plan_of(
    api_base: str,
    name: str,
    members: Sequence[Member],
    at_once: int,
    *,
    axes: Sequence[str],
    checks: CheckService,
    spending: SpendingService,
) -> SweepPlan:
    """Check every run of a sweep and add up what they cost; nothing is stored or sent."""
    limit = asyncio.Semaphore(_CHECKED_AT_ONCE)

    async def look(member: Member) -> _Looked:
        async with limit:
            try:
                prepared, report = await checks.checked(api_base, member.draft)
            except (RefusedError, ConfigError) as error:
                wrong = Check("config", "error", error.message.rstrip("."), error.advice)
                return _Looked(member, None, describe_checks([wrong]), ok=False)
            # The limit is asked about all runs, not about each.
            found = [one for one in report["checks"] if one["id"] != "cost"]
            ok = all(one["level"] != "error" for one in found)
            return _Looked(member, prepared, found, ok)

    looked = await asyncio.gather(*(look(member) for member in members))
    made = [one.prepared for one in looked if one.prepared is not None]
    settings = [settings_of(one) for one in made]
    changes = iter(differing(settings, axes) if settings else [])
    rows = [_row(one, next(changes) if one.prepared is not None else {}) for one in looked]
    total = sum(row["micros"] for row in rows)
    problem = _problem(looked) or _same(members, made, settings)
    refusal = spending.refusal(api_base, total)
    cost = spending.check(api_base, total)
    if problem is None and (refusal is not None or cost.level == "error"):
        message = f"The cost limit refuses these {plural(len(members), 'run')}: {cost.message}."
        problem = _trouble("cost_limit_exceeded", message, cost.advice)
    return {
        "name": name,
        "at_once": at_once,
        "ok": problem is None,
        "problem": problem,
        "members": rows,
        "micros": total,
        "low_micros": sum(row["low_micros"] for row in rows),
        "high_micros": sum(row["high_micros"] for row in rows),
        "free": is_loopback(api_base),
        "cost": describe_checks([cost])[0],
        "cost_limit": refusal,
        "leaves": leaving_once(made, api_base),
        "digest": "" if problem is not None else digest_of(made, api_base, at_once),
    }


def settings_of(prepared: Prepared) -> RunSettings:
    """What a run is compared by: its settings, data, trainer and hardware."""
    plan = prepared.staging
    choice = prepared.choice
    return RunSettings(
        config=prepared.config.values,
        inputs={},
        datasets=[spec.raw for spec in prepared.config.datasets],
        data=prepared.draft.images_url
        or (plan.manifest.digest if plan is not None else prepared.report.state)[:12],
        trainer=f"{choice.model}:{choice.version[:12]}" if choice else "",
        hardware=prepared.profile.id,
    )


def require_different(members: Sequence[Member], made: Sequence[Prepared]) -> None:
    """Refuse a sweep with two runs that the trainer could not tell apart.

    Raises:
        RefusedError: there are two.
    """
    problem = _same(members, made, [settings_of(one) for one in made])
    if problem is not None:
        raise RefusedError(problem["message"], problem["advice"], status=422, code=problem["code"])


def digest_of(made: Sequence[Prepared], api_base: str, at_once: int) -> str:
    """What a consent agrees to: the runs with all their settings, and what leaves.

    Their names are left out, as one may be taken meanwhile.
    """
    rows = [
        [str(one.config.path), settings.config, list(settings.datasets), settings.hardware,
         one.delivery.kind, one.delivery.hub_model_id, leaving(one, api_base)["digest"]]
        for one, settings in ((one, settings_of(one)) for one in made)
    ]  # fmt: skip
    text = json.dumps([at_once, rows], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def leaving_once(made: Sequence[Prepared], api_base: str) -> list[LeavingOnce]:
    """The data that are handed over, those that several runs share named once."""
    found: dict[str, LeavingOnce] = {}
    for prepared in made:
        leaves = leaving(prepared, api_base)
        if not leaves["images"]:
            continue
        once: LeavingOnce = {
            "images": leaves["images"], "captions": leaves["captions"], "bytes": leaves["bytes"],
            "destination": leaves["destination"], "words": "", "stays_here": leaves["stays_here"],
            "runs": 0, "times": 0,
            "until": leaves["until"], "token": leaves["token"],
        }  # fmt: skip
        row = found.setdefault(leaves["digest"], once)
        row["runs"] += 1
        row["times"] = row["runs"] if leaves["place"] == UPLOAD else 1
    return [{**row, "words": sentence(*leaving_once_words(row))} for row in found.values()]


def consent_refusal(count: int, micros: int, images: int) -> ApiError:
    """The refusal of a sweep that nobody agreed to."""
    sent = f", and {plural(images, 'image')} would leave this machine" if images else ""
    return RefusedError(
        f"{plural(count, 'run')} would cost about {dollars(micros)} together{sent}.",
        "Nothing was started. Agree to it: consent true, or --yes on the command line.",
        status=403,
        code="consent_required",
    )


def _row(looked: _Looked, changes: Mapping[str, str]) -> PlannedMember:
    prepared = looked.prepared
    estimate = None if prepared is None else prepared.estimate
    return {
        "name": looked.member.name,
        "config": looked.member.draft.config if prepared is None else str(prepared.config.path),
        "changes": dict(changes),
        "ok": looked.ok,
        "checks": looked.checks,
        "hardware": "" if prepared is None else prepared.profile.id,
        "seconds": 0 if estimate is None else estimate.seconds,
        "micros": 0 if estimate is None else estimate.micros,
        "low_micros": 0 if estimate is None else estimate.micros_low,
        "high_micros": 0 if estimate is None else estimate.micros_high,
    }


def _problem(looked: Sequence[_Looked]) -> SweepProblem | None:
    """The first run that could not be submitted by itself."""
    for at, one in enumerate(looked):
        if one.ok:
            continue
        first = next(check for check in one.checks if check["level"] == "error")
        code = "check_failed"
        if first["id"] in ("token", "hub-token", "hub-write"):
            code = "unauthorised"
        if first["id"] == "replicate":
            code = "provider_error"
        message = f"{one.member.name} cannot work: {first['message'].rstrip('.')}."
        return {"code": code, "message": message, "advice": first["advice"], "member": at}
    return None


def _same(
    members: Sequence[Member], made: Sequence[Prepared], settings: Sequence[RunSettings]
) -> SweepProblem | None:
    """Two runs that the trainer could not tell apart."""
    if len(made) < len(members) or (pair := identical(settings)) is None:
        return None
    first, second = (members[at].name for at in pair)
    message = f"{first} and {second} would be the same run: the trainer reads the same settings."
    return _trouble("validation", message, "Leave one of them out.", pair[1])


def _trouble(code: str, message: str, advice: str, member: int | None = None) -> SweepProblem:
    return {"code": code, "message": message, "advice": advice, "member": member}
