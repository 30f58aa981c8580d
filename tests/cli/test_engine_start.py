"""Starting the engine looks for no garbage: its imports leave little among their many objects."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tui.cli.main import run


@pytest.mark.parametrize(
    ("command", "module", "function"),
    [("engine --agent", "main", "run_engine"), ("serve", "serve", "serve")],
)
def test_garbage_is_looked_for_after_the_imports_alone(
    command: str, module: str, function: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting: list[bool] = []

    class Imported(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name != function:
                raise AttributeError(name)
            collecting.append(gc.isenabled())  # while it is imported

            def runs(*_: Any, **__: Any) -> int:
                collecting.append(gc.isenabled())
                return 0

            return runs

    name = f"tui.engine.process.{module}"
    monkeypatch.setitem(sys.modules, name, Imported(name))
    assert run(command.split()) == 0
    assert collecting == [False, True], home
