"""Jobs that have ended and left files, for commands that publish them: no run is needed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.app.world import job
from tests.cli.shell import Shell
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.job_folder import folder_of
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter


def put_job(shell: Shell, number: int, files: dict[str, bytes], name: str = "") -> str:
    """A completed job with these files; to be called before an engine runs in that home."""
    place = Home(shell.home, shell.home / "cloud_outputs")
    place.create()
    record = job(number, JobStatus.COMPLETED)
    record = replace(record, name=name or record.name, api_base=shell.world.sandbox.base_url)
    kept = []
    for file, content in files.items():
        path = place.outputs / folder_of(record) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        where = path.relative_to(place.outputs).as_posix()
        kept.append(FileRecord(where, len(content), digest, "delivered", datetime.now(UTC)))
    writer = StoreWriter(place)
    writer.insert(record)
    writer.apply(record.job_id, Change(files=kept))
    writer.close()
    return record.job_id


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
