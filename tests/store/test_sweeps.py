"""Sweeps and their members in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.store.job_records import T0, done, job
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.schema import DuplicateError
from tui.store.sweep_standing import best_of
from tui.store.sweeps import MemberRecord, SweepRecord
from tui.store.writer import StoreWriter

SWEEP = SweepRecord("cats", "http://a/v1", "running", "", "", 2, T0, T0)


def test_members_go_with_their_jobs_and_a_sweep_with_its_last_member(tmp_path: Path) -> None:
    home = Home(tmp_path / "state", tmp_path / "outputs")
    writer = StoreWriter(home)
    members = [
        MemberRecord(name, "cats", at, None, {"lora_rank": str(16 * (at + 1))})
        for at, name in enumerate("ab")
    ]
    with writer.batch():
        for name in "ab":
            writer.insert(replace(done(name, 100), prediction_id=""))
        writer.sweeps.insert(SWEEP, members)
    with pytest.raises(DuplicateError):
        _insert_twice(writer)
    reader = StoreReader(home.database)
    assert reader.job("c") is None  # all of it or nothing
    assert reader.sweeps() == writer.sweeps.all() == [SWEEP]
    assert reader.sweep_members() == reader.sweep_members("cats") == members

    later = T0 + timedelta(minutes=1)
    writer.sweeps.release("a", later)
    assert (writer.sweeps.holds("a"), writer.sweeps.holds("b")) == (False, True)
    assert reader.sweep_members("cats")[0] == replace(members[0], released_at=later)
    writer.sweeps.set_state("cats", "paused", "two failed", "go on")
    assert reader.sweeps() == [replace(SWEEP, state="paused", reason="two failed", advice="go on")]
    writer.sweeps.set_state("cats", "running", resumed_at=later)
    assert reader.sweeps() == [replace(SWEEP, resumed_at=later)]

    writer.delete("a")
    assert [one.job_id for one in reader.sweep_members("cats")] == ["b"]
    writer.delete("b")
    assert (reader.sweeps(), writer.sweeps.members()) == ([], [])
    reader.close()
    writer.close()


def test_a_run_whose_loss_is_no_number_any_more_is_never_the_best(tmp_path: Path) -> None:
    home = Home(tmp_path / "state", tmp_path / "outputs")
    writer = StoreWriter(home)
    writer.insert(done("fine", 100, loss=0.2, loss_best=0.19))
    other = {"not_finite": [{"name": "grad_norm", "step": 9, "text": "nan"}]}
    writer.insert(done("early", 100, loss=0.1, loss_best=0.1, submit=other))
    nan = {"not_finite": [{"name": "loss", "step": 9, "text": "nan"}]}
    writer.insert(done("gone", 100, loss=None, loss_best=0.05, submit=nan))
    writer.close()
    reader = StoreReader(home.database)
    rows = reader.rows(["fine", "early", "gone"])
    reader.close()
    assert best_of([rows["fine"], rows["gone"], rows["early"]]) == "early"
    assert best_of([rows["gone"], rows["fine"]]) == "fine"
    assert best_of([rows["gone"]]) is None


def _insert_twice(writer: StoreWriter) -> None:
    with writer.batch():
        writer.insert(job("c", prediction_id=""))
        writer.sweeps.insert(SWEEP, [])
