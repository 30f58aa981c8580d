"""Replicate's official clients work with the sandbox as with the live service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import HERE, Report, node_client, play, python_client
from tests.sandbox.background import Background

pytestmark = pytest.mark.xdist_group("clients")
SCENARIOS = (
    "account_and_models",
    "create_and_wait",
    "create_that_waits",
    "cancel",
    "list_all_pages",
    "files",
    "webhook_and_its_secret",
    "stream",
    "run_and_model_error",
    "errors",
    "trainings_and_deployments",
)


@pytest.fixture(scope="session")
def interpreter(environments: Path) -> Path:
    return python_client(environments, "1.0.7")


@pytest.fixture(scope="session")
def python_1(world: Background, interpreter: Path) -> Report:
    return play(world, interpreter, HERE / "use_python_1.py")


@pytest.fixture(scope="session")
def python_2(world: Background, environments: Path) -> Report:
    return play(world, python_client(environments, "2.0.0b4"), HERE / "use_python_2.py")


@pytest.fixture(scope="session")
def node(world: Background, environments: Path) -> Report:
    folder = node_client(environments, "1.4.0")
    return play(world, "node", HERE / "use_node.js", folder)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_python_1_0_7(python_1: Report, scenario: str) -> None:
    assert python_1[scenario] == ""


@pytest.mark.parametrize("scenario", [*SCENARIOS, "a_life_that_is_too_short"])
def test_python_2_beta(python_2: Report, scenario: str) -> None:
    assert python_2[scenario] == ""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_node_1_4_0(node: Report, scenario: str) -> None:
    assert node[scenario] == ""


def test_the_django_style_of_answers_is_parsed(odd_world: Background, interpreter: Path) -> None:
    """Only this client validates answers against a model."""
    only = ("create_and_wait", "cancel", "list_all_pages", "trainings_and_deployments")
    report = play(odd_world, interpreter, HERE / "use_python_1.py", only=" ".join(only))
    assert report == dict.fromkeys(only, "")
