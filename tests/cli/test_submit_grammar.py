"""`submit`: what is typed becomes the draft of a job."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.world import job
from tui.api.jobs import DeliveredState
from tui.api.submission import Draft
from tui.base.errors import ApiError
from tui.base.job_status import UNDELIVERED, JobStatus
from tui.cli import exit_codes
from tui.cli.main import build_parser
from tui.cli.submit_commands import background_words, delivery_status, draft_of
from tui.store.submit_state import SubmitState


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
def test_an_invalid_amount_is_refused_at_its_option(text: str) -> None:
    with pytest.raises(ApiError, match="--cost-ceiling") as caught:
        draft(f"--cost-ceiling={text}")
    assert caught.value.code == "validation"


def test_a_failed_delivery_can_be_accepted() -> None:
    assert draft("--accept-delivery")["accept_delivery"] is True
    assert draft("--accept-data")["accept_data"] is True
    assert draft("--fix-delivery")["fix_delivery"] is True
    assert draft("--trainer-release", "4.8.0")["trainer_release"] == "4.8.0"


def test_an_option_of_the_config_can_be_left_out() -> None:
    assert draft("--unset=--lora-rnak", "--unset", "seed")["unset"] == ["lora_rnak", "seed"]


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
def test_another_way_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match=re.escape("staged[:hub|:here|:DESTINATION]")):
        draft("--data", text)


def found(state: Any, words: str) -> DeliveredState:
    return {
        "state": state, "words": words, "advice": "", "revision": "", "files": 0,
        "at": "2026-08-01T12:00:00+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("delivered", "status", "words"),
    [
        (found("yes", ""), exit_codes.FINE, ""),
        (found("partly", "2 of 3 files"), exit_codes.FAILED, "2 of 3 files"),
        (found("no", "nothing came"), exit_codes.FAILED, "nothing came"),
        (found("unknown", "the Hub is down"), exit_codes.FAILED, "the Hub is down"),
        (found("unverified", "no list"), exit_codes.UNVERIFIED, "no list"),
        (None, exit_codes.FAILED, "could not be checked"),
    ],
)
def test_a_job_that_was_waited_for_is_fine_only_when_its_delivery_is_proved(
    delivered: DeliveredState | None, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = replace(
        job(1, JobStatus.COMPLETED),
        stage="" if status == exit_codes.FINE else f"{UNDELIVERED}not known yet",
        submit={} if delivered is None else {"delivered": delivered},
    )
    assert delivery_status(ended) == status
    assert words in capsys.readouterr().err


def test_a_job_without_delivery_is_fine_and_says_that_nothing_was_to_arrive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = replace(job(1, JobStatus.COMPLETED), delivery="none", stage="", submit={})
    assert delivery_status(ended) == exit_codes.FINE
    assert "no delivery" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("submit", "work"),
    [({"pack": True}, "packed and sent"), ({"staging": {"place": "hub"}}, "staged")],
)
def test_what_goes_on_in_the_background_ends_in_the_record_of_the_job(
    submit: SubmitState, work: str
) -> None:
    made = replace(job(1, JobStatus.PENDING), submit=submit)
    words = background_words(made)
    assert f"{work} in the background" in words
    assert f"simpletuner-tui job {made.job_id}" in words
    assert "logs" in background_words(replace(made, submit={}))


README = (Path(__file__).parents[2] / "README.md").read_text()
_NOT_OURS = {"--url"}
"""Options in that section of other programs."""


def test_the_readme_names_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    section = README.split("## How images get there, and results back")[1].split("\n## ")[0]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section)) - _NOT_OURS
    with pytest.raises(SystemExit):
        draft("--help")
    offered = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    assert named <= offered
    assert {"--trainer-release", "--accept-data", "--leave-out-uncaptioned"} <= named
    releases = re.findall(r"`--trainer-release ([^`]+)`", section)[0].split("|")
    assert [draft("--trainer-release", name)["trainer_release"] for name in releases] == releases
    ways = re.findall(r"`--data ([a-z]+(?::[A-Za-z]+)?)`", section)
    assert [draft("--data", way)["data"] for way in ways] == [
        "staged", "staged", "staged", "upload"
    ]  # fmt: skip
