"""What keys may not see is not replaced, and an object of our own is told from another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tui.destinations.common.contract import Item, Resume
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.errors import explain
from tui.destinations.s3.profile import S3Profile
from tui.destinations.s3.unseen import BEGUN, write

PROFILE = S3Profile(bucket="images", endpoint="http://127.0.0.1:9")
ITEM = Item("a", "there/a", Path("a"), 1, 0, "5" * 64, unseen=True)
LOST = ReadTimeoutError(endpoint_url="http://127.0.0.1:9")


def refused(status: int, code: str) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")  # type: ignore[arg-type]  # as botocore makes it


MET = refused(412, "PreconditionFailed")
ERROR = refused(500, "InternalError")
BUSY = refused(503, "SlowDown")
DENIED = refused(403, "AccessDenied")
UNKNOWN = refused(501, "NotImplemented")


class Server:
    """Answers requests in turn, and notes their conditions."""

    def __init__(self, *answers: BaseException | None) -> None:
        self._answers = list(answers)
        self.asked: list[Mapping[str, str]] = []

    def request(self, condition: Mapping[str, str]) -> None:
        self.asked.append(condition)
        answer = self._answers.pop(0)
        if answer is not None:
            raise answer

    def retry(self, call: Callable[[], None]) -> None:
        while True:
            try:
                return call()
            except Exception as error:
                problem = explain(error, PROFILE)
                if not problem.retryable or not self._answers:
                    raise problem from error


NEW = {"IfNoneMatch": "*"}


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([None], [NEW]),
        ([LOST, None], [NEW, NEW]),
        ([LOST, MET], [NEW, NEW]),
        ([ERROR, MET], [NEW, NEW]),
        ([UNKNOWN, None], [NEW, {}]),
    ],
)
def test_it_is_written_once(
    answers: list[Exception | None], asked: list[Mapping[str, str]]
) -> None:
    server = Server(*answers)
    write(ITEM, Resume(), server.request, server.retry)
    assert server.asked == asked


@pytest.mark.parametrize("answers", [[MET], [BUSY, MET], [BUSY, BUSY, MET]])
def test_an_object_of_another_stays(answers: list[Exception | None]) -> None:
    resume = Resume()
    for _ in range(2):  # the second attempt does not take it for the first one's
        server = Server(*answers)
        with pytest.raises(PublishError) as caught:
            write(ITEM, resume, server.request, server.retry)
        assert caught.value.kind is Trouble.TAKEN
        assert not resume.data


def test_what_a_process_wrote_before_it_was_killed_is_its_own() -> None:
    kept: list[Mapping[str, object]] = []
    killed = Server(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write(ITEM, Resume(on_change=lambda data: kept.append(dict(data))), killed.request,
              killed.retry)  # fmt: skip
    assert kept == [{BEGUN: ITEM.sha256}]
    server = Server(MET)
    write(ITEM, Resume(dict(kept[-1])), server.request, server.retry)
    other = Server(MET)
    with pytest.raises(PublishError, match="may not see"):
        write(ITEM, Resume({BEGUN: "6" * 64}), other.request, other.retry)


def test_a_refusal_leaves_nothing_to_go_on_with() -> None:
    server, resume = Server(DENIED), Resume()
    with pytest.raises(PublishError) as caught:
        write(ITEM, resume, server.request, server.retry)
    assert (caught.value.kind, resume.data) == (Trouble.PERMISSION, {})
