"""The key of a job whose prediction is not known yet speaks for that job alone."""

from __future__ import annotations

import pytest

from tests.listener.hooks import NATIVE, Hooks
from tui.listener.webhooks import WebhookJob

BODY = {"type": "training.status", "job_id": "job-1", "status": "running", "logs": "x"}


@pytest.fixture
def unposted(hooks: Hooks) -> Hooks:
    hooks.receiver._jobs.jobs["key-2"] = WebhookJob("job-2", frozenset())  # type: ignore[union-attr]
    return hooks


async def test_a_simpletuner_body_of_another_job_is_refused(unposted: Hooks) -> None:
    answer = await unposted.post(BODY, query="?key=key-2")
    assert (answer.status_code, unposted.reason) == (403, "other_job")


async def test_a_signed_native_body_is_accepted_before_the_prediction_is_known(
    unposted: Hooks,
) -> None:
    assert (await unposted.send(NATIVE, "?key=key-2")).status_code == 200


async def test_two_keys_and_a_key_that_is_too_long_are_refused(unposted: Hooks) -> None:
    for query in ("?key=key-1&key=key-1", f"?key={'k' * 257}"):
        assert (await unposted.send(NATIVE, query)).status_code == 403
        assert unposted.reason == "job_key"
