"""Words that a command does not know: the command's own help is named."""

from __future__ import annotations

import pytest

from tests.cli.grammar import commands
from tui.base.errors import ApiError
from tui.cli.main import build_parser


def test_each_command_that_does_not_know_a_word_names_its_own_help() -> None:
    parser = build_parser()
    for name in commands():
        with pytest.raises(ApiError) as caught:
            parser.parse_args([name, "--no-such-option"])
        assert f"simpletuner-tui {name} " in caught.value.advice
