"""What a multipart upload asks for, in which order, and what each answer makes of it.

The far end keeps parts of a few bytes in memory, which no real server takes, and answers as told.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tui.destinations.common.contract import Item, LocalFile, Resume
from tui.destinations.common.errors import PublishError, SourceChangedError, TransferCancelledError
from tui.destinations.common.meter import Meter, describe_source
from tui.destinations.s3.parts import PART_BYTES, PartedUpload, call_with_retries, whole_etag
from tui.destinations.s3.profile import S3Profile
from tui.destinations.s3.unseen import BEGUN

PROFILE = S3Profile(bucket="images", endpoint="http://127.0.0.1:9")
CONTENT = b"0123456789"
PIECES = (b"0123", b"4567", b"89")
UNREACHABLE = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


def refused(status: int, code: str, **headers: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": code},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(answer, "UploadPart")


BUSY = refused(503, "SlowDown")
DENIED = refused(403, "AccessDenied")
FORGOTTEN = refused(404, "NoSuchUpload")


class Pauses(threading.Event):
    """A cancel that notes how long it was waited for, and takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.taken.append(timeout or 0)
        return self.is_set()


class Body:
    """A body that counts how often it starts anew."""

    rewound = 0

    def rewind(self) -> None:
        self.rewound += 1


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        ([None], []),
        ([BUSY, None], [0.5]),
        ([BUSY, UNREACHABLE, None], [0.5, 1]),
        ([BUSY, BUSY, BUSY], [0.5, 1]),
        ([DENIED], []),
        ([FORGOTTEN], []),
        ([refused(503, "SlowDown", **{"retry-after": "7"}), BUSY, None], [7, 1]),
        ([refused(503, "SlowDown", **{"retry-after": "60"}), None], [10]),
    ],
)
def test_a_call_is_repeated_after_what_passes(
    answers: list[Exception | None], pauses: list[float]
) -> None:
    left, body, cancel = list(answers), Body(), Pauses()

    def call() -> str:
        if (answer := left.pop(0)) is not None:
            raise answer
        return "done"

    meter = Meter(1, cancel=cancel)
    if answers[-1] is None:
        assert call_with_retries(call, PROFILE, meter, body) == "done"  # type: ignore[arg-type]  # all that is asked of a body
    else:
        with pytest.raises(PublishError) as raised:
            call_with_retries(call, PROFILE, meter, body)  # type: ignore[arg-type]  # as above
        assert raised.value.__cause__ is answers[-1]
    assert (left, cancel.taken) == ([], pauses)
    assert body.rewound == len([answer for answer in answers if answer is not None])


def test_nothing_is_called_after_a_cancel() -> None:
    calls: list[int] = []
    meter = Meter(1)

    def call() -> None:
        calls.append(1)
        meter.cancel.set()
        raise BUSY

    for _ in range(2):
        with pytest.raises(TransferCancelledError):
            call_with_retries(call, PROFILE, meter)
    assert len(calls) == 1


class FarEnd:
    """A server with one upload: `before` is called with each request, and may refuse it."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.asked: list[str] = []
        self.options: dict[str, Any] = {}
        self.completed: list[tuple[int, str]] = []
        self.before: Callable[[str], None] = lambda _name: None

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        self.before(name)

    def create_multipart_upload(self, **options: Any) -> dict[str, Any]:
        self._ask("create")
        self.parts.clear()
        self.options = options
        return {"UploadId": "new"}

    def list_parts(self, **_: Any) -> dict[str, Any]:
        self._ask("list")
        return {
            "Parts": [
                {"PartNumber": number, "ETag": f'"{hashlib.md5(part).hexdigest()}"'}
                for number, part in self.parts.items()
            ]
        }

    def upload_part(self, **request: Any) -> dict[str, str]:
        number, data = request["PartNumber"], request["Body"].read()
        self._ask(f"part {number}")
        digest = hashlib.md5(data)
        assert len(data) == request["ContentLength"]
        assert base64.b64encode(digest.digest()).decode() == request["ContentMD5"]
        self.parts[number] = data
        return {"ETag": f'"{digest.hexdigest()}"'}

    def complete_multipart_upload(self, **request: Any) -> None:
        self._ask(f"complete {request['UploadId']}")
        parts = request["MultipartUpload"]["Parts"]
        self.completed = [(part["PartNumber"], part["ETag"]) for part in parts]

    def abort_multipart_upload(self, **request: Any) -> None:
        self._ask(f"abort {request['UploadId']}")


def refuse(far: FarEnd, **answers: Exception) -> None:
    """Answer the first request of each kind with an error."""
    left = dict(answers)

    def before(name: str) -> None:
        if error := left.pop(name.partition(" ")[0], None):
            raise error

    far.before = before


@pytest.fixture
def item(tmp_path: Path) -> Item:
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    return describe_source(LocalFile(path, "a"), "there/a")


def remembered(item: Item, *numbers: int, **other: Any) -> Resume:
    """Where an upload of parts of four bytes stands."""
    marks = {str(number): hashlib.md5(PIECES[number - 1]).hexdigest() for number in numbers}
    parts = {number: {"etag": f'"{mark}"', "md5": mark} for number, mark in marks.items()}
    state = {"key": item.target, "sha256": item.sha256, "upload_id": "old", "part": 4}
    return Resume({**state, "parts": parts, **other})


def upload(far: FarEnd, item: Item, resume: Resume, meter: Meter | None = None) -> PartedUpload:
    return PartedUpload(far, PROFILE, item, meter or Meter(item.size, cancel=Pauses()), resume)


WHOLE = [(number, f'"{hashlib.md5(part).hexdigest()}"') for number, part in enumerate(PIECES, 1)]
ETAG = whole_etag([hashlib.md5(part).hexdigest() for part in PIECES])


@pytest.mark.parametrize(
    ("known", "there", "sent"),
    [((), (), {1, 2, 3}), ((2,), (2,), {1, 3}), ((1, 2), (2,), {1, 3}), ((1, 2, 3), (1, 2, 3), {})],
)
def test_what_is_there_is_not_sent_again(
    item: Item, known: tuple[int, ...], there: tuple[int, ...], sent: set[int]
) -> None:
    far, meter = FarEnd(), Meter(item.size)
    far.parts = {number: PIECES[number - 1] for number in there}
    resume = remembered(item, *known)
    assert upload(far, item, resume, meter).run({}) == ETAG
    assert far.completed == WHOLE
    parts = sorted(name for name in far.asked if name.startswith("part"))
    assert parts == [f"part {number}" for number in sent]
    assert (far.asked[0], far.asked[-1]) == ("list", "complete old")
    assert meter.done == sum(len(PIECES[number - 1]) for number in {1, 2, 3} - {*sent})
    assert dict(enumerate(PIECES, 1)) == far.parts


@pytest.mark.parametrize(
    ("refusal", "asked"),
    [
        (FORGOTTEN, ["list", "create", "part 1", "complete new"]),
        (refused(404, "NoSuchKey"), ["list", "create", "part 1", "complete new"]),
        (DENIED, ["list", "part 1", "part 3", "complete old"]),
        (BUSY, ["list"]),
        (UNREACHABLE, ["list"]),
    ],
)
def test_an_upload_that_cannot_be_looked_at(
    item: Item, refusal: Exception, asked: list[str]
) -> None:
    """Keys that may not look believe what is remembered; what cannot be told ends the try."""
    far = FarEnd()
    far.parts = {2: PIECES[1]}
    refuse(far, list=refusal)
    if asked[-1] == "list":
        with pytest.raises(PublishError):
            upload(far, item, remembered(item, 2)).run({})
    else:
        upload(far, item, remembered(item, 2)).run({})
    assert sorted(far.asked[1:-1]) == asked[1:-1]
    assert (far.asked[0], far.asked[-1]) == (asked[0], asked[-1])


@pytest.mark.parametrize("other", [{"sha256": "0"}, {"key": "there/b"}, {"upload_id": ""}])
def test_what_is_remembered_of_another_upload_does_not_count(
    item: Item, other: dict[str, str]
) -> None:
    far = FarEnd()
    far.parts = dict(enumerate(PIECES, 1))
    resume = remembered(item, 1, 2, 3, **other, **{BEGUN: "something"})
    changes: list[dict[str, Any]] = []
    resume.on_change = lambda data: changes.append({**data, "parts": dict(data["parts"])})
    mark = hashlib.md5(CONTENT).hexdigest()
    assert upload(far, item, resume).run({"ACL": "x"}) == whole_etag([mark])
    assert far.asked == ["create", "part 1", "complete new"]
    assert far.options == {"Bucket": "images", "Key": "there/a", "ACL": "x"}
    begun = {
        "key": item.target, "sha256": item.sha256, "upload_id": "new", "part": PART_BYTES,
        "parts": {}, BEGUN: "something",
    }  # fmt: skip
    assert changes == [begun, begun | {"parts": {"1": {"etag": f'"{mark}"', "md5": mark}}}]


@pytest.mark.parametrize("code", ["NoSuchUpload", "InvalidPart", "InvalidPartOrder"])
def test_a_server_that_does_not_have_what_is_remembered_gets_all_anew(
    item: Item, code: str
) -> None:
    far, meter = FarEnd(), Meter(item.size)
    far.parts = {1: PIECES[0]}
    refuse(far, complete=refused(400, code), abort=DENIED)
    upload(far, item, remembered(item, 1), meter).run({})
    assert far.asked[-5:] == ["complete old", "abort old", "create", "part 1", "complete new"]
    assert far.parts == {1: CONTENT}
    assert meter.done == 0, "what lay there is sent again"


@pytest.mark.parametrize("code", ["AccessDenied", "EntityTooSmall"])
def test_another_refusal_of_the_end_stays_one(item: Item, code: str) -> None:
    far = FarEnd()
    refuse(far, complete=refused(403, code))
    with pytest.raises(PublishError):
        upload(far, item, remembered(item)).run({})
    assert far.asked[-1] == "complete old"


def test_a_part_that_fails_is_explained_by_a_file_that_changed(item: Item) -> None:
    far = FarEnd()

    def change(name: str) -> None:
        if name.startswith("part"):
            item.source.write_bytes(b"another one")
            raise refused(400, "BadDigest")

    far.before = change
    with pytest.raises(SourceChangedError):
        upload(far, item, remembered(item)).run({})
    assert not far.completed


def test_a_cancel_is_one_whatever_became_of_the_file(item: Item) -> None:
    far, meter = FarEnd(), Meter(10)

    def change(name: str) -> None:
        if name.startswith("part"):
            item.source.write_bytes(b"another one")
            meter.cancel.set()
            raise BUSY

    far.before = change
    with pytest.raises(TransferCancelledError):
        upload(far, item, remembered(item), meter).run({})
    assert not far.completed


def test_a_file_that_changed_after_its_last_part_is_not_completed(item: Item) -> None:
    far = FarEnd()

    def change(name: str) -> None:
        if name == "part 3":
            item.source.write_bytes(b"another one")

    far.before = change
    far.parts = {1: PIECES[0], 2: PIECES[1]}
    with pytest.raises(SourceChangedError):
        upload(far, item, remembered(item, 1, 2)).run({})
    assert not far.completed


def test_an_answer_without_an_upload_is_no_s3(item: Item) -> None:
    far = FarEnd()
    far.create_multipart_upload = lambda **_: {}  # type: ignore[method-assign]
    with pytest.raises(PublishError, match="S3"):
        upload(far, item, Resume({})).run({})
