"""The lists of the mutation run name what exists; a mutant replaces its module and no file."""

from __future__ import annotations

import sys
import tomllib
from types import ModuleType

import pytest

from tests.__main__ import command
from tests.mutation.__main__ import (
    HERE,
    LEAST_SCORE,
    Row,
    equivalents,
    guards,
    modules,
    score,
    text,
)
from tests.mutation.mutant import Mutant
from tests.mutation.runner import ROOT
from tests.mutation.swap import first_difference, statement, swap


def exists(test: str) -> bool:
    """Whether there is a test of this path, or `path::function`."""
    path, _, function = test.partition("::")
    if function:
        return f"def {function}(" in (ROOT / path).read_text()
    return (ROOT / path).exists()


def test_every_module_and_test_of_the_list_exists() -> None:
    listed = modules()
    assert len(listed) >= 24
    for path, tests in listed.items():
        assert (ROOT / path).is_file(), path
        assert tests
        assert all(map(exists, tests)), path


def test_every_equivalent_mutant_is_one_of_a_line_that_exists_and_has_a_reason() -> None:
    for (path, before, after), reason in equivalents().items():
        assert path in modules()
        lines = " ".join(line.strip() for line in (ROOT / path).read_text().splitlines())
        assert before in lines, f"{path}: {before}"
        assert after != before
        assert len(reason) > 10


def test_every_guard_of_the_list_stands_in_its_module() -> None:
    tests, faults = guards(())
    assert sum(map(len, faults.values())) >= 50
    for path, beside in tests.items():
        assert beside
        assert all(map(exists, beside)), path
        for one in faults[path]:
            compile(one.source, path, "exec")


SOURCE = """
LIMIT = 5
def outer(value, least=1):
    def inner():
        return value > LIMIT
    return inner()
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("mutated_module")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(SOURCE, "mutated_module.py", "exec"), vars(made))
    return made


def test_a_mutant_takes_the_place_of_a_function_that_others_hold_already(
    module: ModuleType,
) -> None:
    held = module.outer
    assert not held(5)
    assert swap("mutated_module", SOURCE, SOURCE.replace("value > LIMIT", "value >= LIMIT"))
    assert held(5)


@pytest.mark.parametrize(
    ("before", "after"), [("LIMIT = 5", "LIMIT = True"), ("least=1", "least=2"), ("", "")]
)
def test_what_runs_at_import_is_not_swapped(module: ModuleType, before: str, after: str) -> None:
    assert not swap("mutated_module", SOURCE, SOURCE.replace(before, after) if before else SOURCE)
    assert not module.outer(5)


def test_the_tests_that_reach_the_changed_statement_are_found_by_its_lines() -> None:
    source = "if (\n    a\n    and b\n):\n    pass\nelse:\n    c = [\n        1,\n    ]\n"
    assert first_difference(source, source.replace("and", "or")) == 3
    assert [list(statement(source, line)) for line in (3, 5, 8)] == [[1, 2, 3, 4], [5], [7, 8, 9]]


def test_the_figures_that_are_kept_are_of_listed_modules_and_reach_the_least_score() -> None:
    kept = tomllib.loads((HERE / "scores.toml").read_text())
    assert kept.keys() <= modules().keys()
    for path, row in kept.items():
        assert row["sampled"] == row["killed"] + row["survived"] + row["equivalent"], path
    killed, survived = (sum(row[name] for row in kept.values()) for name in ("killed", "survived"))
    assert killed / (killed + survived) >= LEAST_SCORE


def test_the_score_leaves_equivalent_mutants_out() -> None:
    survivor = Mutant("a.py", "", "f", "a < b", "a <= b")
    rows = [Row("a.py", killed=3, survivors=[survivor], equivalent=5)]
    assert score(rows) == 0.75
    assert "+ a <= b" in text(rows)
    assert text(rows).splitlines()[1].split() == ["a.py", "9", "3", "1", "5"]
    assert command("release", ["mutants", "x"])[1:] == ["-m", "tests.mutation", "x"]
