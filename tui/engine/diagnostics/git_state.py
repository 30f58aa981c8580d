"""The git state of a folder, read without running commands that the repository configures.

A repository's own configuration names commands that `git status` runs: `core.fsmonitor`, hooks,
filters that `.gitattributes` selects, helpers that fetch missing objects. Anybody who can put files
into the folder could run commands as the user that way (git-config(1), githooks(5),
gitattributes(5)).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path
from typing import Final

from tui.api.planning import GitRepository

_SECONDS: Final = 5.0
_MOST_PATHS: Final = 100
_FILTER: Final = re.compile(r"(filter\..*)\.(?:clean|smudge|process|required)", re.DOTALL)
_NOTHING: Final = os.devnull
_ENVIRONMENT: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": _NOTHING,
    "GIT_CONFIG_GLOBAL": _NOTHING,
    "GIT_ATTR_NOSYSTEM": "1",
    "HOME": _NOTHING,  # where git before 2.32 looks for the global configuration
    "XDG_CONFIG_HOME": _NOTHING,
    "GIT_OPTIONAL_LOCKS": "0",  # nothing is written, the index included
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # the same for git before 2.44: no transport may be used
    "GIT_TERMINAL_PROMPT": "0",
}
_OVERRIDES: Final = ("core.fsmonitor=false", f"core.hooksPath={_NOTHING}")


async def git_state(folder: Path, outputs: Path) -> GitRepository:
    """Return the git state of a folder in the form of SimpleTuner's pre-submit check.

    Args:
        folder: the folder.
        outputs: the folder of delivered files, which strangers fill; git does not read it.
    """
    state: GitRepository = {
        "git_available": shutil.which("git") is not None, "repo_present": False,
        "is_dirty": False, "dirty_count": 0, "dirty_paths": [], "current_commit": None,
        "current_abbrev": None, "current_branch": None,
    }  # fmt: skip
    folder_path, outputs_path = await asyncio.to_thread(
        lambda: (folder.resolve(), outputs.resolve())
    )
    if not state["git_available"] or folder_path.is_relative_to(outputs_path):
        return state
    git = _Git(folder_path, outputs_path)
    in_work_tree = await git.run("rev-parse", "--is-inside-work-tree")
    if in_work_tree != "true" or not await git.disarm():
        return state
    pathspec = ["--", "."]
    if outputs_path.is_relative_to(folder_path):
        pathspec.append(f":(exclude,literal){outputs_path.relative_to(folder_path).as_posix()}")
    dirty = (
        await git.run("status", "--porcelain", "--ignore-submodules=all", *pathspec) or ""
    ).split("\n")
    dirty = [line for line in dirty if line]
    commit = await git.run("rev-parse", "--verify", "-q", "HEAD")
    return {
        "git_available": True,
        "repo_present": True,
        "is_dirty": bool(dirty),
        "dirty_count": len(dirty),
        "dirty_paths": [line[3:] for line in dirty[:_MOST_PATHS]],
        "current_commit": commit or None,
        "current_abbrev": commit[:7] if commit else None,
        "current_branch": await git.run("symbolic-ref", "-q", "--short", "HEAD") or None,
    }


class _Git:
    """Runs git in a folder, with configured commands disabled."""

    def __init__(self, folder: Path, outputs: Path) -> None:
        self._folder = folder
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self._environment = {**plain, **_ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(outputs)}
        self._overrides = list(_OVERRIDES)

    async def disarm(self) -> bool:
        """Disable every filter that the repository defines; False if that is impossible.

        An empty command filters nothing (git's convert.c), and `required` would make it an error.
        """
        configured = await self.run("config", "--list", "--name-only", "-z")
        if configured is None:
            return False
        filters = {
            match[1] for name in configured.split("\0") if (match := _FILTER.fullmatch(name))
        }
        for name in sorted(filters):
            if "=" in name or "\n" in name:  # what `-c` cannot name
                return False
            self._overrides += [f"{name}.{key}=" for key in ("clean", "smudge", "process")]
            self._overrides.append(f"{name}.required=false")
        return True

    async def run(self, *arguments: str) -> str | None:
        """Return git's output, or None when it fails or takes longer than `_SECONDS`."""
        options = [word for override in self._overrides for word in ("-c", override)]
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(self._folder), *options, *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return None
        return output.decode("utf-8", "replace").strip("\n") if process.returncode == 0 else None
