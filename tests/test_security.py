"""The threat model of SECURITY.md: each test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHO = (
    "the model on Replicate", "its author", "another user of this machine", "a tunnel's passers-by",
    "a web page in the user's browser", "a far storage", "whoever holds an API key",
)  # fmt: skip


def rows() -> list[list[str]]:
    """The cells of the threat model, without its header."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    table = text.partition("## Threat model")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_row_of_the_threat_model_names_tests_that_exist() -> None:
    found = rows()
    assert len(found) > 10
    for row in found:
        assert len(row) == 4
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
        assert named, row
        assert len(named) == row[3].count("`") // 2
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert name in {node.name for node in tree.body if isinstance(node, functions)}, name


def test_the_threat_model_covers_everybody() -> None:
    who = " ".join(row[0] for row in rows())
    assert [one for one in WHO if one not in who] == []
