"""No sentence that the app draws names an option of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tui
from tests.app.new_job.check_answer import answer
from tui.app.cloud.text import problem, step_lines
from tui.app.keys import choices
from tui.app.keys.choices import _PHRASES, OPTION, in_app
from tui.app.new_job.check_text import dry_run_entries, problem_entries
from tui.app.new_job.data_card import data_entries
from tui.app.new_job.form import set_field
from tui.app.new_job.options import judge
from tui.app.new_job.sweep_plan import plan_entries
from tui.app.publishing import pages
from tui.base.errors import ApiError

if TYPE_CHECKING:
    from tui.api.sweeps import SweepPlan

_COMMAND = re.compile(
    r"(?:simpletuner-tui|HOW_TO_MAKE_ONE|PROGRAM|cloudflared|systemctl|gnome-keyring-daemon)\b[^.;]*"
)
"""What is there to be copied into a shell."""
_ELSEWHERE = ("cli", "sandbox")
"""Folders whose sentences are printed by a command."""


def _sentences() -> Iterator[str]:
    """Every text with a space in it that the program may show; what is filled in by its name."""
    root = Path(tui.__file__).parent
    for file in sorted(root.rglob("*.py")):
        if file.relative_to(root).parts[0] in _ELSEWHERE or file.samefile(choices.__file__):
            continue
        source = file.read_text(encoding="utf-8")
        if not re.search("--[a-z]", source):
            continue
        tree = ast.parse(source)
        loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inside = {
            id(part)
            for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
            for part in node.values
        }  # fmt: skip
        for node in ast.walk(tree):
            text = ""
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant)
                    else getattr(cast("ast.FormattedValue", part).value, "id", "X")
                    for part in node.values
                )  # fmt: skip
            elif isinstance(node, ast.Constant) and id(node) not in loose | inside:
                text = str(node.value)
            if " " in text.strip() and "\r\n" not in text:  # no part of a request's body
                yield text


def test_every_choice_has_words_of_the_app() -> None:
    sentences = [text for text in _sentences() if OPTION.search(text)]
    left = [text for text in sentences if OPTION.search(_COMMAND.sub("", in_app(text)))]
    assert left == []
    unused = [phrase.pattern for phrase, _ in _PHRASES if not any(map(phrase.search, sentences))]
    assert unused == []


def test_all_that_draws_a_sentence_draws_it_in_the_words_of_the_app() -> None:
    said = "Publish it again (--overwrite)."
    found = answer(ok=False)
    found["checks"][0] |= {"message": said, "advice": said}
    found["datasets"][0]["problems"] = [{"message": said.rstrip("."), "advice": said}]
    finding = found["checks"][0]
    member: dict[str, Any] = {
        "name": "a", "ok": False, "checks": [finding], "changes": {}, "seconds": 0, "micros": 0
    }  # fmt: skip
    plan: dict[str, Any] = {
        "members": [member], "micros": 0, "low_micros": 0, "high_micros": 0, "at_once": 1,
        "cost": {"message": "$2"}, "leaves": [], "problem": finding, "free": False,
    }  # fmt: skip
    drawn = [
        *(line.text for line in dry_run_entries(found, 90)),
        *(line.text for line in problem_entries(ApiError(said, said), 90)),
        *(line.text for line in data_entries(found, 90)),
        *(line.text for line in plan_entries(cast("SweepPlan", plan), 90)),
        *(line.text for line in pages.test_page({"steps": [finding]})),
        *("".join(text for text, _ in words) for words in step_lines(finding, 90)),
        *("".join(text for text, _ in words) for words in problem(said, said, 90)),
        set_field({}, "lora_rank", "8,16"),
        judge("lora_rank", "8,16", None)[1],
    ]
    told = [text for text in drawn if "ublish it again" in text or "several are a sweep" in text]
    assert len(told) == 17
    assert [text for text in told if "--" in text] == []
