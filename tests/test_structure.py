"""The structure of the program: no import cycles, few modules at the top of its large folders."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.structure import (
    MOST_FLAT_MODULES,
    MOST_UNTYPED,
    ROOT,
    UNTYPED,
    count,
    flat_modules,
    import_cycles,
    import_graph,
    imports_between_tests,
    stray_api_paths,
)


def test_no_modules_import_each_other_in_a_cycle() -> None:
    assert import_cycles(import_graph()) == []


def test_a_cycle_is_found_where_one_is_made() -> None:
    graph = import_graph()
    imported = min(graph.find_modules_directly_imported_by("tui.cli.main"))
    graph.add_import(importer=imported, imported="tui.cli.main")
    assert any({imported, "tui.cli.main"} <= set(group) for group in import_cycles(graph))


@pytest.mark.parametrize("folder", ["engine", "app"])
def test_large_folders_are_divided_into_folders(folder: str) -> None:
    assert len(flat_modules(folder)) <= MOST_FLAT_MODULES, flat_modules(folder)


def test_no_contract_holds_only_because_indirect_imports_are_allowed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    assert contracts
    assert [item["name"] for item in contracts if item.get("allow_indirect_imports")] == []


def test_objects_of_which_no_type_tells_the_fields_only_become_fewer() -> None:
    assert count(UNTYPED) <= MOST_UNTYPED, "give the new one a TypedDict, or make it a JsonObject"


def test_paths_of_the_api_are_spelt_by_its_own_folders_alone() -> None:
    assert stray_api_paths() == []


def test_no_test_takes_its_helpers_from_another_test() -> None:
    assert imports_between_tests() == {}, "move what they share into a module that is no test"


def test_an_import_from_a_test_is_found(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("from tests.engine.test_b import helper\n")
    (tmp_path / "steps.py").write_text("from tests.engine.steps import helper\n")
    assert imports_between_tests(tmp_path) == {"tests.engine.test_b": {"test_a.py"}}
