"""Where `publish` sends files: what is meant, what is refused, what is never replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.finished_jobs import files_in, put_job
from tests.cli.shell import Shell

FIRST = {"a.safetensors": b"one" * 999, "b.txt": b"same"}
SECOND = {"a.safetensors": b"two" * 999, "b.txt": b"same"}


@pytest.fixture(scope="module", autouse=True)
def jobs(shell: Shell) -> tuple[str, str]:
    return put_job(shell, 1, FIRST, "first"), put_job(shell, 2, SECOND, "second")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("dir:", "needs a folder"),
        ("dir:  ", "needs a folder"),
        ("", "--to says nothing"),
        ("{tmp}/x", "dir:{tmp}/x"),
        ("{tmp}/a:b", "dir:{tmp}/a:b"),
        ("you/cat", "hub:you/cat"),
        ("nowhere", "no destination"),
    ],
)
def test_an_invalid_place_is_refused_with_advice(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path, to: str, message: str
) -> None:
    before = shell.json("transfers")["transfers"]
    answer = shell.run("publish", jobs[0], "--to", to.format(tmp=tmp_path), status=2)
    assert message.format(tmp=tmp_path) in answer.stderr
    assert shell.json("transfers")["transfers"] == before
    assert not (shell.root / "a.safetensors").exists(), "not into the folder of the shell"


def test_two_spellings_of_a_folder_are_the_same_place(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    odd = f"~/../../..//../../../../..{tmp_path}/gone/../link/"
    row = shell.json("publish", jobs[0], "--to", f"dir:{odd}", "--wait")
    assert row["target"] == f"dir:{tmp_path}/link", "a link is not followed"
    added = shell.json("destinations", "add", "odd", "--kind", "folder", "--path", odd)
    assert added["options"]["path"] == f"{tmp_path}/link"


def test_other_files_are_replaced_only_with_overwrite(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    to = ("--to", f"dir:{tmp_path}/x")
    shell.json("publish", jobs[0], *to, "--wait")
    assert files_in(tmp_path / "x") == FIRST
    before = shell.json("transfers")["transfers"]
    refused = shell.run("publish", jobs[1], *to, status=1)
    assert "a.safetensors" in refused.stderr
    assert "b.txt" not in refused.stderr, "it is the same"
    assert "--overwrite" in refused.stderr
    failure = shell.json("publish", jobs[1], *to, status=1)
    assert set(failure) == {"error", "message", "advice", "detail", "details"}
    assert (failure["error"], failure["details"]) == ("taken", {"replaces": ["a.safetensors"]})
    assert files_in(tmp_path / "x") == FIRST
    assert shell.json("transfers")["transfers"] == before, "nothing was queued"
    assert shell.json("publish", jobs[1], *to, "--overwrite", "--wait")["state"] == "done"
    assert files_in(tmp_path / "x") == SECOND
    assert shell.json("publish", jobs[1], *to, "--wait")["state"] == "done", "the same again"


def test_transfers_are_listed_with_job_message_and_advice(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    row = shell.json("publish", jobs[0], "--to", f"dir:{tmp_path}/file/x", "--wait", status=1)
    assert row["state"] == "failed"
    shell.run("publish", jobs[1], "--to", f"dir:{tmp_path}/fine", "--wait")
    head, *lines = shell.run("transfers").stdout.splitlines()
    assert head.split() == ["ID", "JOB", "STATE", "DONE", "OF", "TO"]
    failed = next(line for line in lines if f"{tmp_path}/file/x" in line)
    assert failed.split()[:3] == [row["transfer_id"], "first", "failed"]
    assert row["advice"]
    assert failed.endswith(f"{row['message']} {row['advice']}")
    fine = next(line for line in lines if f"{tmp_path}/fine" in line)
    assert fine.split()[1:3] == ["second", "done"]
    assert "needs the id" in shell.run("transfers", "pause", status=2).stderr


def test_states_of_transfers_are_called_as_on_the_screen(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    row = shell.json("publish", jobs[0], "--to", f"dir:{tmp_path}/later")
    assert row["state"] in ("queued", "running"), "scripts have the engine's names"
    output = shell.run("publish", jobs[1], "--to", f"dir:{tmp_path}/later-too").stdout.split()
    assert output[1] in ("waiting", "sending")


def test_public_without_effect_is_reported(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    folder = shell.run("publish", jobs[0], "--to", f"dir:{tmp_path}/x", "--public", "--wait")
    assert "--public is for a new Hub repository" in folder.stderr
    hub = {"HF_TOKEN": "hf_write", "HF_ENDPOINT": shell.world.sandbox.hub_url}
    to = ("--to", "hub:sandbox/kept-private", "--wait")
    assert shell.run("publish", jobs[0], *to, **hub).stderr == ""
    existing = shell.run("publish", jobs[0], *to, "--public", **hub)
    assert "sandbox/kept-private is there already and stays private" in existing.stderr
    new = shell.run("publish", jobs[0], "--to", "hub:sandbox/new", "--wait", "--public", **hub)
    assert "--public" not in new.stderr


def test_a_refused_token_ends_with_status_3(shell: Shell, jobs: tuple[str, str]) -> None:
    hub = {"HF_TOKEN": "hf_expired", "HF_ENDPOINT": shell.world.sandbox.hub_url}
    row = shell.json("publish", jobs[0], "--to", "hub:sandbox/never", "--wait", status=3, **hub)
    assert row["kind"] == "credentials"
    shell.run("destinations", "add", "never", "--kind", "hub", "--repo", "sandbox/never", **hub)
    assert not shell.json("destinations", "test", "never", status=3, **hub)["ok"]
    delivery = ("--delivery", "hub", "--hub-model-id", "sandbox/never", "--yes")
    assert shell.run("submit", str(shell.config), *delivery, status=3, **hub).stderr


def test_ended_transfers_are_taken_off_the_list(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    row = shell.json("publish", jobs[0], "--to", f"dir:{tmp_path}/x", "--wait")
    one = shell.json("transfers", "clear", row["transfer_id"])
    assert one == {"cleared": [row["transfer_id"]]}
    shell.run("transfers", "clear", row["transfer_id"], status=1)  # it is off already
    shell.json("publish", jobs[0], "--to", f"dir:{tmp_path}/y", "--wait")
    assert "taken off the list" in shell.run("transfers", "clear").stdout
    assert "No transfers yet" in shell.run("transfers").stdout
    places = shell.json("artifacts", jobs[0])["jobs"][0]["files"][0]["published"]
    assert f"dir:{tmp_path}/x" in [place["target"] for place in places]


def test_a_wait_says_what_for_and_until_when(shell: Shell, jobs: tuple[str, str]) -> None:
    hub = shell.world.sandbox.hub
    assert hub is not None
    hub.hub.faults.failures["/commit/"] = 1
    env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_write"}
    answer = shell.run("publish", jobs[0], "--to", "hub:sandbox/late", "--wait", **env)
    assert re.search(r"The Hub has a problem .*Tried again at \d\d:\d\d:\d\d\.", answer.stderr)
    assert "done" in answer.stdout
