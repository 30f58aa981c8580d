"""Archives on their way to Replicate, and results on their way here."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from tests.engine.file_host import TOKEN, FileHost, serve_files
from tests.engine.tracking.followed import T0, Following, following
from tests.faults.table import Fault, Outcome, Part
from tests.replicate.server import QUICK
from tests.store.job_records import job as a_job
from tests.wished import wished
from tui.destinations.common.errors import PublishError
from tui.engine.results import download
from tui.engine.results.download import Download
from tui.engine.results.replicate_outputs import ReplicateOutputs
from tui.engine.submission import archives
from tui.engine.submission.archives import Archives
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import ReplicateError
from tui.replicate.secret import Secret
from tui.sandbox.faults import Fault as SandboxFault
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.transfer_records import FetchNotes

SIZE = 300_000
_TRIES = 6
_IMPATIENT = replace(QUICK, retry=replace(QUICK.retry, attempts=1, base=0.0, longest=0.0))

# -- results --------------------------------------------------------------------------------------


@dataclass
class Results:
    """A server of output files, a client of it, and the folder that they are downloaded to."""

    host: FileHost
    client: ReplicateClient
    folder: Path
    pool: ThreadPoolExecutor
    numbers: Any = field(default_factory=itertools.count)


@dataclass
class Result:
    """One file: its content there, its path here, and the notes between two tries."""

    results: Results
    name: str
    path: Path
    notes: dict[str, Any] = field(default_factory=dict)
    said: str = ""

    def put(self, data: bytes) -> None:
        self.results.host.files[self.name] = data

    async def once(self) -> None:
        """One try, as the engine makes it: what it noted so far is all that it has."""
        noted: dict[str, Any] = {}

        def save(notes: FetchNotes) -> None:
            noted.clear()
            noted.update(notes, **({"parts": dict(notes["parts"])} if "parts" in notes else {}))

        async def client() -> ReplicateClient:
            return self.results.client

        source = ReplicateOutputs([self.results.host.url(self.name)], client)
        [remote] = await source.list()
        work = Download(
            source, remote, self.path, cast("FetchNotes", self.notes), save,
            lambda _: None, lambda _: None, asyncio.Semaphore(2), self.results.pool,
        )  # fmt: skip
        try:
            await work.run()
        except PublishError as error:
            self.said = error.message
            raise
        finally:
            self.notes = noted

    async def until_there(self) -> None:
        """Try until the file is there."""
        for _ in range(_TRIES):
            with suppress(PublishError):
                await self.once()
                return


@asynccontextmanager
async def _results(folder: Path) -> AsyncIterator[Results]:
    with patch.object(download, "_FIRST_PAUSE", 0.0), ThreadPoolExecutor(2) as pool:
        async with (
            serve_files() as host,
            ReplicateClient(Secret(TOKEN), base_url=host.base, network=_IMPATIENT) as client,
        ):
            yield Results(host, client, folder, pool)


def _download(
    disturb: Callable[[Result, random.Random], Awaitable[None]],
) -> Callable[[Results, random.Random], Awaitable[Outcome]]:
    async def attempt(results: Results, dice: random.Random) -> Outcome:
        name = f"{next(results.numbers)}.bin"
        result = Result(results, name, results.folder / name / name)
        result.put(dice.randbytes(SIZE))
        try:
            await disturb(result, dice)
            early = result.path.exists() and result.path.read_bytes() != results.host.files[name]
        finally:
            results.host.cut_after = results.host.hold_after = None
            results.host.ranges = results.host.marks = True
            results.host.missing.clear()
            results.host.short.clear()
            results.host.open.set()
        await result.until_there()
        here = [path.read_bytes() for path in result.path.parent.iterdir()]
        return Outcome(here != [results.host.files[name]], early, result.said)

    return attempt


async def _cut_once(result: Result, dice: random.Random) -> None:
    result.results.host.cut_after = dice.randrange(1, SIZE)
    await result.until_there()


async def _cut_often(result: Result, dice: random.Random) -> None:
    for _ in range(4):
        result.results.host.cut_after = dice.randrange(1, SIZE // 2)
        with suppress(PublishError):
            await result.once()


async def _cut_without_ranges(result: Result, dice: random.Random) -> None:
    result.results.host.ranges = False
    await _cut_often(result, dice)


async def _cut_without_marks(result: Result, dice: random.Random) -> None:
    result.results.host.marks = False
    await _cut_often(result, dice)


async def _short(result: Result, _dice: random.Random) -> None:
    result.results.host.short.add(result.name)
    await result.until_there()


async def _missing(result: Result, _dice: random.Random) -> None:
    result.results.host.missing.add(result.name)
    await result.until_there()


async def _stopped(result: Result, dice: random.Random) -> None:
    """The engine stops in the middle, as often as not before it has noted anything."""
    host = result.results.host
    host.open.clear()
    host.hold_after = host.total_sent + dice.randrange(SIZE)
    task = asyncio.create_task(result.once())
    for _ in range(dice.randrange(60)):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _changed_there(result: Result, dice: random.Random) -> None:
    await _stopped(result, dice)
    result.put(dice.randbytes(SIZE - dice.randrange(2)))


async def _half_file_gone(result: Result, dice: random.Random) -> None:
    await _cut_once_and_stop(result, dice)
    for path in result.path.parent.iterdir():
        path.unlink()


async def _cut_once_and_stop(result: Result, dice: random.Random) -> None:
    host = result.results.host
    host.cut_after = dice.randrange(1, SIZE)
    with suppress(PublishError):
        await result.once()
    result.path.unlink(missing_ok=True)


DOWNLOADS = Part(
    "download",
    _results,
    [
        Fault("cut at a random byte", _download(_cut_once)),
        Fault("cut again and again", _download(_cut_often)),
        Fault("cut, from a server without ranges", _download(_cut_without_ranges)),
        Fault("cut, from a server without ETags", _download(_cut_without_marks)),
        Fault("a byte less than was announced", _download(_short)),
        Fault("not there for a while", _download(_missing)),
        Fault("stopped at a random moment", _download(_stopped)),
        Fault("stopped, and the file there is another", _download(_changed_there)),
        Fault("cut, and the half file is deleted", _download(_half_file_gone)),
    ],
)

# -- archives -------------------------------------------------------------------------------------

UPLOAD = "POST /v1/files"


@dataclass
class Uploads:
    """A sandbox, and the part of an engine that sends it archives."""

    sandbox: RunningSandbox
    followed: Following
    archives: Archives


@asynccontextmanager
async def _uploads(folder: Path) -> AsyncIterator[Uploads]:
    sandbox = await serve(wished(work_dir=folder / "sandbox"))
    try:
        with patch.object(archives, "backoff_seconds", lambda _: itertools.repeat(0.0)):
            async with following(Home(folder / "home", folder / "outputs")) as followed:
                clients = followed.clients
                clients.set_token(sandbox.base_url, sandbox.token, "environment")
                home = followed.recorder._home
                work = Archives(
                    recorder=followed.recorder, clients=clients, bus=followed.bus, home=home
                )
                home.archives.mkdir(parents=True, exist_ok=True)
                yield Uploads(sandbox, followed, work)
    finally:
        await sandbox.aclose()


def _upload(*faults: str) -> Callable[[Uploads, random.Random], Awaitable[Outcome]]:
    async def attempt(uploads: Uploads, dice: random.Random) -> Outcome:
        recorder, active = uploads.followed.recorder, uploads.sandbox.core.faults
        name = dice.randbytes(8).hex()
        data = dice.randbytes(dice.randrange(1_000, SIZE))
        path = recorder._home.archives / f"{name}.zip"
        path.write_bytes(data)
        submit = {"phase": "packed", "sha256": hashlib.sha256(data).hexdigest()}
        base = uploads.sandbox.base_url
        job = recorder.insert(a_job(name, api_base=base, created_at=T0, submit=submit))
        for fault in faults:
            active.add(SandboxFault.parse(f"{fault}*{dice.randint(1, 2)}@{UPLOAD}"))
        said = ""
        try:
            for _ in range(2):  # a user tries again what was refused
                try:
                    await uploads.archives.upload(job, threading.Event())
                except ReplicateError as error:
                    said = error.message
                else:
                    break
        finally:
            active.clear()
        return _uploaded(uploads, name, data, said)

    return attempt


def _uploaded(uploads: Uploads, name: str, data: bytes, said: str) -> Outcome:
    home, job = uploads.followed.recorder._home, uploads.followed.recorder.writer.job(name)
    stored = uploads.sandbox.core.files.get(str(job.submit.get("file_id", "")))
    reader = StoreReader(home.database)
    try:
        troubles = [event.message for event in reader.events(name) if event.kind == "trouble"]
    finally:
        reader.close()
    return Outcome(
        lost=stored is None or stored.path.read_bytes() != data,
        doubled=(home.archives / f"{name}.zip").exists(),  # it would be sent once more
        said=said or (troubles[-1] if troubles else ""),
    )


UPLOADS = Part(
    "upload",
    _uploads,
    [
        Fault("the answer is lost", _upload("cut=0")),
        Fault("the answer is cut", _upload("cut")),
        Fault("the request is cut", _upload("cut-request")),
        Fault("answers 500, an HTML page", _upload("server-error")),
        Fault("answers 502 of a proxy", _upload("bad-gateway")),
        Fault("answers of a wrong length", _upload("wrong-length")),
        Fault("answers 429", _upload("rate-limit=0")),
        Fault("a bit of the file changes on its way", _upload("damaged-upload")),
        Fault(
            "cut, then refused, then damaged",
            _upload("cut-request", "server-error", "damaged-upload"),
        ),
    ],
)
