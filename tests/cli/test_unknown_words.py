"""A command line that is wrong: what is named is the help that tells how it is right."""

from __future__ import annotations

import pytest

from tests.cli.grammar import commands
from tui.base.errors import ApiError
from tui.cli.failures import failed
from tui.cli.main import build_parser


def test_each_command_that_does_not_know_a_word_names_its_own_help() -> None:
    parser = build_parser()
    for name in commands():
        with pytest.raises(ApiError) as caught:
            parser.parse_args([name, "--no-such-option"])
        assert f"simpletuner-tui {name} " in caught.value.advice


@pytest.mark.parametrize(
    ("code", "named"), [("validation", "COMMAND --help"), ("engine_gone", "doctor")]
)
def test_a_script_is_sent_to_doctor_for_troubles_alone(code: str, named: str) -> None:
    assert f"simpletuner-tui {named}`" in str(failed({}, code, "No.")["advice"])
