"""`export`: a job's record, metrics and log, for other programs."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tui.base.errors import ApiError
from tui.base.new_files import replace
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.job_queries import metrics_of
from tui.cli.output import say, say_json
from tui.store.job_json import job_json
from tui.store.stopping_limit import stopping_limit

if TYPE_CHECKING:
    from tui.store.reader import StoreReader
    from tui.store.records import JobRecord


def export(options: argparse.Namespace) -> int:
    """Write it into a folder, or print it; nothing that is there is replaced unasked."""
    store = context.reader()
    job = store.find(options.id)
    if options.to is not None:
        return _to_folder(options, store, job)
    if options.format == "csv":
        if options.json:
            raise wrong_usage("--json and --format csv exclude each other.", "Leave one out.")
        for line in _csv(store, job).splitlines():
            say(line)
        return exit_codes.FINE
    say_json(
        {
            "job": _record(store, job),
            **metrics_of(store, job),
            "log": _log(job).read_text("utf-8", "replace") if _log(job).is_file() else "",
        }
    )
    return exit_codes.FINE


def _to_folder(options: argparse.Namespace, store: StoreReader, job: JobRecord) -> int:
    folder = Path(options.to).expanduser()
    names = ["job.json", "metrics.csv" if options.format == "csv" else "metrics.json", "log.txt"]
    taken = [name for name in names if os.path.lexists(folder / name)]
    if taken and not options.overwrite:
        raise ApiError(
            f"{folder} holds {', '.join(taken)} already.",
            "Name another folder, or let them be replaced: --overwrite",
            code="taken",
        )
    folder.mkdir(parents=True, exist_ok=True)
    metrics = (
        _csv(store, job)
        if options.format == "csv"
        else json.dumps(metrics_of(store, job), ensure_ascii=False)
    )
    record = json.dumps(_record(store, job), ensure_ascii=False, indent=2)
    for name, text in zip(names, (f"{record}\n", metrics, None), strict=True):
        replace(folder / name, partial(_write, text=text, log=_log(job)))
    if options.json:
        say_json({"job_id": job.job_id, "files": [str(folder / name) for name in names]})
    else:
        for name in names:
            say(str(folder / name))
    return exit_codes.FINE


def _write(file: BinaryIO, text: str | None, log: Path) -> None:
    """Write a text; without one, a copy of the log."""
    if text is not None:
        file.write(text.encode("utf-8", "backslashreplace"))
    elif log.is_file():
        with log.open("rb") as source:
            shutil.copyfileobj(source, file)


def _log(job: JobRecord) -> Path:
    return context.home().log_file(job.job_id)


def _record(store: StoreReader, job: JobRecord) -> object:
    return job_json(
        job, store.files(job.job_id), context.outputs(), context.contacts(store),
        annotation=store.annotation(job.job_id), stops=bool(stopping_limit(store)),
    )  # fmt: skip


def _csv(store: StoreReader, job: JobRecord) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "step", "value"])
    for name in store.metric_names(job.job_id):
        for step, value in zip(*store.metrics(job.job_id, name), strict=True):
            writer.writerow([name, step, repr(value)])
    return text.getvalue()
