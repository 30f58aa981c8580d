"""Wheel and sdist: what is in them, built twice to the same bytes, installed in every way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tui import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_TOOLS = ("hatchling", "uv", "pipx")


def linked() -> set[str]:
    """Files of the tree that the pages for users link."""
    return {
        path
        for page in ("README.md", "REVERSE-PROXIES.md", "SECURITY.md", "CONTRIBUTING.md")
        for path in _LINK.findall((ROOT / page).read_text("utf-8"))
    }


def test_the_sdist_has_what_its_pages_link() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    kept = [PurePosixPath(pattern.lstrip("/")) for pattern in included]
    lacking = {
        link
        for link in linked()
        if not any(
            PurePosixPath(link).match(str(one)) or one in PurePosixPath(link).parents
            for one in kept
        )
    }
    assert linked() >= {"REVERSE-PROXIES.md", "screenshots/jobs.png"}
    assert not lacking


def test_the_version_is_written_in_one_place() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "tui/__init__.py"
    literal = re.compile(rf'version\w*\s*[:=]\s*["\']{re.escape(__version__)}["\']', re.IGNORECASE)
    said = [
        path.relative_to(ROOT).as_posix()
        for path in (*(ROOT / "tui").rglob("*.py"), ROOT / "pyproject.toml")
        if literal.search(path.read_text("utf-8"))
    ]
    assert said == ["tui/__init__.py"]


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(tree: Path, place: Path, tools: Path, **environ: str) -> dict[str, bytes]:
    """Wheel and sdist of a tree, by name."""
    command = (sys.executable, "-m", "hatchling", "build", "-d", place)
    run(*command, cwd=tree, PYTHONPATH=str(tools), **environ)
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that is not searched for secrets: the tests' own are in what is built."""
    with tempfile.TemporaryDirectory(prefix="st-packages-") as folder:
        yield Path(folder)


@pytest.mark.release
@pytest.mark.timeout(1500)
def test_built_twice_to_the_same_bytes_and_installed_in_every_way(place: Path) -> None:
    tools = place / "tools"
    way_out = re.compile(r"(PIP|UV|SSL|REQUESTS)_\w+|(\w+_)?PROXY", re.IGNORECASE)
    wanted = {name: value for name, value in os.environ.items() if way_out.fullmatch(name)}
    wanted["HOME"] = str(place)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(*pip, "--target", tools, *_TOOLS, cwd=place, **wanted)
    here, there = place / "a", place / "a longer name"
    for tree in (here, there):
        shutil.copytree(
            ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
        )
    first = build(here, place / "first", tools, COLUMNS="60", LC_ALL="C")
    again = build(there, place / "again", tools, COLUMNS="200", TZ="Asia/Tokyo")
    assert first == again
    sdist = next((place / "first").glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(place / "unpacked", filter="data")
    assert linked() <= names
    (unpacked,) = (place / "unpacked").iterdir()
    wheel = next((place / "first").glob("*.whl"))
    from_sdist = build(unpacked, place / "third", tools)
    assert from_sdist[wheel.name] == first[wheel.name]

    python, tool = sys.executable, {**wanted, "PYTHONPATH": str(tools)}
    run(tools / "bin/uv", "tool", "install", "-q", "--python", python, wheel, cwd=place, **tool)
    run(python, "-m", "pipx", "install", wheel, cwd=place, **tool,
        PIPX_HOME=f"{place}/pipx", PIPX_BIN_DIR=f"{place}/pipx-bin",
        PIPX_MAN_DIR=f"{place}/pipx-man", PIPX_DEFAULT_PYTHON=python)  # fmt: skip
    assert (place / "pipx-man/man1/simpletuner-tui.1").exists()
    base = Path(sys.base_prefix) / "bin" / Path(python).resolve().name
    user = {**wanted, "PYTHONUSERBASE": f"{place}/user"}
    run(base, "-m", "pip", "install", "-q", "--user", "--break-system-packages", wheel,
        cwd=place, **user)  # fmt: skip
    assert (place / "user/share/man/man1/simpletuner-tui.1").exists()
    for program in (".local/bin", "pipx-bin", "user/bin"):
        said = run(place / program / "simpletuner-tui", "--version", cwd=place, **user)
        assert said == f"simpletuner-tui {__version__}\n", program
