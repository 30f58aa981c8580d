"""`tag`: what is typed after the job is added or taken away, whatever it looks like."""

from __future__ import annotations

import pytest

from tui.base.errors import ApiError
from tui.cli.main import build_parser


@pytest.mark.parametrize(
    ("words", "add", "remove", "as_json"),
    [
        ([], [], [], False),
        (["+x", "y", "-z"], ["+x", "y"], ["z"], False),
        (["-h", "--json"], [], ["h"], True),
        (["--", "-a", "+b"], ["+b"], ["a"], False),
    ],
)
def test_tags_are_sorted_by_their_sign(
    words: list[str], add: list[str], remove: list[str], as_json: bool
) -> None:
    options = build_parser().parse_args(["tag", "abc", *words])
    found = (options.id, options.add_tags, options.remove_tags, options.json)
    assert found == ("abc", add, remove, as_json)


def test_json_before_the_job_is_kept_and_an_unknown_option_refused() -> None:
    options = build_parser().parse_args(["tag", "--json", "abc", "-x"])
    assert (options.json, options.remove_tags) == (True, ["x"])
    with pytest.raises(ApiError, match="--jsn"):
        build_parser().parse_args(["tag", "abc", "--jsn"])
