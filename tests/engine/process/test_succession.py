"""An engine of an older version gives way when nothing is under way; jobs and transfers go on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.engine.tracking.engine_process import engine_process
from tests.support import eventually
from tui import __version__
from tui.base.job_status import JobStatus
from tui.client.engine_process import attach, engine_environment
from tui.settings import HOME_VARIABLE, Home, load_settings


async def test_a_running_job_goes_on_and_a_transfer_is_waited_for(
    home: Home, tmp_path: Path
) -> None:
    async with engine_process(home, tmp_path, "stall=100") as world:
        short = await world.submit(12, "short")
        assert (await world.ended(short)).status is JobStatus.COMPLETED
        files = await eventually(lambda: world.reader.files(short), within=30)
        away = tmp_path / "away"
        calls = world.client.publishing
        await calls.add_destination(name="away", kind="folder", path=str(away))
        assert await world.end(signal.SIGTERM) == 0
        world.engine = None

        environ = engine_environment(world.environ) | {HOME_VARIABLE: str(home.root)}
        command = [sys.executable, "-m", "tests.client.older_engine", str(home.root)]
        older = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE)
        newer = 0
        try:
            assert older.stdout is not None
            assert await asyncio.to_thread(older.stdout.readline) == b"ready\n"
            older.stdout.close()
            settings = load_settings(home, world.environ)
            client = await attach(home, settings, world.environ)
            assert client.engine_version == "0.0.1"
            long = await world.submit(200, "long")
            await eventually(lambda: (world.job(long).step or 0) > 50, within=30)
            await calls.limit("1 KiB/s")
            row = await calls.publish(short, "away")
            await eventually(lambda: any(away.rglob("*")), within=30)
            answer = await client.ask_to_give_way()
            assert not answer["gives_way"]
            assert answer["waits_for"] == f"transfer {row['transfer_id']}"
            await calls.limit("0")

            async def gives_way() -> bool:
                return (await client.ask_to_give_way())["gives_way"]

            await eventually(gives_way, within=30)
            client = await attach(home, settings, world.environ)
            assert client.engine_version == __version__
            assert await asyncio.to_thread(older.wait) == 0
            newer = (await client.info())["pid"]
            (row,) = await calls.transfers()
            assert row["state"] == "done", row
            assert len([path for path in away.rglob("*") if path.is_file()]) >= len(files)
            world.go_on(long)
            world.check_whole(await world.ended(long), 200)
        finally:
            older.kill()
            older.wait()
            if newer:
                os.kill(newer, signal.SIGTERM)
