"""The lists of the mutation run name what exists; a mutant replaces its module and no file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.__main__ import command
from tests.mutation.__main__ import Row, equivalents, modules, score, text
from tests.mutation.mutant import Mutant
from tests.mutation.trial import ROOT, Trial, _Finder, module_name


def test_every_module_and_test_of_the_list_exists() -> None:
    listed = modules()
    assert len(listed) >= 24
    for path, tests in listed.items():
        assert (ROOT / path).is_file(), path
        assert tests
        assert all((ROOT / test).exists() for test in tests), path


def test_every_equivalent_mutant_is_one_of_a_line_that_exists_and_has_a_reason() -> None:
    for (path, before, after), reason in equivalents().items():
        assert path in modules()
        lines = " ".join(line.strip() for line in (ROOT / path).read_text().splitlines())
        assert before in lines, f"{path}: {before}"
        assert after != before
        assert len(reason) > 10


def test_a_mutant_replaces_its_module_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mutated_module.py"
    file.write_text("LIMIT = 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [_Finder("mutated_module", "LIMIT = 6"), *sys.meta_path])
    assert importlib.import_module("mutated_module").LIMIT == 6
    del sys.modules["mutated_module"]
    assert file.read_text() == "LIMIT = 5\n"
    assert module_name("tui/base/money.py") == "tui.base.money"


def test_a_run_that_hangs_is_ended_after_a_few_times_what_it_takes_without_a_fault() -> None:
    assert Trial("a.py", "", [], took=1.0).limit == 20
    assert Trial("a.py", "", [], took=30.0).limit == 90


def test_the_score_leaves_equivalent_mutants_out() -> None:
    survivor = Mutant("a.py", "", "f", "a < b", "a <= b")
    rows = [Row("a.py", killed=3, survivors=[survivor], equivalent=5)]
    assert score(rows) == 0.75
    assert "+ a <= b" in text(rows)
    assert text(rows).splitlines()[1].split() == ["a.py", "9", "3", "1", "5"]
    assert command("release", ["mutants", "x"])[1:] == ["-m", "tests.mutation", "x"]
