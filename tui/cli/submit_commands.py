"""`check` and `submit`."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tui.base import formatting
from tui.base.errors import NOTHING_SENT
from tui.base.job_status import CONFIRMED_DELIVERIES, UNDELIVERED, JobStatus
from tui.base.json_types import JsonObject
from tui.cli import context, exit_codes
from tui.cli.consent import agrees
from tui.cli.delivery_grammar import delivery_of, overrides_of
from tui.cli.failures import failed, not_agreed, wrong_usage
from tui.cli.output import say, say_json, say_prose, tell
from tui.cli.signals import goes_on
from tui.cli.typed import hidden_text
from tui.client.agreement import with_consent
from tui.client.errors import ControlError
from tui.simpletuner.checks.past_error import past_error_words
from tui.store.job_json import job_json
from tui.store.lost_contact import LostContact
from tui.store.records import JobRecord
from tui.store.stopping_limit import stopping_limit
from tui.store.transfer_records import DestinationRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tui.api.check_report import Check, CheckReport, CostEstimate
    from tui.api.submission import Draft
    from tui.client.client import ControlClient
    from tui.store.reader import StoreReader

_CHECK_SECONDS = 300.0
"""How long `submit --wait` waits for the check of the delivery; a place whose listing lags behind
is asked again within two minutes."""
_UNSURE_SECONDS = 60.0
"""How long it waits when the place could not be asked; the engine asks again after 30 seconds."""
_MARKS = {"ok": "✓", "warn": "!", "error": "✗", "asking": "…"}


def check(options: argparse.Namespace) -> int:
    """Run all checks of a config: what is known here is printed first, then what is proved."""
    control, draft = context.engine(), draft_of(options)
    require_place(draft, context.reader().destinations())
    if options.json:
        report = control.check(draft).result()
        say_json(report if report["ok"] else {**report, **_failure(report)})
    else:
        report = _say_as_proved(control, draft)
    return exit_codes.FINE if report["ok"] else _status_of(report)


def _say_as_proved(control: ControlClient, draft: Draft) -> CheckReport:
    """Print each finding once it is known, and in the end the price; returns the last report."""
    report = control.check_at_once(draft).result()
    said: set[tuple[str, str, str]] = set()
    while True:
        for item in report["checks"]:
            finding = (item["id"], item["level"], item["message"])
            if finding not in said:
                said.add(finding)
                for line in _finding_lines(item):
                    say_prose(line)
        sys.stdout.flush()
        if not report["asking"]:
            break
        report = control.check_later(report).result()
    for line in _consent_lines(report):
        say(line)
    return report


def submit(options: argparse.Namespace) -> int:
    """Check, price, ask and start a job, or all runs of a sweep."""
    if options.more or options.sweep:
        from tui.cli.sweep_commands import start_sweep

        drafts = [
            draft_of(argparse.Namespace(**{**vars(options), "config": config, "name": None}))
            for config in (options.config, *options.more)
        ]
        require_place(drafts[0], context.reader().destinations())
        return start_sweep(options, context.engine(), drafts)
    require_axes(options)
    return start(options, context.engine(), draft_of(options))


def require_axes(options: argparse.Namespace) -> None:
    """Refuse `--at-once` for one run.

    Raises:
        ApiError: it was given without a sweep.
    """
    if options.at_once and not options.sweep:
        more = " or further configs" if hasattr(options, "more") else ""
        raise wrong_usage("--at-once is about several runs.", f"Add --sweep{more}.")


def start(options: argparse.Namespace, control: ControlClient, draft: Draft) -> int:
    """Check a draft, show its price, ask, and start it; the options are those of `submit`."""
    require_place(draft, context.reader().destinations())
    report = control.check(draft).result()
    if options.dry_run:
        return _dry_run(options, report)
    if not report["ok"]:
        if options.json:
            say_json({**report, **_failure(report)})
        _tell_refusal(report)
        return _status_of(report)
    if options.yes:  # it agrees to what is printed here
        for line in (*_mended_lines(report), *_consent_lines(report)):
            tell(line)
    else:
        _tell_checks(report)
        if not agrees("Start it?"):
            raise not_agreed(NOTHING_SENT, "Agree to the upload and the price with --yes.")
    draft = with_consent(draft, report)
    draft["idempotency_key"] = options.idempotency_key or secrets.token_hex(16)
    job_id = control.submit(draft).result()["job_id"]
    if options.wait:
        advice = f"Follow it with: simpletuner-tui logs {job_id} -f"
        with goes_on("The job goes on.", advice, {"job_id": job_id}):
            return _wait(options, control, job_id)
    if options.json:
        store = context.reader()
        stops = bool(stopping_limit(store))
        say_json(job_json(_job(job_id), store.files(job_id), context.outputs(), stops=stops,
                          annotation=store.annotation(job_id)))  # fmt: skip
    else:
        say(job_id)
        tell(background_words(_job(job_id)))
    return exit_codes.FINE


def background_words(job: JobRecord) -> str:
    """Say where the end of a job is told that was submitted and not waited for.

    A job that fails before Replicate has it, such as one whose archive turns out to be too large,
    has no log.
    """
    if job.submit.get("pack"):
        work = "It is packed and sent in the background"
    elif job.submit.get("staging"):
        work = "Its data are staged in the background"
    else:
        return f"Follow it with: simpletuner-tui logs {job.job_id} -f"
    return (
        f"{work}: simpletuner-tui job {job.job_id} tells how it ends. "
        f"Its log, once it runs: simpletuner-tui logs {job.job_id} -f"
    )


def draft_of(options: argparse.Namespace) -> Draft:
    """The draft that the options describe, without the fields that were not given."""
    overrides = {
        "max_train_steps": options.steps,
        "train_batch_size": options.batch,
        "lora_rank": options.rank,
        "learning_rate": options.lr,
    }
    draft = {
        "config": options.config,
        "cwd": str(Path.cwd()),
        "name": options.name,
        "hardware": options.hardware,
        "model": options.model,
        "version": options.model_version,
        **_data_of(options.data),
        "keep_staged": options.keep_staged,
        "leave_out_uncaptioned": options.leave_out_uncaptioned,
        "images_url": _archive(options.images_url),
        "delivery": _given(delivery_of(options)),
        "overrides": {**dict(options.set), **_given({**overrides, **overrides_of(options)})},
        "unset": options.unset or None,
        "tags": options.tag or None,
        "cancel_after": options.stop_after,
        "cost_ceiling_micros": options.cost_ceiling,
        "accept_delivery": options.accept_delivery,
        "accept_data": options.accept_data,
        "fix_delivery": options.fix_delivery,
        "trainer_release": options.trainer_release,
    }
    return cast("Draft", _given(draft))


def _archive(text: str | None) -> str | None:
    """The address of the archive; a signed one is typed or piped in for a single hyphen."""
    return hidden_text("Archive's address: ") if text == "-" else text


def _data_of(text: str | None) -> dict[str, str | None]:
    """The way of the data, and the place to stage to: `staged:mine` is a bucket of the user's."""
    way, _, place = (text or "").partition(":")
    known = place in ("", "hub", "here") or place.startswith("bucket:")
    return {"data": way or None, "staging": (place if known else f"bucket:{place}") or None}


def require_place(draft: Draft, known: Iterable[DestinationRecord]) -> None:
    """Refuse a bucket to stage to that no destination names, as a wrong word on the command line.

    Raises:
        ControlError: there is none of that name.
    """
    kind, _, name = (draft.get("staging") or "").partition(":")
    buckets = [one.name for one in known if one.kind == "s3"]
    if kind == "bucket" and name not in buckets:
        raise ControlError(
            f"There is no place {name} to stage to.",
            f"There are: {', '.join(['hub', 'here', *buckets])}. "
            "`simpletuner-tui destinations add` adds a bucket.",
            status=404,
            code="not_found",
        )


def _given(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _wait(options: argparse.Namespace, control: ControlClient, job_id: str) -> int:
    """Wait until the job has ended, then verify its files."""
    job = _until_ended(options, control, job_id)
    if job.status is JobStatus.COMPLETED:
        if not options.json:
            tell("It has ended. Its results are fetched and verified.")
        for item in control.collect(job_id).result()["missing"]:
            tell(f"missing: {item['what']}: {item['why']}. {item['advice']}".rstrip())
        job = _until_delivery_is_known(control, job, quiet=options.json)
    files = context.reader().files(job_id)
    if options.json:
        written = context.reader().annotation(job_id)
        row = job_json(job, files, context.outputs(), annotation=written)
        say_json(_with_failure(job, row))
    else:
        state = formatting.ended(job.status, job.stage)
        cost = formatting.cost_words(job.cost_micros, "at most" if job.is_lost else "")
        say(f"{job.job_id}  {state}  {cost}")
        for file in files:
            say(f"{file.sha256}  {context.outputs() / file.path}")
    if job.status is not JobStatus.COMPLETED:
        tell(f"{job.name}: {job.error or job.stage or job.status.value}")
        for advice in job.diagnosis.get("advice", ()):
            tell(f"  {advice}")
        return exit_codes.FAILED
    return delivery_status(job)


def _with_failure(job: JobRecord, answer: Mapping[str, object]) -> Mapping[str, object]:
    """A job's record as `--wait` prints it: with the reason where the status is not 0."""
    if job.status is not JobStatus.COMPLETED:
        advice = " ".join(job.diagnosis.get("advice", ()))
        return failed(answer, "job_failed", job.error or job.stage or job.status.value, advice)
    delivered = job.submit.get("delivered")
    state = delivered["state"] if delivered else None
    if job.delivery not in CONFIRMED_DELIVERIES or state == "yes":
        return answer
    words = delivered.get("words", "not checked") if delivered else "not checked"
    message = f"{job.stage or f'{UNDELIVERED}not known'}: {words}"
    kind = "unverified" if state == "unverified" else "not_delivered"
    return failed(answer, kind, message, delivered.get("advice", "") if delivered else "")


def delivery_status(job: JobRecord) -> int:
    """Return the exit status of a completed job, and say what is not proved of its delivery."""
    if job.delivery not in CONFIRMED_DELIVERIES:
        tell(f"{job.name}: it has no delivery, so nothing had to arrive; its log is kept.")
        return exit_codes.FINE
    delivered = job.submit.get("delivered")
    stage = job.stage or f"{UNDELIVERED}not known"
    if not delivered:
        later = f"`simpletuner-tui job {job.job_id}` tells once it is known."
        tell(f"{job.name}: {stage}: it could not be checked. {later}")
        return exit_codes.FAILED
    if delivered["state"] == "yes":
        return exit_codes.FINE
    words, advice = (
        delivered.get("words", ""),
        delivered.get("advice", ""),
    )  # earlier ones lack some
    tell(f"{job.name}: {stage}: {words}. {advice}".rstrip())
    unverified = delivered["state"] == "unverified"
    return exit_codes.UNVERIFIED if unverified else exit_codes.FAILED


def _until_delivery_is_known(control: ControlClient, job: JobRecord, *, quiet: bool) -> JobRecord:
    """Wait until the engine has checked whether the results arrived."""
    store = context.reader()
    deadline = time.monotonic() + _CHECK_SECONDS
    unsure_until = time.monotonic() + _UNSURE_SECONDS

    def known() -> bool:
        now = store.job(job.job_id)
        if now is None or now.delivery not in CONFIRMED_DELIVERIES or time.monotonic() > deadline:
            return True
        delivered = now.submit.get("delivered")
        if not delivered:
            return False
        return delivered["state"] != "unknown" or time.monotonic() > unsure_until

    if not known() and not quiet:
        until = formatting.second(datetime.now(UTC) + timedelta(seconds=_CHECK_SECONDS))
        tell(f"Whether its results have arrived is being checked, until {until} at most.")
    while not known():
        with contextlib.suppress(ControlError):
            for _event in control.events_until(known):
                pass
        if not known():  # the engine went away: started again, it looks again
            control = context.engine()
    return store.job(job.job_id) or job


def _until_ended(options: argparse.Namespace, control: ControlClient, job_id: str) -> JobRecord:
    store = context.reader()
    shown, seen = "", 0
    control.focus(job_id).result()
    while True:
        try:
            for _event in control.events_until(lambda: _ended(store.job(job_id))):
                job = store.job(job_id)
                line = "" if job is None else _waiting_line(store, job)
                if line != shown and not options.json:
                    tell(line)
                shown = line
                for event in store.events(job_id, seen):
                    seen = event.seq
                    if event.kind == "trouble" and not options.json:
                        tell(f"  {event.message}")
        except ControlError:  # the engine went away: start it again, the job goes on
            control = context.engine()
            continue
        job = store.job(job_id)
        if job is not None and job.status.is_terminal:
            return job
        control = context.engine()


def _ended(job: JobRecord | None) -> bool:
    return job is None or job.status.is_terminal


def _waiting_line(store: StoreReader, job: JobRecord) -> str:
    return waiting_line(job, store.contacts().of(job, datetime.now(UTC)))


def waiting_line(job: JobRecord, unheard: LostContact | None) -> str:
    """What a wait for a job waits for, and until when its run is stopped at the latest."""
    if unheard is not None and job.status.is_active:
        # The moment and not the time since, so that the line is printed once.
        return f"{unheard.why}, not heard from since {formatting.clock(unheard.since)}"
    line, limit = _line(job), job.submit.get("cancel_after")
    if job.step is None and job.queued_at is not None and isinstance(limit, int):
        stopped = formatting.clock(job.queued_at + timedelta(seconds=limit))
        return f"{line}; stopped at {stopped} at the latest"
    return line


def _line(job: JobRecord) -> str:
    if job.status is JobStatus.RUNNING and job.step is not None:
        done = f"{job.step}/{job.total_steps}"
        names = [mark["name"] for mark in job.submit.get("not_finite") or ()]
        loss = "nan" if job.loss is None and "loss" in names else formatting.number(job.loss)
        return f"{formatting.ended(job.status, job.stage)}  {done}  loss {loss}"
    return f"{formatting.ended(job.status, job.stage)}  {job.stage}".rstrip()


def _job(job_id: str) -> JobRecord:
    job = context.reader().job(job_id)
    if job is None:
        raise ControlError(f"The job {job_id} is gone.", "", code="job_not_found")
    return job


def _dry_run(options: argparse.Namespace, report: CheckReport) -> int:
    if options.json:
        say_json(report if report["ok"] else {**report, **_failure(report)})
    else:
        for line in _check_lines(report, dataloader=False):  # the request has it
            say_prose(line)
        say(json.dumps(report["request"], ensure_ascii=False, indent=2))
    return exit_codes.FINE if report["ok"] else _status_of(report)


def _status_of(report: CheckReport) -> int:
    """The exit status of a job that cannot start.

    It is 3 when a token is refused, 4 when Replicate cannot be reached, 5 when the cost limit
    refuses the job, else 1.
    """
    codes = {item["id"] for item in report["checks"] if item["level"] == "error"}
    if codes & {"token", "hub-token", "hub-write"}:
        return exit_codes.NOT_AUTHORISED
    if "replicate" in codes:
        return exit_codes.NETWORK
    return exit_codes.BLOCKED if "cost" in codes else exit_codes.FAILED


def _failure(report: CheckReport) -> JsonObject:
    """The failure of a report that is not ok, in the shape of the HTTP API."""
    first = next((check for check in report["checks"] if check["level"] == "error"), None)
    code, message, advice = "check_failed", "The job cannot work", ""
    details: JsonObject = {}
    if first is not None:
        message, advice = f"{message}: {first['message']}", first["advice"]
    if _status_of(report) == exit_codes.BLOCKED:
        cost = next(check for check in report["checks"] if check["id"] == "cost")
        code, advice = "cost_limit_exceeded", cost["advice"]
        message = f"The cost limit refuses this job: {cost['message']}."
        details = dict(report["cost_limit"] or {})
    return failed({}, code, message, advice, details)


def _tell_checks(report: CheckReport) -> None:
    for line in _check_lines(report):
        tell(line)


def _tell_refusal(report: CheckReport) -> None:
    """Tell of all findings, and last of those for which nothing is sent: the others are many."""
    errors = [item for item in report["checks"] if item["level"] == "error"]
    others = [item for item in report["checks"] if item["level"] != "error"]
    for item in (*others, *errors):
        for line in _finding_lines(item):
            tell(line)
    tell(NOTHING_SENT)


def _basis_words(estimate: CostEstimate) -> list[str]:
    """What the estimate rests on, how good past ones were, and the wait before the start."""
    words = f"from {estimate['basis']}"
    if error := past_error_words(estimate):
        words += f"; {error}"
    lines = [words]
    if wait := estimate["queue"]:
        usual, most = (formatting.duration(wait[name]) for name in ("seconds", "long_seconds"))
        runs = formatting.plural(wait["runs"], "run")
        lines.append(f"in the queue before: {usual}, 95 of 100 at most {most} ({runs})")
    return lines


def _check_lines(report: CheckReport, *, dataloader: bool = True) -> list[str]:
    lines = []
    for item in report["checks"]:
        lines += _finding_lines(item)
    return lines + _consent_lines(report, dataloader=dataloader)


def _finding_lines(item: Check) -> list[str]:
    words = formatting.finding(item["message"], item["release"])
    lines = [f"{_MARKS[item['level']]} {words}"]
    if item["advice"] and item["level"] != "ok":
        lines.append(f"    {item['advice']}")
    return lines


def _mended_lines(report: CheckReport) -> list[str]:
    """What --fix-delivery changed of the run."""
    mended = [item for item in report["checks"] if item["id"] == "delivery-mended"]
    return [line for item in mended for line in _finding_lines(item)]


def _consent_lines(report: CheckReport, *, dataloader: bool = True) -> list[str]:
    """What a yes agrees to: the price, and what leaves this machine."""
    lines = []
    estimate, leaves = report["estimate"], report["leaves"]
    price = formatting.money(estimate["micros"])
    low, high = formatting.money(estimate["low_micros"]), formatting.money(estimate["high_micros"])
    rate = formatting.rate(estimate["rate_micros"])
    lines.append(
        f"  estimated {price} ({low}–{high}), {formatting.duration(estimate['seconds'])} at {rate}"
        if estimate["steps"]
        else f"  no estimate: the steps depend on data that is not known here; counted as "
        f"{formatting.duration(estimate['seconds'])}, {price} at {rate}"
    )
    lines += [f"    {words}" for words in _basis_words(estimate)]
    if leaves["images"]:
        lines.append(f"  {leaves['words']}")
        lines += [f"    {leaves['token']}"] if leaves["token"] else []
        if leaves["until"]:  # they are staged
            lines += _dataloader_lines(report) if dataloader else []
    return lines


def _dataloader_lines(report: CheckReport) -> list[str]:
    """The dataloader as it is rewritten for staged data, without the secrets that are in it."""
    sent = report["request"]["input"].get("dataloader_json")
    if not isinstance(sent, str) or not sent.startswith("["):  # hidden as a whole
        return []
    text = json.dumps(json.loads(sent), ensure_ascii=False, indent=2)
    heading = "  the dataloader, as the trainer reads it:"
    return [heading, *(f"  {line}" for line in text.splitlines())]
