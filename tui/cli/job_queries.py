"""Commands that read the store, not the engine: `jobs`, `job`, `logs`, `metrics`."""

from __future__ import annotations

import argparse
import codecs
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.job_page import job_lines, shown_loss
from tui.cli.job_table import JobRow, job_table
from tui.cli.output import require_output, say, say_drawn, say_json, say_json_line
from tui.simpletuner.log.harmless import LogText
from tui.store.annotations import NONE
from tui.store.filter import filter_problem, parse_filter
from tui.store.job_json import job_json
from tui.store.lost_contact import Contacts, LostContact
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.shown_cost import ShownCost, shown_cost
from tui.store.stopping_limit import stopping_limit


def jobs(options: argparse.Namespace) -> int:
    """List jobs."""
    store = context.reader()
    words = " ".join(options.filter)
    if (problem := filter_problem(words)) is not None:
        raise wrong_usage(*problem)
    where = parse_filter(words)
    records = store.records(where, -1 if options.limit is None else options.limit)
    if options.json:
        folder, files = context.outputs(), store.all_files()
        contacts, stops = context.contacts(store), bool(stopping_limit(store))
        written = store.annotations()
        say_json([
            job_json(job, files.get(job.job_id, ()), folder, contacts, stops=stops,
                     annotation=written.get(job.job_id, NONE))
            for job in records
        ])  # fmt: skip
    elif not records and not where.text:
        say("No jobs yet. Start one with: simpletuner-tui submit CONFIG")
    else:
        _say_table(records, context.contacts(store))
    context.wake_engine(needed=any(record.status.is_active for record in records))
    return exit_codes.FINE


def _say_table(records: list[JobRecord], contacts: Contacts) -> None:
    now = datetime.now(UTC)
    heard = ((record, contacts.of(record, now)) for record in records)
    rows = (
        JobRow(
            record.job_id,
            record.name,
            f"{record.model_family} {record.model_flavour}".strip(),
            record.status.value,
            record.stage,
            record.step,
            record.total_steps,
            shown_loss(record),
            record.created_at,
            _cost(record, now, contact),
            contact,
        )
        for record, contact in heard
    )
    for line in job_table(rows):
        say_drawn(line)


def job(options: argparse.Namespace) -> int:
    """Print everything about a job."""
    store = context.reader()
    record = store.find(options.id)
    files = store.files(record.job_id)
    written = store.annotation(record.job_id)
    if options.json:
        stops = bool(stopping_limit(store))
        say_json(job_json(record, files, context.outputs(), context.contacts(store), stops=stops,
                          annotation=written))  # fmt: skip
    else:
        unheard = context.contacts(store).of(record, datetime.now(UTC))
        log = context.home().log_file(record.job_id)
        lines = job_lines(
            record, files, unheard, written,
            stops_at=stopping_limit(store), log=str(log), outputs=str(context.outputs()),
        )  # fmt: skip
        for line in lines:
            say(line)
    context.wake_engine(needed=record.status.is_active)
    return exit_codes.FINE


def _cost(record: JobRecord, now: datetime, contact: LostContact | None) -> ShownCost | None:
    """The cost for the table, where one that still grows has no place."""
    if record.cost_micros is None and contact is None:
        return None
    return shown_cost(record, now, contact)


def logs(options: argparse.Namespace) -> int:
    """Print a log; with --follow print what is added until the job ends."""
    store = context.reader()
    record = store.find(options.id)
    path = context.home().log_file(record.job_id)
    if options.json and not options.follow:
        text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        say_json({"job_id": record.job_id, "lines": text.splitlines()})
        return exit_codes.FINE
    write = JsonLines().write if options.json else _log_writer()
    position = _print_from(path, 0, write)
    if options.follow:
        _follow(store, record, path, position, write)
    return exit_codes.FINE


class JsonLines:
    """Prints a log that comes in pieces as JSON, a line of it on each line."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun = ""

    def write(self, piece: bytes) -> None:
        """Print the lines that a piece completes."""
        *lines, self._begun = (self._begun + self._decode(piece)).split("\n")
        for line in lines:
            say_json_line({"line": line})


def _log_writer() -> Callable[[bytes], object]:
    """What writes a log: unchanged to a pipe, without control sequences to a terminal."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer.write

    text, encoding = LogText(), sys.stdout.encoding or "utf-8"
    return lambda piece: sys.stdout.buffer.write(text.feed(piece).encode(encoding, "replace"))


def _follow(
    store: StoreReader,
    record: JobRecord,
    path: Path,
    position: int,
    write: Callable[[bytes], object],
) -> None:
    from tui.client.errors import ControlError, EngineSilentError

    def ended() -> bool:
        nonlocal position
        current = store.job(record.job_id)  # first the state, then the log: the end comes last
        position = _print_from(path, position, write)
        return current is None or current.status.is_terminal

    while not ended():
        try:
            control = context.engine()  # started again when it went away: the job goes on
        except EngineSilentError:  # said while it was waited for; it may go on yet
            continue
        try:
            control.focus(record.job_id).result()
            for _event in control.events_until(ended):
                pass
        except ControlError:
            continue


def _print_from(path: Path, position: int, write: Callable[[bytes], object]) -> int:
    try:
        with path.open("rb") as file:
            file.seek(position)
            while piece := file.read(1 << 20):
                write(piece)
                position += len(piece)
    except FileNotFoundError:
        return position
    require_output()
    return position


def metrics(options: argparse.Namespace) -> int:
    """Print metric series: CSV `name,step,value`, or JSON by name.

    A value that is not finite is `nan`, `inf` or `-inf` in CSV. JSON has no such numbers: it is
    null there, and named under `not_finite`.
    """
    store = context.reader()
    record = store.find(options.id)
    if options.json:
        say_json(metrics_of(store, record))
        return exit_codes.FINE
    say("name,step,value")
    for name in store.metric_names(record.job_id):
        for step, value in zip(*store.metrics(record.job_id, name), strict=True):
            say(f"{name},{step},{value!r}")
    return exit_codes.FINE


def metrics_of(store: StoreReader, record: JobRecord) -> dict[str, object]:
    """All series of a job as JSON."""
    data, odd = {}, {}
    for name in store.metric_names(record.job_id):
        points = list(zip(*store.metrics(record.job_id, name), strict=True))
        data[name] = [[step, value if math.isfinite(value) else None] for step, value in points]
        if marks := [[step, str(value)] for step, value in points if not math.isfinite(value)]:
            odd[name] = marks
    return {"job_id": record.job_id, "metrics": data, "not_finite": odd}
