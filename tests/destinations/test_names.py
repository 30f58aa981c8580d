"""No name of a published file leads out of its folder, with the exact cases."""

from __future__ import annotations

import pytest

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.common.meter import check_name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/a",
        "a/",
        "a//b",
        "a/./b",
        "a/..",
        "../a",
        "a/../b",
        "a\\b",
        "a\nb",
        "\udcff",
    ],
)
def test_a_name_that_leads_elsewhere_or_disturbs_is_refused(name: str) -> None:
    with pytest.raises(PublishError) as raised:
        check_name(name)
    assert raised.value.kind is Trouble.NAME


@pytest.mark.parametrize("name", ["a", "a/b", "...", "a/..b", "a..", "ä b", ".git"])
def test_another_name_is_taken(name: str) -> None:
    check_name(name)
