"""No two transfers write to the same bytes of an upload, and its list of parts is compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tui.listener.storage.completion import _chosen_parts
from tui.listener.storage.errors import S3Error
from tui.listener.storage.multipart import DATA, Part, Upload
from tui.listener.storage.xml import parse

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MOST = 1_000


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    return Upload("0" * 32, tmp_path, "key", NOW, "", {}, "sha256", "COMPOSITE")


def part(number: int, size: int = 100) -> Part:
    return Part(number, size, f"e{number}", 0, {"sha256": f"s{number}"}, DATA, 0, NOW)


def test_a_part_that_is_sent_again_is_not_written_over_the_committed_one(upload: Upload) -> None:
    first = upload.place(1, 100, MOST)
    assert first.in_slot
    upload.leave(first)
    upload.parts[1] = part(1)
    again = upload.place(1, 100, MOST)
    assert not again.in_slot
    assert again.path != first.path


def test_two_sends_of_one_part_at_once_share_no_slot(upload: Upload) -> None:
    first, second, third = (upload.place(1, 100, MOST) for _ in range(3))
    assert [first.in_slot, second.in_slot, third.in_slot] == [True, False, False]
    assert len({first.path, second.path, third.path}) == 3


def test_a_slot_is_free_again_when_its_transfer_ends_without_a_record(upload: Upload) -> None:
    upload.leave(upload.place(1, 100, MOST))
    assert upload.place(1, 100, MOST).in_slot


def test_the_end_of_another_file_frees_no_slot(upload: Upload) -> None:
    upload.place(1, 100, MOST)
    upload.leave(upload.place(1, 100, MOST))
    assert not upload.place(1, 100, MOST).in_slot


@pytest.mark.parametrize(
    ("number", "size", "in_slot", "offset"),
    [
        (2, 100, True, 100),
        (2, 99, True, 100),
        (2, 101, False, 0),
        (10, 100, True, 900),
        (11, 100, False, 0),
        (3, None, False, 0),
    ],
)
def test_a_part_goes_into_a_slot_that_holds_it(
    upload: Upload, number: int, size: int | None, offset: int, *, in_slot: bool
) -> None:
    upload.place(1, 100, MOST)
    target = upload.place(number, size, MOST)
    assert (target.in_slot, target.offset) == (in_slot, offset)


def choose(upload: Upload, *listed: tuple[int, str, str], smallest: int = 100) -> Sequence[Part]:
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
        + (f"<ChecksumSHA256>{checksum}</ChecksumSHA256>" if checksum else "")
        + "</Part>"
        for number, etag, checksum in listed
    )
    nodes = parse(f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode())
    return _chosen_parts(upload, nodes.all("Part"), smallest)


def test_parts_of_a_list_that_is_right_are_chosen(upload: Upload) -> None:
    upload.parts |= {number: part(number) for number in (1, 2, 3)}
    assert [item.number for item in choose(upload, (1, "e1", ""), (3, "e3", "s3"))] == [1, 3]


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([(1, "e1", ""), (1, "e1", "")], "InvalidPartOrder"),
        ([(2, "e2", ""), (1, "e1", "")], "InvalidPartOrder"),
        ([(1, "e1", "another")], "InvalidPart"),
        ([(1, "e2", "")], "InvalidPart"),
        ([(4, "e4", "")], "InvalidPart"),
    ],
)
def test_a_list_that_does_not_match_the_parts_is_refused(
    upload: Upload, listed: list[tuple[int, str, str]], code: str
) -> None:
    upload.parts |= {number: part(number) for number in (1, 2, 3)}
    with pytest.raises(S3Error) as error:
        choose(upload, *listed)
    assert error.value.code == code


def test_only_the_last_part_may_be_below_the_minimum(upload: Upload) -> None:
    upload.parts |= {1: part(1, 100), 2: part(2, 99), 3: part(3, 99)}
    assert len(choose(upload, (1, "e1", ""), (2, "e2", ""))) == 2
    with pytest.raises(S3Error) as error:
        choose(upload, (1, "e1", ""), (2, "e2", ""), (3, "e3", ""))
    assert error.value.code == "EntityTooSmall"
