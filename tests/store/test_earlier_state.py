"""A state directory that an earlier commit wrote opens unchanged, and its running job goes on.

`state_0_1_0` was written by the code before the modules were sorted into folders: one job that is
done, one that failed, one that runs; `state_format_7` holds the same three as the code with that
number of the schema wrote them, and `state_format_8` has a sweep of two of them as well. Addresses
and folders are placeholders. Whoever changes the schema adds a folder that the code before the
change wrote, and keeps the older ones.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.world import running_engine, running_world
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.engine.tracking import job_texts
from tui.settings import Home
from tui.store.annotations import Annotation
from tui.store.reader import StoreReader
from tui.store.schema import MIGRATIONS, StoreError
from tui.store.writer import StoreWriter

STATES = sorted(Path(__file__).parent.glob("state_*"))
DONE, FAILED, RUNNING = "ynw6n4f9ss", "uqvrweb6g4", "2tcueashst"
API = "http://127.0.0.1:9/v1"


@pytest.fixture
def two_homes() -> Iterator[tuple[Home, Home]]:
    """Two homes with short names: a socket's path has about 100 bytes."""
    root = Path(tempfile.mkdtemp(prefix="st-"))
    yield Home(root / "a", root / "a" / "outputs"), Home(root / "b", root / "b" / "outputs")
    shutil.rmtree(root, ignore_errors=True)


def restore(state: Path, home: Home, api: str = API, prediction: str = "p" * 26) -> None:
    """Make a home of what an earlier commit wrote.

    Args:
        state: the folder with `state.sql` and the logs.
        home: the home to fill.
        api: the API base of its jobs.
        prediction: the id of the running job's prediction.
    """
    home.create()
    text = (state / "state.sql").read_text("utf-8")
    for name, value in {
        "API": api, "SERVER": api.removesuffix("/v1"), "RUNNING": prediction,
        "HOME": str(home.root), "PROJECT": str(home.root / "project"), "HUB": f"{api}/hub",
    }.items():  # fmt: skip
        text = text.replace(f"{{{name}}}", value)
    with sqlite3.connect(home.database) as database:
        database.executescript(text)
    database.close()
    for log in (state / "logs").iterdir():
        shutil.copy(log, home.logs / log.name)


@pytest.mark.parametrize("state", STATES, ids=lambda path: path.name)
def test_a_state_of_an_earlier_commit_opens(state: Path, two_homes: tuple[Home, Home]) -> None:
    home = two_homes[0]
    restore(state, home)
    logs = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in home.logs.iterdir()}
    reader = StoreReader(home.database)
    with pytest.raises(StoreError, match=r"earlier simpletuner-tui\. Its jobs are all there"):
        reader.job_ids()  # none would be untrue
    StoreWriter(home).close()
    jobs = {job.job_id: job for job in reader.records()}
    assert {name: job.status for name, job in jobs.items()} == {
        DONE: JobStatus.COMPLETED, FAILED: JobStatus.FAILED, RUNNING: JobStatus.RUNNING
    }  # fmt: skip
    assert jobs[DONE].cost_micros
    assert [file.path.rpartition("/")[2] for file in reader.files(DONE)]
    assert list(reader.metrics(DONE, "loss")[0]) == list(range(1, 13))
    assert "out of memory" in jobs[FAILED].stage.lower()
    assert reader.events(RUNNING)
    if state.name != "state_0_1_0":  # which had no notes
        assert reader.annotation(DONE) == Annotation(
            ("face",), pinned=True, has_note=True, note="the best so far"
        )
    reader.close()
    with sqlite3.connect(home.database) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    database.close()
    assert logs == {
        path.name: hashlib.sha256(path.read_bytes()).digest() for path in home.logs.iterdir()
    }


async def test_a_job_that_ran_then_is_followed_to_its_end(
    two_homes: tuple[Home, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_texts, "_SOON", 0.0)
    earlier, now = two_homes
    async with running_world(earlier, tmp_path / "project") as world:
        for state in STATES:
            world.fault("stall=5")
            job = await world.until(await world.submit(), JobStatus.RUNNING)
            restore(state, now, world.sandbox.base_url, job.prediction_id)
            async with running_engine(now):
                client = ControlClient(now.socket, world.sandbox.base_url)
                await client.set_session({"replicate_token": world.sandbox.token})
                world.go_on(job.job_id)
                await eventually(lambda: status_of(now, RUNNING) is JobStatus.COMPLETED, within=30)
                assert status_of(now, DONE) is JobStatus.COMPLETED
                assert status_of(now, FAILED) is JobStatus.FAILED
                # The engine has made the texts of what ended before.
                await eventually(lambda: {DONE, FAILED} <= texts_in(now))
            shutil.rmtree(now.root)
        assert len(world.predictions) == len(STATES)


def status_of(home: Home, job_id: str) -> JobStatus:
    """The status of a job in the store."""
    with sqlite3.connect(home.database) as database:
        rows = database.execute("SELECT status FROM jobs WHERE job_id = ?", (job_id,)).fetchall()
    database.close()
    return JobStatus(rows[0][0])


def texts_in(home: Home) -> set[str]:
    """The jobs whose JSON text is in the store."""
    with sqlite3.connect(home.database) as database:
        rows = database.execute("SELECT job_id FROM job_texts").fetchall()
    database.close()
    return {row[0] for row in rows}
