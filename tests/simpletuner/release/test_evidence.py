"""What an ended job proves about its trainer, and what weighs more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tui.simpletuner.release.evidence import EndedJob, joined, said_of, traits_of
from tui.simpletuner.release.profile import profile_for
from tui.simpletuner.request.container import UPLOAD_ROOT

ZIP = {"id": "a", "type": "huggingface", "dataset_name": "imagefolder",
       "data_files": "https://x.example/a.zip"}  # fmt: skip
CONFIG = {"id": "a", "type": "huggingface", "dataset_name": "me/a", "dataset_config": "b"}
STAGED = {"id": "a", "type": "aws", "aws_data_prefix": "jobs/1/a/",
          "aws_session_token": "(the session token of that key)"}  # fmt: skip
PACKED = {"id": "a", "type": "local", "instance_data_dir": f"{UPLOAD_ROOT}/a"}
OLD_OPTION = json.dumps({"--enable_group_offload": True})


def job(
    *entries: dict[str, Any], step: int = 0, log: str = "", files: tuple[str, ...] = (),
    **inputs: Any,
) -> EndedJob:  # fmt: skip
    rows = {"dataloader_json": json.dumps(entries)} if entries else {}
    return EndedJob({**rows, **inputs}, step, failed=not step, log=log.encode(), files=files)


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (job(PACKED, step=1, images="u"), ("archive", "unpacks", "proved")),
        (job(step=3, images="u"), ("archive", "unpacks", "proved")),
        (job(images="u", log="Unsafe zip path detected"), ("archive", "ignored", "said")),
        (
            job(PACKED, images="u", log=f"directories do not exist: {UPLOAD_ROOT}/a"),
            ("archive", "ignored", "said"),
        ),
        (job(step=9, files=("r/pytorch_lora_weights.safetensors",)), ("final", True, "proved")),
        (job(ZIP, step=1), ("knows_data_files", True, "proved")),
        (
            job(ZIP, log="EmptyDatasetError: The directory doesn't contain any data files"),
            ("knows_data_files", False, "said"),
        ),
        (
            job(CONFIG, log="ValueError: Config name is missing. Please pick one among"),
            ("knows_dataset_config", False, "said"),
        ),
        (job(STAGED, step=1), ("aws_prefix_respected", True, "proved")),
        (
            job(STAGED, log="An error occurred (AccessDenied) when calling the ListObjectsV2"),
            ("aws_prefix_respected", False, "said"),
        ),
        (
            job(log="error: unrecognized arguments: --dynamo_wrapper=x --other"),
            ("options", "4.8.0", "said"),
        ),
        (
            job(log="error: unrecognized arguments: --enable_group_offload"),
            ("options", "4.10.1", "said"),
        ),
        (job(step=2, config_json=OLD_OPTION), ("options", "4.8.0", "proved")),
    ],
)
def test_a_job_shows_a_trait(ended: EndedJob, expected: tuple[str, Any, str]) -> None:
    assert [(one.trait, one.value, one.trust) for one in traits_of(ended)] == [expected]


@pytest.mark.parametrize(
    "ended",
    [
        job(PACKED, step=1),  # no archive was sent
        job(CONFIG, step=1, images="u"),  # the archive was not needed
        job(PACKED, images="u", log="CUDA out of memory"),
        job(ZIP, CONFIG, step=1),  # the other dataset may have been trained alone
        job({**ZIP, "dataset_name": "me/a"}, step=1),  # it has files of its own
        job(CONFIG, step=1),  # a repository may have a default
        job(CONFIG, log="doesn't contain any data files"),
        job({**STAGED, "aws_session_token": "another's"}, step=1),  # it may open the whole bucket
        job({**STAGED, "aws_session_token": None}, step=1),  # this machine's, or lasting keys
        job(STAGED, ZIP, step=1),
        job(STAGED, log="An error occurred (AccessDenied) when calling the PutObject operation"),
        job(step=1, files=("r/checkpoint-5/pytorch_lora_weights.safetensors",)),
        job(log="unrecognized arguments: --no_option_at_all"),
        job(step=4, log="unrecognized arguments: --dynamo_wrapper"),  # of a tool beside it
    ],
)
def test_what_has_another_reason_shows_nothing(ended: EndedJob) -> None:
    assert traits_of(ended) == []


def test_what_was_said_never_replaces_what_was_proved() -> None:
    proved = joined({}, traits_of(job(PACKED, step=1, images="u")))
    said = traits_of(job(images="u", log="Unsafe zip path detected"))
    assert joined(proved, said) == proved
    assert joined({"archive": "unpacks"}, said)["archive"] == "unpacks"  # of an earlier version
    ignored = joined({}, said)
    assert ignored["archive"] == "ignored"
    assert joined(ignored, traits_of(job(PACKED, step=1, images="u")))["archive"] == "unpacks"
    newer = traits_of(job(log="unrecognized arguments: --enable_group_offload"))
    older = traits_of(job(log="unrecognized arguments: --dynamo_wrapper"))
    assert joined(joined({}, older), newer)["options"] == "4.10.1"  # the newest of equal trust


def test_a_profile_has_what_was_shown_and_no_more() -> None:
    """One trait is not a release: whether a bucket's prefix is respected stays unknown."""
    profile = profile_for(None, joined({}, traits_of(job(ZIP, step=1))))
    assert (profile.name, profile.source) == ("unknown", "observed")
    assert "its own jobs showed more" in profile.title
    assert profile.knows_data_files is True
    assert (profile.knows_dataset_config, profile.aws_prefix_respected) == (None, None)
    staged = profile_for(None, joined({}, traits_of(job(STAGED, step=1))))
    assert (staged.aws_prefix_respected, staged.knows_data_files) == (True, None)
    options = traits_of(job(log="unrecognized arguments: --dynamo_wrapper"))
    assert profile_for(None, joined({}, options)).options == "4.8.0"
    assert said_of(joined({"archive": "unpacks"}, options)) == [
        "it unpacks archives", "it has the options of 4.8.0",
    ]  # fmt: skip
