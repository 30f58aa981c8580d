"""No sentence says `1 files`: a count beside its noun is written by `plural`, or is never one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import tui

_NOUNS: Final = (
    "address(?:es)?|archive|batche?|branche?|bucket|byte|caption|change|chart|check|checkpoint|"
    "column|commit|config|connection|copie|day|destination|entrie|epoch|error|event|failure|file|"
    "folder|hit|hour|image|item|job|key|line|link|matche|minute|model|month|note|notice|object|"
    "option|parameter|part|picture|place|point|prompt|request|result|row|run|sample|second|setting|"
    "sheet|step|sweep|tag|tensor|time|token|transfer|trie|upload|value|version|video|warning|"
    "weight|word"
)
_COUNTED: Final = re.compile(rf" (?:more |other |of the )?(?:{_NOUNS})s\b(?!=)")
_LIMIT: Final = re.compile(r"\bat (?:most|least) $")
_NOT_OURS: Final = "sandbox"
"""Its trainer says what the real one says."""


_VERB_OF_MANY: Final = re.compile(
    r" (?:(?!can |may |will |would )[\w-]+ ){0,6}?"
    r"(?:are|begin|differ|do|get|go|have|lie|look|need|stand|stay|take|wait|were)\b"
)
_ANOTHER_SUBJECT: Final = {"stay": "Half-sent parts of so many transfers stay"}

_NEVER_ONE: Final = {
    "app/new_job/data_card.py: repeats + 1 times": "said where there are repeats",
    "cli/sweep_commands.py: count runs?": "a sweep has two runs or more",
    "destinations/common/safetensors_info.py: length bytes": "more than any file has",
    "engine/http_api/body.py: count places.": "more than are named one by one",
    "engine/http_api/catalog.py: _LOOK_BACK.days days.": "a constant",
    "engine/submission/moves.py: job.name runs": "a verb",
    "replicate/budget.py: self._failures times in a row": "counted to the limit before",
    "settings/listener_values.py: len(items) entries; ": "more than are possible",
    "simpletuner/datasets/scan_folder.py: suffix files": "not a count",
    "simpletuner/delivery_schedule/mends.py: rounded steps": "a multiple of what is more than one",
    "simpletuner/delivery_schedule/schedule.py: steps steps": "more than the interval",
    "simpletuner/staging/build.py: key links it": "a verb",
    "simpletuner/sweep.py: ": "more than are possible",
    "store/log_line.py: self.end - self.offset bytes": "longer than a line",
}


def bare_counts(source: str) -> Iterator[str]:
    """The counts of a module that stand before a plural whatever they are.

    One below a comparison with 1 or 2 is taken for minded, a constant for more than one, and a
    limit (`at most N`) for what nobody counts.
    """
    minded: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):
        if node in minded or (
            isinstance(node, ast.If | ast.IfExp | ast.BinOp) and _asks_for_one(node)
        ):
            minded.update(ast.iter_child_nodes(node))
        if not isinstance(node, ast.JoinedStr) or node in minded:
            continue
        before = ""
        for part, after in zip(node.values, [*node.values[1:], None], strict=True):
            if (
                isinstance(part, ast.FormattedValue)
                and isinstance(after, ast.Constant)
                and _COUNTED.match(str(after.value))
                and not _LIMIT.search(before)
                and not ast.unparse(part.value).rpartition(".")[2].isupper()
            ):
                yield f"{ast.unparse(part.value)}{str(after.value)[:30]}"
            before = str(part.value) if isinstance(part, ast.Constant) else ""


def verbs_of_many(source: str) -> Iterator[str]:
    """The words after a count and its noun that fit many alone: `1 file are here`."""
    minded: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.IfExp) and _asks_for_one(node):
            minded.add(node.orelse)
        if not isinstance(node, ast.JoinedStr) or node in minded:
            continue
        for part, after in pairwise(node.values):
            if (
                isinstance(part, ast.FormattedValue)
                and isinstance(part.value, ast.Call)
                and ast.unparse(part.value.func).endswith(("plural", "_count"))
                and isinstance(after, ast.Constant)
                and (found := _VERB_OF_MANY.match(str(after.value)))
            ):
                yield found[0].strip()


def _asks_for_one(node: ast.AST) -> bool:
    tests = [node.test] if isinstance(node, ast.If | ast.IfExp) else [node]
    return any(
        isinstance(side, ast.Constant) and side.value in (1, 2)
        for test in tests
        for compared in ast.walk(test)
        if isinstance(compared, ast.Compare)
        for side in (compared.left, *compared.comparators)
    )


def test_what_is_found() -> None:
    assert list(bare_counts('f"{count} files"')) == ["count files"]
    assert list(bare_counts('f"mean of {len(found):,} more jobs of it"')) == [
        "len(found) more jobs of it"
    ]
    for fine in (
        'f"{plural(count, \'file\')} here"', '"1 file" if count == 1 else f"{count} files"',
        'f"at most {most} bytes"', 'f"{self._MOST} files"', 'f"{name} runs=1"',
        'if len(rows) > 1:\n    say(f"{len(rows)} files")', 'f"{name} is here"',
    ):  # fmt: skip
        assert not list(bare_counts(fine)), fine


def test_no_verb_of_many_follows_a_count_that_may_be_one() -> None:
    assert list(verbs_of_many("f\"{plural(count, 'file')} of it are here\"")) == ["of it are"]
    for fine in (
        'f"{plural(count, \'file is\', \'files are\')} here"',
        'f"{plural(count, \'file\')} would go"',
        '"it stays" if count == 1 else f"{plural(count, \'file\')} stay"',
    ):  # fmt: skip
        assert not list(verbs_of_many(fine)), fine
    found = {
        f"{path.name}: {words}"
        for path in Path(tui.__file__).parent.rglob("*.py")
        for words in verbs_of_many(path.read_text("utf-8"))
        if words not in _ANOTHER_SUBJECT
    }
    assert not found


def test_no_count_stands_before_a_plural_that_may_be_one() -> None:
    root = Path(tui.__file__).parent
    found = {
        f"{path.relative_to(root)}: {words}"
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] != _NOT_OURS
        if re.search(rf"\}}{_COUNTED.pattern}", source := path.read_text("utf-8"))
        for words in bare_counts(source)
    }
    assert not [line for line in found if not line.startswith(tuple(_NEVER_ONE))]
    assert not [words for words in _NEVER_ONE if not any(one.startswith(words) for one in found)]
