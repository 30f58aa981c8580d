"""The pre-submit check asks git about a folder, and runs nothing that its files name."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.world import World
from tests.support import needs_program

pytestmark = needs_program("git")


def git(folder: Path, *words: str) -> None:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = (
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "-c",
        "protocol.file.allow=always",
    )
    subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True,
        env={**os.environ, **quiet},
    )  # fmt: skip


def committed(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")


def touched(folder: Path, file: Path) -> None:
    """The same size at another time: git has to read it again, by its filter if it has one."""
    os.utime(file, ns=(1, 1))


async def asked(world: World, config: Path) -> dict[str, Any]:
    path = f"/api/cloud/pre-submit-check?config_name={quote(str(config))}"
    answer: dict[str, Any] = await asyncio.to_thread(world.client.request, "GET", path)
    return answer


def script(place: Path, mark: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    place.chmod(0o755)
    return place


def monitor(folder: Path, mark: Path, _config: Path) -> None:
    git(folder, "config", "core.fsmonitor", str(script(folder.parent / "act", mark)))


def included(folder: Path, mark: Path, _config: Path) -> None:
    more = folder.parent / "more"
    more.write_text(f"[core]\nfsmonitor = {script(folder.parent / 'act', mark)}\n")
    git(folder, "config", "include.path", str(more))


def hook(folder: Path, mark: Path, config: Path) -> None:
    script(folder / ".git" / "hooks" / "post-index-change", mark)
    touched(folder, config)


def clean_filter(folder: Path, mark: Path, config: Path, key: str = "clean") -> None:
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=my.odd\n")
    git(folder, "config", f"filter.my.odd.{key}", str(script(folder.parent / "act", mark)))
    git(folder, "config", "filter.my.odd.required", "true")
    touched(folder, config)


def process_filter(folder: Path, mark: Path, config: Path) -> None:
    clean_filter(folder, mark, config, "process")


def submodule(folder: Path, mark: Path, _config: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "x").write_text("x")
    committed(other)
    git(folder, "submodule", "add", "-q", str(other), "sub")
    git(folder, "commit", "-q", "-m", "sub")
    git(folder / "sub", "config", "core.fsmonitor", str(script(folder.parent / "act", mark)))


ACTS = [monitor, included, hook, clean_filter, process_filter, submodule]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_no_command_that_a_repository_configures_is_run(
    world: World, tmp_path: Path, act: Callable[[Path, Path, Path], None]
) -> None:
    folder, mark = world.config.parent, tmp_path / "ran"
    await asyncio.to_thread(committed, folder)
    await asyncio.to_thread(act, folder, mark, world.config)
    answer = await asked(world, world.config)
    assert not mark.exists()
    assert answer["repo_present"]
    assert answer["current_branch"] == "main"
    assert answer["dirty_paths"] == []
    # The trap works: without any care it springs.
    await asyncio.to_thread(subprocess.run, ["git", "-C", str(folder), "status"], check=False)
    assert mark.exists()


async def test_what_a_filter_cannot_be_overridden_for_is_not_asked(
    world: World, tmp_path: Path
) -> None:
    folder, mark = world.config.parent, tmp_path / "ran"
    await asyncio.to_thread(committed, folder)
    name = "a=b"
    act = script(tmp_path / "act", mark)
    with (folder / ".git" / "config").open("a") as config:
        config.write(f'[filter "{name}"]\nclean = {act}\n')
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text(f"* filter={name}\n")
    touched(folder, world.config)
    answer = await asked(world, world.config)
    assert not mark.exists()
    assert not answer["repo_present"]


async def test_the_users_and_the_callers_configuration_do_not_act_either(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mark = world.config.parent, tmp_path / "ran"
    await asyncio.to_thread(committed, folder)
    text = f"[core]\nfsmonitor = {script(tmp_path / 'act', mark)}\n"
    for name in (".gitconfig", ".config/git/config"):
        file = Path(os.environ["HOME"]) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "system").write_text(text)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "system"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path / "act"))
    assert (await asked(world, world.config))["repo_present"]
    assert not mark.exists()


async def test_git_does_not_read_delivered_files(world: World) -> None:
    outputs = world.home.outputs
    inside = outputs / "job" / "project"
    await asyncio.to_thread(shutil.copytree, world.config.parent, inside)
    await asyncio.to_thread(committed, inside)  # as an earlier version may have stored it
    config = inside / world.config.name
    assert not (await asked(world, config))["repo_present"]
    link = world.config.parent / "link"
    link.symlink_to(inside)
    assert not (await asked(world, link / world.config.name))["repo_present"]


async def test_delivered_files_do_not_make_a_repository_dirty(world: World) -> None:
    above = world.home.root.parent
    config = above / world.config.name
    await asyncio.to_thread(shutil.copytree, world.config.parent, above, dirs_exist_ok=True)
    (above / ".gitignore").write_text("h/*\n!h/cloud_outputs\n")
    await asyncio.to_thread(committed, above)
    world.home.outputs.mkdir(exist_ok=True)
    (world.home.outputs / "weights").write_bytes(b"x")
    (above / "new").touch()
    answer = await asked(world, config)
    assert answer["dirty_paths"] == ["new"]
