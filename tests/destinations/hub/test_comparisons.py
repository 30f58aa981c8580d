"""A file is there when size and checksum are its own: neither more nor less will do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.destinations.conftest import make_files
from tests.destinations.hub.opened import Open
from tui.destinations.common.contract import Item, LocalFile
from tui.destinations.common.errors import MismatchError, PublishError, SourceChangedError, Trouble
from tui.destinations.common.meter import Meter, describe_source
from tui.destinations.hub.destination import HubDestination, git_hash
from tui.destinations.hub.names import HubTarget
from tui.replicate.secret import Secret
from tui.sandbox.hub import RunningHub

MIB = 1024 * 1024
CONTENT = b"0123456789"
LOW, HIGH = "0" * 64, "f" * 64


@pytest.fixture
def item(tmp_path: Path) -> Item:
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    return describe_source(LocalFile(path, "a"), "a")


def remote(size: int, *, lfs: str = "", blob: str = "") -> Any:
    return SimpleNamespace(
        size=size, lfs=SimpleNamespace(sha256=lfs) if lfs else None, blob_id=blob
    )


OWN = hashlib.sha256(CONTENT).hexdigest()
GIT = hashlib.sha1(b"blob 10\0" + CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("there", "same"),
    [
        (remote(10, lfs=OWN), True),
        (remote(10, blob=GIT), True),
        *((remote(size, lfs=OWN), False) for size in (9, 11)),
        *((remote(10, lfs=other), False) for other in (LOW, HIGH)),
        *((remote(10, blob=other[:40]), False) for other in (LOW, HIGH)),
    ],
)
def test_size_and_checksum_are_compared_in_a_plan_and_afterwards(
    item: Item, there: Any, *, same: bool
) -> None:
    destination = HubDestination(HubTarget("me/x"), Secret("hf_x"))
    planned = destination._compare(item, there, None)
    assert (planned.present, planned.replaces) == (same, not same)
    destination._remote_files["a"] = there
    if same:
        proof = destination.verify(item)
        assert (proof.how, proof.checksum) == (
            ("sha256", OWN) if there.lfs else ("git", git_hash(item.source, item.size))
        )
    else:
        with pytest.raises(MismatchError):
            destination.verify(item)


@pytest.mark.parametrize("size", [9, 11])
def test_a_file_of_another_size_than_planned_is_not_sent(item: Item, size: int) -> None:
    destination = HubDestination(HubTarget("me/x"), Secret("hf_x"))
    item.source.write_bytes(b"x" * size)
    with pytest.raises(SourceChangedError), destination._operation(item, Meter(10)):
        pass
    item.source.write_bytes(CONTENT)
    with destination._operation(item, Meter(10)) as operation:
        assert operation.upload_info.sha256.hex() == OWN
    item.source.unlink()
    gone = pytest.raises(PublishError, match="cannot be read")
    with gone as raised, destination._operation(item, Meter(10)):
        pass
    assert raised.value.kind is Trouble.LOCAL


def test_content_that_the_hub_has_already_is_told_by_a_large_file_alone(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    """What was not there is sent by the question itself; a small file goes with its commit."""
    destination = open_hub(hub)
    destination.prepare()
    [large] = destination.plan(make_files(tmp_path, large=2 * MIB))
    (tmp_path / "small.txt").write_bytes(b"x")
    [small] = destination.plan([LocalFile(tmp_path / "small.txt", "small.txt")])
    assert [destination.copy(item, "") for item in (small, large, large)] == ["", "", "there"]


@pytest.mark.parametrize(
    ("kinds", "first"), [("pp", None), ("f", None), ("pf", ["p"]), ("fpp", ["p", "p"])]
)
def test_paths_beside_open_files_are_uploaded_before_the_commit(
    kinds: str, first: list[str] | None
) -> None:
    asked: list[tuple[str, Any]] = []

    def preupload(_repo: str, operations: list[Any]) -> None:
        asked.append(("preupload", [one.path_or_fileobj for one in operations]))

    def commit(_repo: str, operations: list[Any], **named: Any) -> None:
        asked.append(("commit", (len(operations), named)))

    destination = HubDestination(HubTarget("me/x"), Secret("hf_x"))
    vars(destination)["_api"] = SimpleNamespace(preupload_lfs_files=preupload, create_commit=commit)
    operations: list[Any] = [
        SimpleNamespace(path_or_fileobj="p" if kind == "p" else b"f") for kind in kinds
    ]
    destination._commit_kinds(operations, "title", "head")
    named = {"commit_message": "title", "parent_commit": "head"}
    before = [] if first is None else [("preupload", first)]
    assert asked == [*before, ("commit", (len(kinds), named))]
