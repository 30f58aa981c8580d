"""A sample of the table of faults, and that its judges notice what they judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.__main__ import command
from tests.faults import crashes, delivery, following, submit, table, transfers, webhooks
from tests.faults.__main__ import TRIES
from tests.faults.parts import PARTS
from tests.faults.table import Fault, Outcome, Part, run, text


async def test_a_sample_of_every_fault_loses_and_doubles_nothing() -> None:
    rows = await run([submit.PART, following.PART, crashes.KILLED], 1)
    rows += await run([transfers.UPLOADS, transfers.DOWNLOADS], 2)
    rows += await run([delivery.PART, webhooks.PART], 13)
    assert sum(row.tries for row in rows) >= 300
    assert all(row.is_clean and row.said for row in rows), text(rows)


@pytest.mark.skipif(not crashes.may_mount(), reason="no file system can be mounted here")
async def test_a_file_system_that_is_full_loses_and_doubles_nothing() -> None:
    rows = await run([crashes.FULL], 2)
    assert all(row.is_clean for row in rows), text(rows)
    assert any("full" in row.said or "space" in row.said for row in rows), text(rows)


def test_the_whole_table_has_its_rows_and_tries() -> None:
    names = [f"{part.name}: {fault.name}" for part in PARTS for fault in part.faults]
    assert len(set(names)) == len(names) >= 40
    assert len(names) * TRIES >= 1_000
    kinds = ("submit", "following", "upload", "download", "delivery", "webhook", "kill", "disk")
    assert all(any(name.startswith(kind) for name in names) for kind in kinds)
    assert command("release", ["faults"])[1:] == ["-m", "tests.faults"]


async def test_what_the_judges_find_is_counted_and_what_hangs_ends_nothing(monkeypatch) -> None:
    monkeypatch.setattr(table, "_HUNG_SECONDS", 0.05)
    # A busy machine may end a try late: that is not a loop that is blocked.
    monkeypatch.setattr(table, "_BLOCKED_FACTOR", 40)
    opened: list[Path] = []

    @asynccontextmanager
    async def nothing(folder: Path) -> AsyncIterator[None]:
        opened.append(folder)
        yield
        if len(opened) == 2:
            await asyncio.Event().wait()  # a world whose try hung may hang as well

    async def found(_world: None, _dice: random.Random) -> Outcome:
        return Outcome(lost=True, doubled=True, said="words")

    async def hang(_world: None, _dice: random.Random) -> Outcome:
        await asyncio.Event().wait()
        return Outcome()

    async def block(_world: None, _dice: random.Random) -> Outcome:
        time.sleep(60)
        return Outcome()

    async def give_up(_world: None, _dice: random.Random) -> Outcome:
        raise AssertionError("still not true")

    faults = [Fault("found", found), Fault("hang", hang), Fault("block", block)]
    rows = await run([Part("p", nothing, [*faults, Fault("give up", give_up, most=1)])], 2)
    assert [(row.tries, row.lost, row.doubled, row.hung, row.said) for row in rows] == [
        (2, 2, 2, 0, "words"), (2, 0, 0, 2, "TimeoutError"),
        (2, 0, 0, 2, "BlockedError: the loop is blocked"),
        (1, 0, 0, 1, "AssertionError: still not true"),
    ]  # fmt: skip
    assert len(set(opened)) == 5
    assert not any(row.is_clean for row in rows)
    assert text(rows).splitlines()[-1].split() == ["all", "7", "2", "2", "5"]
