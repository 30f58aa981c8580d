"""Work that is killed (`kill -9`) at a random moment, or meets a full disk, and is then done again.

The work is done by the program's own code in another process, which tells what it has finished. It
is judged by what is on the disk afterwards, and by what doing it again makes of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from PIL import Image

from tests.app.world import home_at, job
from tests.faults.table import Fault, Outcome, Part
from tests.simpletuner.projects import local_entry, write_project
from tui.base.job_status import JobStatus
from tui.destinations.common.contract import LocalFile, Resume
from tui.destinations.folder import FolderDestination
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.reconcile import Snapshot
from tui.engine.tracking.recorder import JobRecorder
from tui.listener.storage.folder import Folder, StoredObject
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import scan
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

# A server that forks: a process of this size takes a second to start, and its fork does not.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])

Told = Callable[[str], None]
STEPS = 200
LOG = "".join(
    f"Epoch 1/1, Steps: {100 * step // STEPS:>3}%|##| {step}/{STEPS} "
    f"[00:01<00:02,  1.00it/s, step_loss={step / 7:.3f}]\n"
    for step in range(1, STEPS + 1)
)
JOB = "job00001"


@dataclass(frozen=True)
class Work:
    """Something that is written to the disk.

    Attributes:
        name: what it is.
        do: does it in a folder and tells what is finished; doing it again goes on or begins anew.
        judge: given the folder and what was told, before anything is done again: is all there?
        whole: after it was done again: is it whole, and only once?
        size: bytes that it writes, about; a disk with less space gets full.
    """

    name: str
    do: Callable[[Path, Told], None]
    judge: Callable[[Path, list[str]], bool]
    whole: Callable[[Path], bool]
    size: int


# -- a log that grows -----------------------------------------------------------------------------


def _recorder(folder: Path) -> JobRecorder:
    home = home_at(folder)
    recorder = JobRecorder(StoreWriter(home), home, EventBus())
    try:
        recorder.writer.job(JOB)
    except KeyError:
        recorder.writer.insert(job(1, JobStatus.QUEUED))
    return recorder


def _follow(folder: Path, told: Told) -> None:
    recorder = _recorder(folder)
    try:
        for end in range(500, len(LOG), 500):
            recorder.apply_snapshot(JOB, Snapshot(status="processing", logs=LOG[:end]), "poll")
            told(str(end))
        recorder.apply_snapshot(JOB, Snapshot(status="succeeded", logs=LOG), "poll")
        told(str(len(LOG)))
    finally:
        recorder.writer.close()


def _log_is_there(folder: Path, told: list[str]) -> bool:
    path = home_at(folder).log_file(JOB)
    log = path.read_bytes().decode() if path.exists() else ""
    return LOG.startswith(log) and len(log) >= int(told[-1] if told else 0)


def _log_is_whole(folder: Path) -> bool:
    home = home_at(folder)
    reader = StoreReader(home.database)
    try:
        steps = list(reader.metrics(JOB, "loss")[0])
        ended = reader.job(JOB)
    finally:
        reader.close()
    log = home.log_file(JOB).read_text()
    done = ended is not None and ended.status is JobStatus.COMPLETED
    return done and log == LOG and steps == list(range(1, STEPS + 1))


# -- an archive -----------------------------------------------------------------------------------


def _pictures(folder: Path) -> Path:
    data = folder / "cats"
    if not data.exists():
        data.mkdir(parents=True)
        for number in range(20):
            noise = random.Random(number).randbytes(128 * 128 * 3)
            Image.frombytes("RGB", (128, 128), noise).save(data / f"{number}.png")
            (data / f"{number}.txt").write_text(f"a cat, number {number}")
    return data


def _pack(folder: Path, told: Told) -> None:
    entry = local_entry(_pictures(folder), id="cats")
    report = scan(load_config(write_project(folder / "project", [entry])))
    for number in range(3):
        archive = pack(report, folder / f"{number}.zip")
        told(f"{number} {archive.sha256}")


def _archives_are_there(folder: Path, told: list[str]) -> bool:
    pairs = (line.split() for line in told)
    named = all(_sha256(folder / f"{number}.zip") == sha256 for number, sha256 in pairs)
    return named and all(_is_archive(path) for path in folder.glob("*.zip"))


def _archives_are_whole(folder: Path) -> bool:
    archives = list(folder.glob("*.zip"))
    names = len({_sha256(path) for path in archives})
    return len(archives) == 3 and names == 1 and not list(folder.glob("*.part"))


def _is_archive(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


# -- files that are published ---------------------------------------------------------------------


def _files(folder: Path) -> list[LocalFile]:
    files = []
    for number in range(8):
        path = folder / "run" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(random.Random(number).randbytes(300_000))
        files.append(LocalFile(path, path.name))
    return files


def _publish(folder: Path, told: Told) -> None:
    destination = FolderDestination(folder / "there", "cat")
    destination.prepare()
    items = destination.plan(_files(folder))
    for item in items:
        if not item.present:
            destination.send(item, resume=_kept(folder / f"{item.name}.json"))
        destination.verify(item)
        told(item.name)
    destination.finish(items)


def _kept(path: Path) -> Resume:
    """The state of a transfer, kept in a file as the engine keeps it in its database."""
    resume = Resume(json.loads(path.read_text()) if path.exists() else {})

    def keep(data: Mapping[str, Any]) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(data))
        new.replace(path)

    resume.on_change = keep
    return resume


def _published(folder: Path) -> dict[str, str]:
    there = folder / "there"
    visible = (path for path in there.rglob("*.bin") if not path.name.startswith("."))
    return {path.name: _sha256(path) for path in visible}


def _files_are_there(folder: Path, told: list[str]) -> bool:
    there, here = _published(folder), {f.name: _sha256(f.path) for f in _files(folder)}
    return set(told) <= there.keys() and all(here[name] == there[name] for name in there)


def _files_are_whole(folder: Path) -> bool:
    hidden = [path for path in (folder / "there").rglob(".*") if path.suffix == ".part"]
    return not hidden and _published(folder) == {f.name: _sha256(f.path) for f in _files(folder)}


# -- objects of the receiver ----------------------------------------------------------------------


def _receive(folder: Path, told: Told) -> None:
    place = Folder(folder, "job-1")
    place.load()
    for number in range(12):
        data = random.Random(number).randbytes(60_000)
        if place.find(f"{number}.bin") is None:
            body = place.new_body()
            body.write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()
            now = datetime.now(UTC)
            key = f"{number}.bin"
            place.publish(body, StoredObject(key, "job-1", len(data), sha256, sha256, now, 0))
        told(str(number))


def _objects(folder: Path) -> dict[str, bool]:
    place = Folder(folder, "job-1")
    place.load()
    return {
        stored.key: _sha256(place.path_of(stored.key)) == stored.sha256
        for stored in place.objects()
    }


def _objects_are_there(folder: Path, told: list[str]) -> bool:
    objects = _objects(folder)
    return {f"{number}.bin" for number in told} <= objects.keys() and all(objects.values())


def _objects_are_whole(folder: Path) -> bool:
    place = Folder(folder, "job-1")
    return len(_objects(folder)) == 12 and not list((place.work / "bodies").iterdir())


WORKS = (
    Work("a log that grows", _follow, _log_is_there, _log_is_whole, 200_000),
    Work("an archive", _pack, _archives_are_there, _archives_are_whole, 3_000_000),
    Work("files that are published", _publish, _files_are_there, _files_are_whole, 2_000_000),
    Work("objects that are received", _receive, _objects_are_there, _objects_are_whole, 600_000),
)


# -- killed, or without space ---------------------------------------------------------------------


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _child(number: int, folder: Path, pipe: Connection) -> None:
    os.umask(0o077)
    try:
        WORKS[number].do(folder, lambda line: pipe.send(("told", line)))
        pipe.send(("said", ""))
    except Exception as error:  # what a user would be told
        pipe.send(("said", str(getattr(error, "message", error))))


async def _hindered(number: int, folder: Path, kill_after: float) -> tuple[list[str], str]:
    """Do a work in another process; return what it told and what it said at its end."""
    mine, its = _SERVER.Pipe()
    process = _SERVER.Process(target=_child, args=(number, folder, its))
    process.start()
    its.close()
    told: list[str] = []
    said = ""
    loop = asyncio.get_running_loop()
    if kill_after:
        first = await asyncio.to_thread(_received, mine)
        told += [first[1]] if first and first[0] == "told" else []
        await asyncio.sleep(kill_after)
        process.kill()
    while (line := await loop.run_in_executor(None, _received, mine)) is not None:
        kind, text = line
        if kind == "told":
            told.append(text)
        else:
            said = text
    await asyncio.to_thread(process.join)
    return told, said


def _received(pipe: Connection) -> tuple[str, str] | None:
    try:
        kind, text = pipe.recv()
    except (EOFError, OSError):
        return None
    return kind, text


def _killed(number: int) -> Callable[[Path, random.Random], Awaitable[Outcome]]:
    async def attempt(root: Path, dice: random.Random) -> Outcome:
        with tempfile.TemporaryDirectory(dir=root) as name:
            folder = _prepared(Path(name))
            told, said = await _hindered(number, folder, dice.uniform(0.0005, 0.03))
            return await _judged(number, folder, told, said or "killed, and done again")

    return attempt


def _full(number: int) -> Callable[[Path, random.Random], Awaitable[Outcome]]:
    async def attempt(disk: Path, dice: random.Random) -> Outcome:
        with tempfile.TemporaryDirectory(dir=disk) as name:
            folder = _prepared(Path(name))
            with _filled(folder / "ballast", leave=dice.randrange(WORKS[number].size)):
                told, said = await _hindered(number, folder, 0.0)
            return await _judged(number, folder, told, said)

    return attempt


def _prepared(folder: Path) -> Path:
    _pictures(folder)
    _files(folder)
    return folder


@contextmanager
def _filled(ballast: Path, *, leave: int) -> Iterator[None]:
    """Take up the space of a disk but for some bytes."""
    disk = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - leave))
    try:
        yield
    finally:
        ballast.unlink()


async def _judged(number: int, folder: Path, told: list[str], said: str) -> Outcome:
    work = WORKS[number]
    there = await asyncio.to_thread(work.judge, folder, told)
    await asyncio.to_thread(work.do, folder, lambda _: None)
    whole = await asyncio.to_thread(work.whole, folder)
    return Outcome(lost=not there, doubled=not whole, said=said)


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[Path]:
    yield folder


@asynccontextmanager
async def _open_disk(folder: Path) -> AsyncIterator[Path]:
    """A file system of its own, so that it alone gets full."""
    disk = folder / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs"]
    subprocess.run(["mount", *options, str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def may_mount() -> bool:
    """Whether this process may mount a file system: root outside of most containers."""
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "tmpfs", folder], check=False, capture_output=True
        )
        if not tried.returncode:
            subprocess.run(["umount", folder], check=True)
    return not tried.returncode


_DISK_BYTES = 16 << 20
KILLED = Part(
    "kill -9",
    _open,
    [Fault(work.name, _killed(number)) for number, work in enumerate(WORKS)],
)
FULL = Part(
    "disk full",
    _open_disk,
    [Fault(work.name, _full(number)) for number, work in enumerate(WORKS)],
)
