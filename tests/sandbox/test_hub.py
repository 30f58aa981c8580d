"""The sandbox's Hub, judged by the real `huggingface_hub`."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._xet import abort_xet_session
from huggingface_hub.utils.tqdm import disable_progress_bars

from tui.sandbox.hub import HubConfig, HubRepo, HubToken, RunningHub, serve_hub

TOKEN = "hf_write"
Open = Callable[..., Awaitable[RunningHub]]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    disable_progress_bars()


@pytest.fixture
async def open_hub(tmp_path: Path) -> AsyncIterator[Open]:
    running: list[RunningHub] = []

    async def go(**settings: Any) -> RunningHub:
        running.append(await serve_hub(HubConfig(tmp_path / f"hub{len(running)}", **settings)))
        return running[-1]

    yield go
    for hub in running:
        await hub.aclose()


@pytest.fixture(params=["lfs", "lfs in parts", "xet"])
async def any_hub(
    request: pytest.FixtureRequest, open_hub: Open, monkeypatch: pytest.MonkeyPatch
) -> RunningHub:
    """The same Hub by the three ways that large files can go up."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param != "xet")
    return await open_hub(part_bytes=1_000_000 if request.param == "lfs in parts" else None)


@pytest.fixture(scope="module", autouse=True)
def xet_session() -> Iterator[None]:
    """The library keeps one session of its own; its threads end here."""
    yield
    abort_xet_session()


def api(hub: RunningHub, token: str = TOKEN) -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def make_run(folder: Path) -> dict[str, bytes]:
    """A folder as a training run leaves it."""
    files = {
        "pytorch_lora_weights.safetensors": os.urandom(3_141_592),
        "checkpoint-10/pytorch_lora_weights.safetensors": os.urandom(1_000_000),
        "README.md": b"---\nlicense: other\n---\n# cat\n",
        "empty.txt": b"",
        "assets/a b+c.png": os.urandom(2000),
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


async def run(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
    return await asyncio.to_thread(call, *args, **more)


async def test_an_uploaded_folder_is_downloaded_unchanged(
    any_hub: RunningHub, tmp_path: Path
) -> None:
    files = make_run(tmp_path / "run")
    hub = api(any_hub)
    await run(hub.create_repo, "sandbox/cat", private=True)
    await run(hub.upload_folder, repo_id="sandbox/cat", folder_path=tmp_path / "run")
    listed = {item.path: item for item in await run(
        lambda: list(hub.list_repo_tree("sandbox/cat", recursive=True))
    ) if hasattr(item, "size")}  # fmt: skip
    assert set(listed) == set(files)
    large = listed["pytorch_lora_weights.safetensors"]
    expected = hashlib.sha256(files["pytorch_lora_weights.safetensors"]).hexdigest()
    assert large.lfs.sha256 == expected
    for name, data in files.items():
        path = await run(hub.hf_hub_download, "sandbox/cat", name)
        assert Path(path).read_bytes() == data, name
        assert listed[name].size == len(data)


async def test_uploading_the_same_folder_again_sends_nothing_and_adds_no_commit(
    any_hub: RunningHub, tmp_path: Path
) -> None:
    make_run(tmp_path / "run")
    hub = api(any_hub)
    await run(hub.create_repo, "sandbox/cat")
    first = await run(hub.upload_folder, repo_id="sandbox/cat", folder_path=tmp_path / "run")
    received = any_hub.hub.received_bytes
    second = await run(hub.upload_folder, repo_id="sandbox/cat", folder_path=tmp_path / "run")
    assert second.oid == first.oid
    assert any_hub.hub.received_bytes == received


async def test_an_interrupted_download_is_resumed(open_hub: Open, tmp_path: Path) -> None:
    running = await open_hub()
    hub = api(running)
    data = os.urandom(500_000)
    await run(hub.create_repo, "sandbox/cat")
    for name in ("small.txt", "large.bin"):
        operation = CommitOperationAdd(name, data)
        await run(hub.create_commit, "sandbox/cat", [operation], commit_message="add")
        url = f"{running.url}/sandbox/cat/resolve/main/{name}"
        from huggingface_hub import get_session

        answer = await run(
            get_session().get, url, headers={"Range": "bytes=499990-"}, follow_redirects=True
        )
        assert (answer.status_code, answer.content) == (206, data[-10:])


@pytest.mark.parametrize(
    ("token", "repo", "status"),
    [
        ("hf_read", "sandbox/cat", 403),
        ("hf_expired", "sandbox/cat", 401),
        ("nonsense", "sandbox/cat", 401),
        ("hf_fine", "sandbox-lab/cat", 403),
        ("hf_one", "sandbox/cat", 403),
        ("hf_write", "somebody/cat", 403),
        ("hf_write", "sandbox/ca--t", 0),
        ("hf_write", "sandbox/cat", 200),
        ("hf_fine", "sandbox/cat", 200),
        ("hf_write", "sandbox-lab/cat", 200),
        ("hf_one", "sandbox/only-this", 200),
    ],
)
async def test_who_may_create_what(open_hub: Open, token: str, repo: str, status: int) -> None:
    hub = api(await open_hub(), token)
    if status == 200:
        await run(hub.create_repo, repo)
        assert (await run(hub.repo_info, repo)).id == repo
        await run(hub.auth_check, repo, write=True)
    elif status:
        with pytest.raises(HfHubHTTPError) as caught:
            await run(hub.create_repo, repo)
        assert caught.value.response.status_code == status
    else:
        with pytest.raises(ValueError):
            await run(hub.create_repo, repo)


async def test_repository_names_are_unique_per_kind(open_hub: Open) -> None:
    hub = api(await open_hub())
    await run(hub.create_repo, "sandbox/cat", repo_type="dataset")
    await run(hub.create_repo, "sandbox/cat")
    with pytest.raises(HfHubHTTPError) as caught:
        await run(hub.create_repo, "sandbox/cat")
    assert caught.value.response.status_code == 409
    await run(hub.create_repo, "sandbox/cat", exist_ok=True)


async def test_whoami_has_scopes_and_organisations(open_hub: Open) -> None:
    running = await open_hub()
    answer = await run(api(running, "hf_one").whoami)
    assert answer["name"] == "sandbox"
    assert [org["name"] for org in answer["orgs"]] == ["sandbox-lab"]
    token = answer["auth"]["accessToken"]
    assert token["role"] == "fineGrained"
    assert token["fineGrained"]["scoped"][0]["entity"]["name"] == "sandbox/only-this"
    assert "repo.write" in token["fineGrained"]["scoped"][0]["permissions"]
    assert (await run(api(running).whoami))["auth"]["accessToken"]["role"] == "write"


async def test_private_gated_and_missing_repositories_raise_the_errors_of_the_library(
    open_hub: Open,
) -> None:
    running = await open_hub()
    running.hub.accounts.tokens["hf_bob"] = HubToken("bob")
    repos = running.hub.repos
    repos.add(HubRepo("sandbox/secret", private=True))
    repos.add(HubRepo("somebody/flux", gated=True))
    bob, own = api(running, "hf_bob"), api(running)
    with pytest.raises(RepositoryNotFoundError):
        await run(bob.repo_info, "sandbox/secret")
    assert (await run(own.repo_info, "sandbox/secret")).private
    with pytest.raises(GatedRepoError):
        await run(own.auth_check, "somebody/flux")
    gated = repos.get("model", "somebody/flux")
    assert gated is not None
    gated.accepted.add("sandbox")
    await run(own.auth_check, "somebody/flux")
    with pytest.raises(RevisionNotFoundError):
        await run(own.repo_info, "sandbox/secret", revision="nope")
    with pytest.raises(EntryNotFoundError):
        await run(own.hf_hub_download, "sandbox/secret", "nothing.txt")
    with pytest.raises(HfHubHTTPError) as caught:
        await run(bob.upload_file, path_or_fileobj=b"1", path_in_repo="a", repo_id="somebody/flux")
    assert caught.value.response.status_code == 403


async def test_a_commit_on_an_old_parent_is_refused(open_hub: Open) -> None:
    hub = api(await open_hub())
    await run(hub.create_repo, "sandbox/cat")
    parent = (await run(hub.repo_info, "sandbox/cat")).sha

    def commit(text: bytes) -> Any:
        return hub.create_commit(
            "sandbox/cat", [CommitOperationAdd("a.txt", text)], commit_message="a",
            parent_commit=parent,
        )  # fmt: skip

    await run(commit, b"1")
    with pytest.raises(HfHubHTTPError) as caught:
        await run(commit, b"2")
    assert caught.value.response.status_code == 412


async def test_deleting_files_and_folders(open_hub: Open, tmp_path: Path) -> None:
    running = await open_hub()
    hub = api(running)
    make_run(tmp_path / "run")
    await run(hub.create_repo, "sandbox/cat")
    await run(hub.upload_folder, repo_id="sandbox/cat", folder_path=tmp_path / "run")
    await run(hub.delete_file, "README.md", "sandbox/cat")
    await run(hub.delete_folder, "checkpoint-10", "sandbox/cat")
    repo = running.hub.repos.get("model", "sandbox/cat")
    assert repo is not None
    tree = repo.head.tree
    assert sorted(tree) == ["assets/a b+c.png", "empty.txt", "pytorch_lora_weights.safetensors"]
    with pytest.raises(EntryNotFoundError):
        await run(hub.delete_file, "README.md", "sandbox/cat")


async def test_a_long_listing_has_pages(open_hub: Open) -> None:
    hub = api(await open_hub())
    await run(hub.create_repo, "sandbox/many")
    adds = [CommitOperationAdd(f"f/{number:04}.txt", b"x") for number in range(1005)]
    await run(hub.create_commit, "sandbox/many", adds, commit_message="many")
    assert len(await run(hub.list_repo_files, "sandbox/many")) == 1005


async def test_quota_and_changed_bytes_are_refused(
    open_hub: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    running = await open_hub()
    hub = api(running)
    await run(hub.create_repo, "sandbox/cat")
    wrong = CommitOperationAdd("a.bin", b"announced")
    wrong.path_or_fileobj = b"different"
    with pytest.raises(Exception, match="uploading"):
        await run(hub.create_commit, "sandbox/cat", [wrong], commit_message="a")
    running.hub.faults.quota = 10
    with pytest.raises(ValueError, match="quota"):
        await run(
            hub.upload_file, path_or_fileobj=b"x" * 11, path_in_repo="b.bin", repo_id="sandbox/cat"
        )
    repo = running.hub.repos.get("model", "sandbox/cat")
    assert repo is not None
    assert not repo.head.tree
    assert not list((running.hub.config.root / "incoming").iterdir())
