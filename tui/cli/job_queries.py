"""Commands that read the store, not the engine: `jobs`, `job`, `logs`, `metrics`."""

from __future__ import annotations

import argparse
import codecs
import math
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tui.base.formatting import plain
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.job_table import JobRow, job_table, prints_utf8
from tui.cli.output import say, say_json
from tui.simpletuner.log.grammar import clean
from tui.store.annotations import NONE, Annotation
from tui.store.filter import filter_problem, parse_filter
from tui.store.job_json import job_json
from tui.store.lost_contact import Contacts, LostContact
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.run_warnings import warning_words
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
        contacts, stops = store.contacts(), bool(stopping_limit(store))
        written = store.annotations()
        say_json([
            job_json(job, files.get(job.job_id, ()), folder, contacts, stops=stops,
                     annotation=written.get(job.job_id, NONE))
            for job in records
        ])  # fmt: skip
    elif not records and not where.text:
        say("No jobs yet. Start one with: simpletuner-tui submit CONFIG")
    else:
        _say_table(records, store.contacts())
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
            _loss(record),
            record.created_at,
            _cost(record, now, contact),
            contact,
        )
        for record, contact in heard
    )
    for line in job_table(rows):
        say(line)


def job(options: argparse.Namespace) -> int:
    """Print everything about a job."""
    store = context.reader()
    record = store.find(options.id)
    files = store.files(record.job_id)
    written = store.annotation(record.job_id)
    if options.json:
        stops = bool(stopping_limit(store))
        say_json(job_json(record, files, context.outputs(), store.contacts(), stops=stops,
                          annotation=written))  # fmt: skip
    else:
        unheard = store.contacts().of(record, datetime.now(UTC))
        _say_job(record, files, unheard, stopping_limit(store), written)
    context.wake_engine(needed=record.status.is_active)
    return exit_codes.FINE


def _cost(record: JobRecord, now: datetime, contact: LostContact | None) -> ShownCost | None:
    """The cost for the table, where one that still grows has no place."""
    if record.cost_micros is None and contact is None:
        return None
    return shown_cost(record, now, contact)


def _warnings(record: JobRecord, now: datetime) -> list[str]:
    return [
        warning_words(warning, record.rate_micros, now)
        for warning in record.warnings
        if not warning["dismissed"]
    ]


_AGAIN = {
    "no": "no: the same job would fail again",
    "maybe": "maybe: the same job can go better",
    "yes": "yes: the same job can succeed",
}


def _say_job(
    record: JobRecord,
    files: list[FileRecord],
    unheard: LostContact | None = None,
    stops_at: str = "",
    written: Annotation = NONE,
) -> None:
    from tui.base import formatting

    model = f"{record.model_family} {record.model_flavour} {record.model_type}".strip()
    state = formatting.ended(record.status, record.stage, ascii_only=not prints_utf8())
    now = datetime.now(UTC)
    cost = shown_cost(record, now, unheard)
    lines = [
        ("job", f"{record.job_id}  {record.name}{'  (pinned)' * written.pinned}"),
        ("tags", ", ".join(written.tags)),
        ("state", f"{state}  {record.stage}".rstrip()),
        ("contact", formatting.unheard(unheard.why, unheard.since, now) if unheard else ""),
        ("account", record.submit.get("account") or ""),
        ("model", model),
        ("trainer", f"{record.model}:{record.version[:12]}"),
        ("hardware", f"{record.hardware}  {formatting.rate(record.rate_micros)}"),
        ("step", f"{record.step or 0} of {record.total_steps or '?'}"),
        ("loss", _loss_words(record)),
        *(("warning", words) for words in _warnings(record, now)),
        ("cost", formatting.cost_words(*cost) if cost else formatting.money(None)),
        ("limit", f"cancelled at {stops_at}" if stops_at and record.status.is_active else ""),
        ("created", formatting.stamp(record.created_at)),
        ("ended", formatting.stamp(record.completed_at)),
        ("prediction", f"{record.prediction_id}  {record.web_url}".rstrip()),
        ("output", record.output_url),
        ("error", record.error),
        ("log", _log_words(context.home().log_file(record.job_id))),
    ]
    for name, value in lines:
        if value:
            say(f"{name:<11} {value}")
    for number, line in enumerate((written.note or "").splitlines()):
        say(f"{'' if number else 'note':<11} {line}".rstrip())
    delivered = record.submit.get("delivered") or {}
    if delivered:
        say(f"{'delivered':<11} {delivered.get('state')}: {delivered.get('words', '')}")
    for label in ("expected", "arrived", "missing"):
        if names := delivered.get(label):
            say(f"{label:<11} {', '.join(map(str, names))}")
    for advice in (*record.diagnosis.get("advice", ()), delivered.get("advice", "")):
        if advice:
            say(f"{'advice':<11} {advice}")
    if words := _AGAIN.get(str(record.diagnosis.get("again"))):
        say(f"{'again':<11} {words}")
    for file in files:
        where = context.outputs() / file.path
        say(f"{'file':<11} {where}  {formatting.size(file.size)}  {file.sha256}")


def _log_words(path: Path) -> str:
    if path.exists() and not path.is_file():
        return f"{path} is no file: move it away, nothing of this job can be recorded until then"
    return str(path)


def logs(options: argparse.Namespace) -> int:
    """Print a log; with --follow print what is added until the job ends."""
    store = context.reader()
    record = store.find(options.id)
    path = context.home().log_file(record.job_id)
    write = _log_writer()
    position = _print_from(path, 0, write)
    if options.follow:
        _follow(store, record, path, position, write)
    return exit_codes.FINE


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
    sys.stdout.flush()
    return position


def _loss(record: JobRecord) -> float | str | None:
    marked = any(mark["name"] == "loss" for mark in record.submit.get("not_finite") or ())
    if record.loss is None and marked:
        return "nan"
    return record.loss if record.loss_smoothed is None else record.loss_smoothed


def _loss_words(record: JobRecord) -> str:
    """The smoothed loss, its best, and which series have values that are not finite."""
    from tui.base import formatting

    loss = _loss(record)
    words = [loss if isinstance(loss, str) else formatting.number(loss)]
    if record.loss_best is not None:
        words.append(f"best {formatting.number(record.loss_best)} at step {record.best_step}")
    words += [
        f"{mark['name']} is not finite at steps {mark['first_step']}-{mark['last_step']}"
        for mark in record.submit.get("not_finite") or ()
    ]
    return " · ".join(words)


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


_KEPT: Final = re.compile(r"([\r\n\t])")
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\r\n]{0,4000}\x1b?|[ -/]*)\Z")
"""An escape sequence whose end has not been read yet; longer ones are shown as text."""


class LogText:
    """Cleans a log that comes in pieces, as the app's log does.

    A trainer prints what is in other people's files; a sequence in there could rename the window,
    write to the clipboard, or draw over lines that were read already. Carriage returns stay: they
    draw progress bars.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = b""

    def feed(self, piece: bytes) -> str:
        """The next piece as text that a terminal may show."""
        data = self._held + piece
        begun = _BEGUN.search(data)
        self._held = data[begun.start() :] if begun else b""
        text = self._decode(clean(data[: begun.start()] if begun else data))
        return "".join(
            part if part in "\r\n\t" else plain(part) for part in _KEPT.split(text) if part
        )
