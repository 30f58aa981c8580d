"""Hub destinations with the real `huggingface_hub` against the sandbox's Hub."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from tests.destinations.conftest import make_files, publish
from tests.destinations.hosting import Loop
from tests.destinations.hub.conftest import running_hub
from tests.destinations.hub.opened import REPO, Open, tree
from tests.destinations.interceptor import intercepting
from tui.destinations.common.contract import Item, LocalFile
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.common.meter import Throttle
from tui.destinations.hub.destination import HubDestination, git_hash
from tui.destinations.hub.names import check_repo_id
from tui.destinations.hub.probe import availability, identity
from tui.replicate.secret import Secret
from tui.sandbox.hub import HubConfig, HubRepo, RunningHub
from tui.settings import NetworkSettings

MIB = 1024 * 1024


@pytest.fixture(params=["lfs", "parts", "xet"])
def any_hub(
    request: pytest.FixtureRequest,
    loop_thread: Loop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> RunningHub:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param != "xet")
    part = 4 * MIB if request.param == "parts" else None
    return loop_thread.enter(running_hub(HubConfig(tmp_path / "hub", part_bytes=part)))


def content(hub: RunningHub, path: str) -> bytes:
    entry = tree(hub)[path]
    place = hub.hub.blobs.large(entry.sha256) if entry.sha256 else hub.hub.blobs.small(entry.oid)
    assert place is not None
    return place.read_bytes()


def test_files_arrive_whole_once_and_in_one_commit(
    any_hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    files = make_files(tmp_path / "run", nothing=0, a_b__c_d=3 * MIB, large=12 * MIB + 3)
    (tmp_path / "run/README.md").write_text("---\nlicense: other\n---\n# Cat\n")
    files.append(LocalFile(tmp_path / "run/README.md", "README.md"))
    destination = open_hub(any_hub)
    items = publish(destination, files)
    for file, item in zip(files, items, strict=True):
        assert content(any_hub, item.target) == file.path.read_bytes(), file.name
        assert destination.verify(item).size == item.size
        assert destination.verify(item, deep=True).checksum == item.sha256
    repo = any_hub.hub.repos.get("model", REPO)
    assert repo is not None
    assert repo.private
    assert len(repo.commits) == 2
    received = any_hub.hub.received_bytes
    if not constants.HF_HUB_DISABLE_XET:
        assert received < items[2].size  # the large file went by Xet, not by plain HTTP
    again = open_hub(any_hub)
    second = publish(again, files)
    assert all(item.present and not item.replaces for item in second)
    assert len(repo.commits) == 2
    assert any_hub.hub.received_bytes == received


def test_progress_is_exact_and_content_sent_before_is_not_sent_again(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=6 * MIB)
    destination = open_hub(hub, xet=False)
    destination.prepare()
    [item] = destination.plan([file])
    seen: list[tuple[int, int]] = []
    destination.send(item, lambda *facts: seen.append(facts))
    assert seen[-1] == (item.size, item.size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert hub.hub.received_bytes == item.size
    assert not tree(hub)
    # The program ended here; another one goes on.
    kept = Item.from_dict(json.loads(json.dumps(item.to_dict())))
    fresh = open_hub(hub, xet=False)
    fresh.send(kept)
    fresh.finish([kept], "Publish")
    assert hub.hub.received_bytes == item.size
    assert fresh.verify(kept).how == "sha256"


@pytest.mark.parametrize("xet", [True, False])
def test_a_stopped_upload_leaves_nothing_to_see(
    hub: RunningHub, open_hub: Open, tmp_path: Path, xet: bool
) -> None:
    [file] = make_files(tmp_path, large=60 * MIB)
    destination = open_hub(hub, xet=xet, throttle=None if xet else Throttle(30 * MIB))
    destination.prepare()
    [item] = destination.plan([file])
    stop = threading.Event()
    if xet:
        stop.set()
    started = time.monotonic()
    with pytest.raises(TransferCancelledError):
        destination.send(item, lambda *_: stop.set(), stop)
    assert time.monotonic() - started < 5
    assert not tree(hub)
    assert hub.hub.received_bytes < item.size


def test_a_stalled_xet_upload_goes_on_by_http(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    """Once: the next file does not wait for it again."""
    hub.hub.faults.stall_xet = True
    destination = open_hub(hub, network=NetworkSettings(timeout=1))
    destination.prepare()
    first, second = destination.plan(make_files(tmp_path, a=11 * MIB, b=12 * MIB))
    destination.send(first)
    asked = hub.hub.xet_uploads
    destination.send(second)
    assert (asked, hub.hub.xet_uploads) == (1, 1)
    assert hub.hub.received_bytes == first.size + second.size
    destination.finish([first, second])
    assert destination.verify(first).how == destination.verify(second).how == "sha256"


def test_a_bandwidth_limit_set_meanwhile_stops_xet(
    loop_thread: Loop, hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    """It knows no limit; what is left goes by HTTP, which does. What is there is not sent again."""
    interceptor = loop_thread.enter(intercepting(hub.url))
    hub.hub.url = interceptor.endpoint
    throttle = Throttle()
    destination = open_hub(hub, endpoint=interceptor.endpoint, throttle=throttle)
    files = make_files(tmp_path, there=11 * MIB, large=50 * MIB)
    [there, item] = destination.plan(files)
    destination.prepare()
    destination.send(there)
    assert hub.hub.received_bytes == 0  # Xet has another way

    async def limit(_method: str, path: str) -> None:
        """When Xet has been chosen, and asks for its right to write."""
        if "/xet-write-token/" in path:
            throttle.limit = 200 * MIB

    interceptor.before = limit
    destination.send(item)
    assert hub.hub.received_bytes == item.size
    destination.finish([there, item])
    assert hub.hub.received_bytes == item.size
    for sent in (there, item):
        assert destination.verify(sent, deep=True)


def test_a_broken_connection_is_reported_at_once_and_can_be_resumed(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=8 * MIB)
    destination = open_hub(hub, xet=False)
    destination.prepare()
    [item] = destination.plan([file])
    for fault in ("cut", "500"):
        if fault == "cut":
            hub.hub.faults.cut_uploads = 1
        else:
            hub.hub.faults.failures["preupload"] = 1
        started = time.monotonic()
        with pytest.raises(PublishError) as caught:
            destination.send(item)
        assert caught.value.retryable
        assert time.monotonic() - started < 3
    destination.send(item)
    destination.finish([item])
    assert destination.verify(item, deep=True)


def test_an_unreachable_hub_is_reported(hub: RunningHub, open_hub: Open, tmp_path: Path) -> None:
    destination = open_hub(hub, endpoint="http://127.0.0.1:9")
    started = time.monotonic()
    [step] = destination.test().steps
    assert "cannot be reached" in step.message
    assert time.monotonic() - started < 5


def test_wrong_content_at_the_hub_is_detected(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=4 * MIB)
    destination = open_hub(hub, xet=False)
    hub.hub.faults.lose_last_byte = True
    items = publish(destination, [file])
    with pytest.raises(MismatchError, match="instead of"):
        destination.verify(items[0])
    hub.hub.faults.lose_last_byte = False
    hub.hub.faults.forget_commits = True
    [other] = make_files(tmp_path, small=100)
    items = publish(destination, [other])
    with pytest.raises(MismatchError, match="does not have it"):
        destination.verify(items[0])


def send_all(destination: HubDestination, item: Item, progress: Any) -> None:
    destination.send(item, progress)
    destination.finish([item])


def test_a_changed_file_is_not_published(hub: RunningHub, open_hub: Open, tmp_path: Path) -> None:
    files = make_files(tmp_path, small=100, large=3 * MIB)
    destination = open_hub(hub, xet=False)
    destination.prepare()
    for file, item in zip(files, destination.plan(files), strict=True):

        def change(*_: int, path: Path = file.path) -> None:
            with path.open("ab") as target:
                target.write(b"more")

        if item.name.startswith("small"):
            change()
        with pytest.raises((SourceChangedError, PublishError)):
            send_all(destination, item, change)
    assert not tree(hub)


@pytest.mark.parametrize(
    ("token", "repo", "level", "text"),
    [
        ("hf_write", "sandbox/cat", "ok", "is free and will be made"),
        ("hf_write", "sandbox-lab/cat", "ok", "is free"),
        ("hf_fine", "sandbox/cat", "ok", "is free"),
        ("hf_fine", "sandbox-lab/cat", "error", "may not write"),
        ("hf_one", "sandbox/only-this", "ok", "is free"),
        ("hf_one", "sandbox/cat", "error", "may not write"),
        ("hf_read", "sandbox/cat", "error", "may not write"),
        ("hf_expired", "sandbox/cat", "error", "does not accept the token"),
        ("hf_write", "somebody/cat", "error", "somebody else"),
        ("hf_write", "somebody/known", "error", "somebody else"),
        ("hf_write", "sandbox/known", "ok", "exists and the token may write"),
        ("hf_read", "sandbox/known", "error", "may not write"),
    ],
)
def test_findings_of_the_destination_test(
    hub: RunningHub, open_hub: Open, token: str, repo: str, level: str, text: str
) -> None:
    for known in ("somebody/known", "sandbox/known"):
        hub.hub.repos.add(HubRepo(known))
    report = open_hub(hub, token, repo_id=repo).test()
    assert report.ok == (level == "ok")
    matches = [step for step in report.steps if text in step.message]
    assert [step.level for step in matches] == [level], report
    assert token not in str(report)
    assert level == "ok" or all(step.advice for step in matches)
    assert hub.hub.repos.get("model", repo) is None or repo.endswith("known")


@pytest.mark.parametrize("private", [True, False])
def test_the_destination_test_leaves_nothing_behind(
    hub: RunningHub, open_hub: Open, private: bool
) -> None:
    """A repository is made, written to and removed; one that is there keeps its one commit."""
    report = open_hub(hub, repo_id="sandbox/new", private=private).test()
    assert report.ok
    [written] = [step for step in report.steps if step.name == "write"]
    assert written.level == "ok"
    assert hub.hub.repos.get("model", "sandbox/new") is None
    hub.hub.repos.add(HubRepo("sandbox/known"))
    report = open_hub(hub, repo_id="sandbox/known").test()
    assert report.ok
    assert "write" not in {step.name for step in report.steps}
    repo = hub.hub.repos.get("model", "sandbox/known")
    assert repo is not None
    assert len(repo.commits) == 1


def test_rights_that_only_a_write_shows(hub: RunningHub, open_hub: Open) -> None:
    """An organisation may let nobody write, whatever a token says of itself."""
    hub.hub.faults.closed.add("sandbox-lab")
    report = open_hub(hub, repo_id="sandbox-lab/cat").test()
    assert not report.ok
    [written] = [step for step in report.steps if step.level == "error"]
    assert written.name == "write"
    assert "may not" in written.message
    assert written.advice
    assert hub.hub.repos.get("model", "sandbox-lab/cat") is None


def test_a_token_that_may_make_but_not_remove(hub: RunningHub, open_hub: Open) -> None:
    hub.hub.faults.failures["/api/repos/delete"] = 1
    report = open_hub(hub, repo_id="sandbox/new").test()
    assert {step.name: step.level for step in report.steps if step.name in ("write", "delete")} == {
        "write": "ok", "delete": "warn",
    }  # fmt: skip
    [left] = [step for step in report.steps if step.name == "delete"]
    assert "could not be removed" in left.message
    assert left.advice


def test_a_dataset_of_the_same_name_is_mentioned(hub: RunningHub, open_hub: Open) -> None:
    hub.hub.repos.add(HubRepo("sandbox/cat", "dataset"))
    report = open_hub(hub, repo_id="sandbox/cat").test()
    assert report.ok
    assert report.steps[-1].level == "warn"
    assert "dataset" in report.steps[-1].message


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("hf_read", Trouble.PERMISSION),
        ("hf_expired", Trouble.CREDENTIALS),
        ("hf_one", Trouble.PERMISSION),
    ],
)
def test_tokens_that_cannot_publish(
    hub: RunningHub, open_hub: Open, token: str, kind: Trouble
) -> None:
    with pytest.raises(PublishError) as caught:
        open_hub(hub, token).prepare()
    assert caught.value.kind is kind
    assert caught.value.advice


def test_quota(hub: RunningHub, open_hub: Open, tmp_path: Path) -> None:
    hub.hub.faults.quota = 1000
    [file] = make_files(tmp_path, large=2 * MIB)
    file = LocalFile(file.path, "large.safetensors")
    destination = open_hub(hub, xet=False)
    destination.prepare()
    [item] = destination.plan([file])
    with pytest.raises(PublishError) as caught:
        destination.send(item)
    assert caught.value.kind is Trouble.QUOTA


def test_identity_and_availability(hub: RunningHub) -> None:
    token = Secret("hf_fine")
    who = identity(token, endpoint=hub.url)
    assert who.user == "sandbox"
    assert [(item.name, item.writable) for item in who.namespaces] == [
        ("sandbox", True),
        ("sandbox-lab", False),
    ]
    hub.hub.repos.add(HubRepo("sandbox/a"))
    hub.hub.repos.add(HubRepo("bob/a"))
    assert availability("sandbox/a", token, endpoint=hub.url) == "ours"
    assert availability("bob/a", token, endpoint=hub.url) == "taken"
    assert availability("bob/b", token, endpoint=hub.url) == "free"


def test_many_files_go_in_several_commits(hub: RunningHub, open_hub: Open, tmp_path: Path) -> None:
    files = make_files(tmp_path, **{f"f{number}": 10 for number in range(205)})
    files = [LocalFile(file.path, file.name.replace(".bin", ".txt")) for file in files]
    destination = open_hub(hub)
    items = publish(destination, files)
    assert len(tree(hub)) == 205
    repo = hub.hub.repos.get("model", REPO)
    assert repo is not None
    assert len(repo.commits) == 4
    assert all(destination.verify(item).how == "git" for item in items)


def test_names() -> None:
    assert check_repo_id(" https://huggingface.co/a/b-c/tree/main?x=1 ") == "a/b-c"
    for bad in ("", "a", "a/b/c", "a/--", "a/b.git", "datasets/a/b", "hf.co/datasets/a/b", "ü/b"):
        with pytest.raises(PublishError) as caught:
            check_repo_id(bad)
        assert caught.value.kind is Trouble.NAME


def test_git_names(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello\n")
    assert git_hash(path, 6) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_missing_card_is_no_error(hub: RunningHub, open_hub: Open, tmp_path: Path) -> None:
    destination = open_hub(hub)
    assert destination.read_text("README.md") is None
    destination.prepare()
    assert destination.read_text("README.md") is None
    path = tmp_path / "README.md"
    path.write_text("# ü\n")
    publish(destination, [LocalFile(path, "README.md")])
    assert destination.read_text("README.md") == "# ü\n"


def test_a_card_that_somebody_writes_meanwhile_is_not_replaced(
    hub: RunningHub, open_hub: Open, tmp_path: Path
) -> None:
    """Hours may lie between reading a card and the commit that replaces it."""
    ours, theirs = tmp_path / "ours.md", tmp_path / "theirs.md"
    ours.write_text("# ours\n")
    theirs.write_text("# somebody's\n")
    destination = open_hub(hub)
    destination.prepare()
    assert destination.read_text("README.md") is None
    items = destination.plan([LocalFile(ours, "README.md")])
    destination.send(items[0])
    publish(open_hub(hub), [LocalFile(theirs, "README.md"), LocalFile(theirs, "NOTES.md")])
    assert destination.read_text("NOTES.md") == "# somebody's\n"  # which is no look at the card
    with pytest.raises(PublishError, match="changed while files were sent") as caught:
        destination.finish(items)
    assert caught.value.retryable
    assert content(hub, "README.md") == b"# somebody's\n"
    assert destination.read_text("README.md") == "# somebody's\n"
    destination.finish(items)  # whoever decided with that in view may replace it
    assert content(hub, "README.md") == b"# ours\n"
