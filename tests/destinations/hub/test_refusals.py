"""Everything that the Hub can refuse, on the way that a publication takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not in __all__
    hf_raise_for_status,
)

from tests.destinations.conftest import make_files, publish
from tests.destinations.hosting import Loop
from tests.destinations.hub.conftest import running_hub
from tests.destinations.interceptor import Answer, Interceptor, intercepting
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.errors import PublishError, SourceChangedError, Trouble
from tui.destinations.hub.destination import HubDestination
from tui.destinations.hub.errors import explain
from tui.destinations.hub.names import HubTarget
from tui.replicate.secret import Secret
from tui.sandbox.hub import HubConfig, HubRepo, RunningHub
from tui.sandbox.hub.accounts import HubToken, Role
from tui.settings import NetworkSettings

MIB = 1024 * 1024
REPO = "sandbox/cat"


def opened(hub: RunningHub, token: str = "hf_write", repo: str = REPO) -> HubDestination:
    target = HubTarget(repo, endpoint=hub.hub.url, xet=False)
    return HubDestination(target, Secret(token), network=NetworkSettings(timeout=10))


def intercepted(loop: Loop, hub: RunningHub) -> Interceptor:
    """Put a interceptor before a Hub, also for the addresses that it hands out."""
    interceptor = loop.enter(intercepting(hub.url))
    hub.hub.url = interceptor.endpoint
    return interceptor


def refusal(destination: HubDestination, files: list[LocalFile]) -> PublishError:
    with pytest.raises(PublishError) as caught:
        publish(destination, files)
    assert caught.value.advice
    assert "canary" not in f"{caught.value}{caught.value.advice}"
    return caught.value


@pytest.mark.parametrize(
    ("token", "repo", "kind"),
    [
        ("wrong-canary", REPO, Trouble.CREDENTIALS),
        ("hf_expired_canary", REPO, Trouble.CREDENTIALS),
        ("hf_read_canary", REPO, Trouble.PERMISSION),
        ("hf_fine_canary", "sandbox-lab/cat", Trouble.PERMISSION),
        ("hf_one_canary", REPO, Trouble.PERMISSION),
        ("hf_write_canary", "somebody/cat", Trouble.PERMISSION),
        ("hf_write_canary", "somebody/known", Trouble.PERMISSION),
    ],
)
def test_what_a_token_may_not_do(
    hub: RunningHub, tmp_path: Path, token: str, repo: str, kind: Trouble
) -> None:
    hub.hub.repos.add(HubRepo("somebody/known"))
    problem = refusal(opened(hub, token, repo), make_files(tmp_path, a=10, large=2 * MIB))
    assert problem.kind is kind
    assert not problem.retryable
    repository = hub.hub.repos.get("model", repo)
    assert repository is None or not repository.head.tree


def test_an_organisation_that_lets_nobody_write(hub: RunningHub, tmp_path: Path) -> None:
    hub.hub.faults.closed.add("sandbox-lab")
    problem = refusal(opened(hub, repo="sandbox-lab/cat"), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.PERMISSION
    assert "sandbox-lab" in problem.advice


@pytest.mark.parametrize(
    ("later", "kind"),
    [
        (HubToken("sandbox", expired=True), Trouble.CREDENTIALS),
        (HubToken("sandbox", Role.READ), Trouble.PERMISSION),
    ],
)
def test_a_token_that_changes_on_the_way(
    hub: RunningHub, tmp_path: Path, later: HubToken, kind: Trouble
) -> None:
    """Nothing is half published, and with a good token only the commit is left to do."""
    hub.hub.accounts.tokens["hf_changing"] = HubToken("sandbox")
    destination = opened(hub, "hf_changing")
    destination.prepare()
    [item] = destination.plan(make_files(tmp_path, large=2 * MIB))
    destination.send(item)
    hub.hub.accounts.tokens["hf_changing"] = later
    with pytest.raises(PublishError) as caught:
        destination.finish([item])
    assert caught.value.kind is kind
    received = hub.hub.received_bytes
    hub.hub.accounts.tokens["hf_changing"] = HubToken("sandbox")
    destination.send(item)
    destination.finish([item])
    assert hub.hub.received_bytes == received
    assert destination.verify(item, deep=True)


def test_a_dataset_of_the_same_name_stays_as_it_is(hub: RunningHub, tmp_path: Path) -> None:
    hub.hub.repos.add(HubRepo(REPO, "dataset"))
    destination = opened(hub)
    [item] = publish(destination, make_files(tmp_path, a=10))
    assert destination.verify(item)
    dataset = hub.hub.repos.get("dataset", REPO)
    assert dataset is not None
    assert not dataset.head.tree


def test_a_small_file_that_changes_during_the_commit_is_not_called_published(
    loop_thread: Loop, hub: RunningHub, tmp_path: Path
) -> None:
    """It is on the Hub as it is here now; but that is not what was planned."""
    interceptor = intercepted(loop_thread, hub)
    destination = opened(hub)
    destination.prepare()
    file = LocalFile(tmp_path / "a.txt", "a.txt")
    file.path.write_bytes(b"y" * 1000)
    [item] = destination.plan([file])
    destination.send(item)

    async def change(_method: str, path: str) -> None:
        if "/preupload/" in path:
            file.path.write_bytes(b"x" * 1000)

    interceptor.before = change
    destination.finish([item])
    with pytest.raises(SourceChangedError):
        destination.verify(item)
    interceptor.before = None
    [item] = publish(destination, [file])
    assert destination.verify(item).how == "git"


@pytest.mark.parametrize("name", [".git/config", "a/.git/b.bin", ".cache/x"])
def test_folders_that_the_hub_does_not_take(hub: RunningHub, tmp_path: Path, name: str) -> None:
    [file] = make_files(tmp_path, a=10)
    problem = refusal(opened(hub), [LocalFile(file.path, name)])
    assert problem.kind is Trouble.NAME
    assert "hidden file" in problem.message


def test_a_gated_repository(hub: RunningHub, tmp_path: Path) -> None:
    """One of ours can be published to; somebody else's cannot even be read."""
    hub.hub.repos.add(HubRepo(REPO, gated=True))
    destination = opened(hub)
    [item] = publish(destination, make_files(tmp_path, a=10))
    assert destination.verify(item, deep=True)
    hub.hub.repos.add(HubRepo("somebody/gated", gated=True))
    stranger = opened(hub, repo="somebody/gated")
    assert not stranger.test().ok
    assert refusal(stranger, make_files(tmp_path, b=10)).kind is Trouble.PERMISSION


def test_a_repository_that_is_deleted_meanwhile(hub: RunningHub, tmp_path: Path) -> None:
    destination = opened(hub)
    destination.prepare()
    [item] = destination.plan(make_files(tmp_path, large=2 * MIB))
    destination.send(item)
    repository = hub.hub.repos.get("model", REPO)
    assert repository is not None
    hub.hub.repos.remove(repository)
    with pytest.raises(PublishError) as caught:
        destination.finish([item])
    assert caught.value.kind is Trouble.MISSING
    assert caught.value.advice


SAID = [
    (Answer(401, body=b"no"), Trouble.CREDENTIALS),
    (Answer(402, body=b'{"error": "pay"}'), Trouble.QUOTA),
    (Answer(403, body=b'{"error": "no"}'), Trouble.PERMISSION),
    (Answer(403, headers={"X-Error-Message": "Private repository storage limit reached"}),
     Trouble.QUOTA),
    (Answer(409, body=b'{"error": "Another commit is in progress"}'), Trouble.BUSY),
    (Answer(413, body=b"<html>too large</html>"), Trouble.REFUSED),
    (Answer(429, headers={"Retry-After": "7"}), Trouble.BUSY),
    (Answer(429, headers={"RateLimit": '"api";r=0;t=7'}), Trouble.BUSY),
    (Answer(502, body=b"<html>Bad Gateway</html>"), Trouble.BUSY),
    (Answer(403, body=b"<html>Just a moment...</html>"), Trouble.NETWORK),
    (Answer(200, body=b"<html>Welcome! Please log in.</html>"), Trouble.NETWORK),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind"), SAID, ids=[str(answer.status) for answer, _ in SAID])
@pytest.mark.parametrize("when", ["at once", "while sending", "at the commit"])
def test_what_may_be_answered(
    loop_thread: Loop, hub: RunningHub, tmp_path: Path, answer: Answer, kind: Trouble, when: str
) -> None:
    interceptor = intercepted(loop_thread, hub)
    destination = opened(hub)
    files = make_files(tmp_path, small=10, large=2 * MIB)

    def go() -> None:
        if when == "at once":
            interceptor.answer = replace(answer)
        destination.prepare()
        items = destination.plan(files)
        if when == "while sending":
            interceptor.answer = replace(answer)
        for item in items:
            destination.send(item)
        interceptor.answer = replace(answer)
        destination.finish(items)

    with pytest.raises(PublishError) as caught:
        go()
    assert caught.value.kind is kind, caught.value.message
    assert caught.value.retryable == (kind in {Trouble.BUSY, Trouble.NETWORK})
    assert caught.value.advice
    if answer.status == 429:
        assert caught.value.retry_after == 7
    interceptor.answer = None
    items = publish(destination, files)
    assert all(destination.verify(item, deep=True) for item in items)


OWN_SENTENCES = [
    (403, "Private repository storage limit reached, please upgrade your plan.", Trouble.QUOTA,
     "Delete something"),
    (403, "You have exceeded your LFS storage quota.", Trouble.QUOTA, "Delete something"),
    (403, "You don't have the rights to create a model under the namespace storage-limit.",
     Trouble.PERMISSION, "write access to storage-limit"),
    (403, "storage-limit requires two-factor authentication.", Trouble.PERMISSION, "write access"),
    (403, "Please verify your e-mail address before creating a repository.", Trouble.PERMISSION,
     "settings/account"),
    (403, "Your email is not confirmed yet.", Trouble.PERMISSION, "settings/account"),
    (403, "This repository is locked.", Trouble.PERMISSION, "write access"),
    (409, "You already created this model repo", Trouble.TAKEN, "another name"),
    (409, "Reference update conflicts with a running job", Trouble.BUSY, "tried again"),
    (507, "No space.", Trouble.QUOTA, "Delete something"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "sentence", "kind", "advice"), OWN_SENTENCES)
@pytest.mark.parametrize("where", ["body", "header"])
def test_a_refusal_keeps_the_sentence_of_the_hub(
    status: int, sentence: str, kind: Trouble, advice: str, where: str
) -> None:
    """It alone says what is missing; an owner's name is no quota."""
    headers = {"X-Error-Message": sentence} if where == "header" else {}
    body = {"error": sentence} if where == "body" else {}
    request = httpx2.Request("POST", "https://huggingface.co/api/models/storage-limit/cat/commit")
    response = httpx2.Response(status, headers=headers, request=request, json=body)
    with pytest.raises(HfHubHTTPError) as caught:
        hf_raise_for_status(response)
    problem = explain(caught.value, "storage-limit/cat", "https://huggingface.co")
    assert sentence in problem.message
    assert (problem.kind, advice in problem.advice) == (kind, True), problem.advice


def test_a_conflict_in_creating_ends(loop_thread: Loop, hub: RunningHub, tmp_path: Path) -> None:
    """The library repeats this answer at once, for ever."""
    interceptor = intercepted(loop_thread, hub)
    said = "Cannot create repo: another conflicting operation is in progress"
    interceptor.answer = Answer(409, body=json.dumps({"error": said}).encode(), times=20)
    problem = refusal(opened(hub), make_files(tmp_path, a=10))
    assert (problem.kind, problem.retryable) == (Trouble.BUSY, True)
    assert interceptor.seen == ["POST"]


def test_the_last_answer_of_a_window_is_obeyed(
    loop_thread: Loop, hub: RunningHub, tmp_path: Path
) -> None:
    """A success says that the next request would be refused: it is not sent before."""
    interceptor = intercepted(loop_thread, hub)
    destination = opened(hub)
    interceptor.added = {"ratelimit": '"api";r=0;t=90'}
    destination.prepare()
    interceptor.added = {}
    asked = len(interceptor.seen)
    with pytest.raises(PublishError) as caught:
        destination.plan(make_files(tmp_path, a=10))
    assert caught.value.kind is Trouble.BUSY
    assert 80 < (caught.value.retry_after or 0) <= 90
    assert len(interceptor.seen) == asked
    assert opened(hub, "hf_admin").test().steps[0].level == "ok", "another token has its own limit"


def test_messages_of_the_hub_are_cleaned(
    loop_thread: Loop, hub: RunningHub, tmp_path: Path
) -> None:
    """One short line that cannot steer a terminal, without the tokens that it repeats."""
    interceptor = intercepted(loop_thread, hub)
    said = "\u202egnp.exe\u2066 \x9b31m hf_\u200bcanarycanary https://a:canary@h/ " + "long " * 1000
    for answer in (
        Answer(422, body=json.dumps({"error": said}).encode()),
        Answer(422, headers={"X-Error-Message": "plain " + "long " * 1000}),
    ):
        interceptor.answer = answer
        problem = refusal(opened(hub), make_files(tmp_path, a=10))
        assert problem.message.isprintable()
        assert len(problem.message) < 300 + 100


@pytest.mark.parametrize("way", ["lfs", "parts", "xet"])
def test_a_large_folder(
    loop_thread: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Checkpoints, pictures and small files; broken off at a commit it goes on from there."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", way != "xet")
    config = HubConfig(tmp_path / "hub", part_bytes=4 * MIB if way == "parts" else None)
    hub = loop_thread.enter(running_hub(config))
    sizes = {f"checkpoint{n}__weights": 11 * MIB + n for n in range(5)}
    sizes |= {f"assets__picture{n}": 1000 + n for n in range(240)}
    files = make_files(tmp_path / "run", **sizes)
    target = HubTarget(REPO, endpoint=hub.url)
    destination = HubDestination(target, Secret("hf_write"), network=NetworkSettings(timeout=20))
    destination.prepare()
    items = destination.plan(files)
    for item in items:
        destination.send(item)
    hub.hub.faults.failures["/commit/"] = 1
    with pytest.raises(PublishError) as caught:
        destination.finish(items)
    assert caught.value.retryable
    received = hub.hub.received_bytes
    destination.finish(destination.plan(files))
    assert hub.hub.received_bytes < received + 11 * MIB  # no large file went up again
    assert all(item.present for item in destination.plan(files))
    for item in items[::40]:
        assert destination.verify(item, deep=True).checksum == item.sha256
    repo = hub.hub.repos.get("model", REPO)
    assert repo is not None
    assert len(repo.head.tree) == len(files)
