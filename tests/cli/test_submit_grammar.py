"""`submit`: what is typed becomes the draft of a job."""

from __future__ import annotations

import pytest

from tui.api.submission import Draft
from tui.cli.main import build_parser
from tui.cli.submit_commands import draft_of


def draft(*arguments: str) -> Draft:
    return draft_of(build_parser().parse_args(["submit", "cat-lora", *arguments]))


def test_options_that_are_not_given_are_not_in_the_draft() -> None:
    assert not {"cost_ceiling_micros", "accept_delivery", "cancel_after"} & draft().keys()


@pytest.mark.parametrize(
    ("text", "micros"), [("5", 5_000_000), ("$1,250.50", 1_250_500_000), ("0.000001", 1)]
)
def test_a_ceiling_is_an_amount_of_dollars(text: str, micros: int) -> None:
    assert draft("--cost-ceiling", text)["cost_ceiling_micros"] == micros


@pytest.mark.parametrize("text", ["", "0", "-1", "1e309", "NaN", "1,5", "five", "2000000"])
def test_an_invalid_amount_is_refused_at_its_option(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        draft(f"--cost-ceiling={text}")
    assert caught.value.code == 2
    assert "--cost-ceiling" in capsys.readouterr().err


def test_a_failed_delivery_can_be_accepted() -> None:
    assert draft("--accept-delivery")["accept_delivery"] is True
    assert draft("--accept-data")["accept_data"] is True
    assert draft("--fix-delivery")["fix_delivery"] is True
    assert draft("--trainer-release", "4.8.0")["trainer_release"] == "4.8.0"


@pytest.mark.parametrize(
    ("text", "way", "place"),
    [
        ("staged", "staged", None),
        ("staged:hub", "staged", "hub"),
        ("staged:here", "staged", "here"),
        ("staged:mine", "staged", "bucket:mine"),
        ("upload", "upload", None),
    ],
)
def test_the_way_of_the_data_names_the_place_to_stage_to(
    text: str, way: str, place: str | None
) -> None:
    made = draft("--data", text)
    assert made.get("data") == way
    assert made.get("staging") == place


@pytest.mark.parametrize("text", ["staged:", "upload:hub", "stage", ":hub"])
def test_another_way_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        draft("--data", text)
    assert "staged[:hub|:here|:DESTINATION]" in capsys.readouterr().err
