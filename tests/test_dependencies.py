"""What the project depends on: bounded where a new major version may break it, and pinned in CI."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    found = [Requirement(text) for text in texts]
    return [one for one in found if one.name != project["name"]]


def pins() -> dict[str, str]:
    lines = (ROOT / ".ci/constraints.txt").read_text().splitlines()
    rows = [line.split("==") for line in lines if not line.startswith("#")]
    return dict(rows)


@pytest.mark.parametrize("needed", requirements(), ids=lambda needed: needed.name)
def test_a_new_major_version_of_a_dependency_is_not_taken_unseen(needed: Requirement) -> None:
    kinds = {specifier.operator for specifier in needed.specifier}
    assert kinds & {"<", "=="} or needed.name == "typing_extensions", "it never breaks its users"


@pytest.mark.parametrize("needed", requirements(), ids=lambda needed: needed.name)
def test_the_pinned_versions_are_ones_that_the_project_takes(needed: Requirement) -> None:
    pinned = pins().get(needed.name.lower().replace("_", "-"))
    assert pinned is not None
    assert needed.specifier.contains(pinned)


def test_the_pins_name_no_address() -> None:
    assert "://" not in (ROOT / ".ci/constraints.txt").read_text()
    assert all(name and version for name, version in pins().items())
