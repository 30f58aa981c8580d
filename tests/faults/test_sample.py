"""A sample of the table of faults, and that its judges notice what they judge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.__main__ import command
from tests.faults import delivery, submit, table, webhooks
from tests.faults.__main__ import PARTS, TRIES
from tests.faults.table import Fault, Outcome, Part, run, text


async def test_a_sample_of_every_fault_loses_and_doubles_nothing() -> None:
    rows = await run([submit.PART], 1)
    rows += await run([delivery.PART, webhooks.PART], 16)
    assert sum(row.tries for row in rows) >= 300
    assert all(row.is_clean for row in rows), text(rows)


def test_the_whole_table_has_its_rows_and_tries() -> None:
    names = [f"{part.name}: {fault.name}" for part in PARTS for fault in part.faults]
    assert len(set(names)) == len(names) >= 40
    assert len(names) * TRIES >= 1_000
    assert command("release", ["faults"])[1:] == ["-m", "tests.faults"]


async def test_what_the_judges_find_is_counted(monkeypatch) -> None:
    monkeypatch.setattr(table, "_HUNG_SECONDS", 0.01)

    @asynccontextmanager
    async def nothing(_folder: Path) -> AsyncIterator[None]:
        yield

    async def found(_world: None, _dice: random.Random) -> Outcome:
        return Outcome(lost=True, doubled=True, said="words")

    async def hang(_world: None, _dice: random.Random) -> Outcome:
        await asyncio.Event().wait()
        return Outcome()

    rows = await run([Part("p", nothing, [Fault("found", found), Fault("hang", hang)])], 2)
    assert [(row.lost, row.doubled, row.hung, row.said) for row in rows] == [
        (2, 2, 0, "words"), (0, 0, 2, ""),
    ]  # fmt: skip
    assert not any(row.is_clean for row in rows)
    assert text(rows).splitlines()[-1].split() == ["all", "4", "2", "2", "2"]
