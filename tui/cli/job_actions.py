"""Commands that act on a job: `cancel`, `move`, `collect`, `delete`, `sync`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.consent import ASK_WITH_YES, agrees
from tui.cli.failures import failed, not_agreed
from tui.cli.output import say, say_json, tell
from tui.client.errors import ControlError
from tui.simpletuner.request.hardware import normalise_profile
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import OtherHardware


def cancel(options: argparse.Namespace) -> int:
    """Cancel a job."""
    job = context.reader().find(options.id)
    answer = context.engine().cancel(job.job_id).result()
    return _print(options, answer, f"{job.name}: {answer['status']}")


def move(options: argparse.Namespace) -> int:
    """Move a waiting job to other hardware; without a target, show its wait and the prices."""
    job = context.reader().find(options.id)
    engine = context.engine()
    if options.to is None:
        standing = engine.queue_standing(job.job_id).result()
        if options.json:
            say_json(standing)
            return exit_codes.FINE
        say(standing["words"])
        for other in standing["others"]:
            price = formatting.money(other["estimate_micros"])
            say(f"{other['id']:<10} about {price}, {formatting.duration(other['seconds'])}")
        return exit_codes.FINE
    _tell_price(job, engine.queue_standing(job.job_id).result()["others"], options.to)
    if not options.yes and not agrees(f"Cancel {job.name} and start it on {options.to}?"):
        raise not_agreed(f"{job.name} stays where it waits.", ASK_WITH_YES)
    answer = engine.move(job.job_id, options.to).result()
    message = (
        f"{job.name}: is cancelled, and starts on {answer['hardware']} once that is seen. "
        "Nothing is paid twice."
    )
    return _print(options, answer, message)


def _tell_price(job: JobRecord, others: Sequence[OtherHardware], wanted: str) -> None:
    """Say what the job would cost on other hardware, and where its data lie; before it is asked."""
    try:
        target = normalise_profile(wanted)
    except ValueError as error:
        raise ControlError(f"{error}".capitalize() + ".", "") from None
    other = next((one for one in others if one["id"] == target), None)
    if other is None:  # the engine says why it cannot run there
        return
    tell(
        f"{other['label']}, {formatting.rate(other['rate_micros'])}: "
        f"about {formatting.money(other['estimate_micros'])} in all, "
        f"{formatting.duration(other['seconds'])}. Where it waits now ({job.hardware}): "
        f"about {formatting.money(job.estimate_micros)}."
    )
    tell(f"Its data: {_data_words(job)}.")


def _data_words(job: JobRecord) -> str:
    if place := (job.submit.get("staging") or {}).get("place"):
        return f"staged ({place}), and read from there; what is there is not sent again"
    if job.submit.get("pack"):
        return "packed and uploaded to Replicate again"
    return "read from the address in the request"


def collect(options: argparse.Namespace) -> int:
    """Fetch and verify what a job produced; fails when something is missing."""
    job = context.reader().find(options.id)
    answer = context.engine().collect(job.job_id).result()
    missing = [
        f"missing: {item['what']}: {item['why']}. {item['advice']}".rstrip()
        for item in answer["missing"]
    ]
    if options.json:
        say_json(failed(answer, "missing", " ".join(missing)) if missing else answer)
    else:
        for file in answer["files"]:
            say(f"{file['sha256']}  {file['path']}  {formatting.size(file['size'])}")
    for line in missing:
        tell(line)
    return exit_codes.FAILED if missing else exit_codes.FINE


def delete(options: argparse.Namespace) -> int:
    """Drop a finished job's record."""
    job = context.reader().find(options.id)
    answer = context.engine().delete(job.job_id).result()
    return _print(options, answer, f"{job.name}: record deleted, files kept")


def sync(options: argparse.Namespace) -> int:
    """Bring in jobs started elsewhere."""
    answer = context.engine().sync().result()
    return _print(options, answer, answer["message"])


def _print(options: argparse.Namespace, answer: Mapping[str, object], message: str) -> int:
    if options.json:
        say_json(answer)
    else:
        say(message)
    return exit_codes.FINE
