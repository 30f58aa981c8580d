"""What a token service says when it gives no temporary keys."""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import ClientError

from tui.destinations.common.errors import Trouble
from tui.destinations.s3.profile import S3Profile
from tui.destinations.s3.session import _refusal


def test_a_prefix_that_does_not_fit_into_a_policy_says_what_to_shorten() -> None:
    error = ClientError({"Error": {"Code": "PackedPolicyTooLarge", "Message": "104%"}}, "Assume")
    profile = S3Profile(bucket="photos")
    problem = _refusal(error, profile, timedelta(hours=1))
    assert problem.kind is Trouble.NAME
    assert "The prefix in photos is too long" in problem.message
    assert "shorter prefix" in problem.advice
