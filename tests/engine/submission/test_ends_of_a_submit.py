"""How each failure of a step ends a submit: what it costs, what is said, and what goes on."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tui.engine.credentials.replicate_clients import MissingTokenError
from tui.engine.submission import submit
from tui.engine.submission.post_once import CancelledWhilePostingError, UnknownOutcomeError
from tui.engine.submission.submit import Submitter
from tui.replicate.errors import InvalidInputError, ReplicateError
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import CancelledByUser, SimpleTunerError
from tui.store.schema import DuplicateError, StoreError


class Failing(Submitter):
    """A submitter whose steps fail; keeps what it would end the job with."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.ends: list[Any] = []
        self._recorder: Any = SimpleNamespace(note=self._note)
        self._bus: Any = SimpleNamespace(publish=self._publish)

    def _note(self, job_id: str, source: str, kind: str, message: str, **values: object) -> None:
        self.ends.append((kind, message, values))

    def _publish(self, kind: str, **values: object) -> None:
        self.ends.append((kind, values["message"]))

    async def _steps(self, job_id: str, report: DataReport | None) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def _fail(
        self,
        job_id: str,
        message: str,
        advice: str,
        refused: Mapping[str, str] | None = None,
        *,
        lost: bool = False,
    ) -> None:
        self.ends.append((message, refused, lost))

    def _end_cancelled(self, job_id: str) -> None:
        self.ends.append("cancelled")


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ReplicateError("no"), ("no", None, False)),
        (UnknownOutcomeError("who knows"), ("who knows", None, True)),
        (DuplicateError("two", ""), ("two", None, True)),
        (SimpleTunerError("bad", "better"), ("bad", None, False)),
        (OSError(errno.ENOSPC, "full"), ("The dataset could not be packed: full.", None, False)),
        (OSError("odd"), ("The dataset could not be packed: odd.", None, False)),
        (InvalidInputError("these"), ("these", {}, False)),
        (CancelledWhilePostingError(), "cancelled"),
    ],
)
async def test_a_failure_ends_a_submit_in_its_own_way(error: Exception, end: object) -> None:
    failing = Failing(error)
    await failing._run("j", None)
    assert failing.ends == [end]


async def test_a_cancelled_step_ends_nothing_and_a_missing_token_waits() -> None:
    failing = Failing(CancelledByUser("stopped"))
    await failing._run("j", None)
    assert failing.ends == []
    failing = Failing(MissingTokenError("of a"))
    await failing._run("j", None)
    ((kind, _, values),) = failing.ends
    assert (kind, values) == ("waiting", {"stage": "waiting for a Replicate token"})


async def test_a_store_that_cannot_be_written_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    failing = Failing(StoreError("full", ""), StoreError("full", ""))
    await failing._run("j", None)
    assert failing.errors == []
    assert failing.ends == [("notice", "full")] * 2
    assert pauses == [submit._STORE_RETRY_SECONDS] * 2
