"""The test runner, and the choice of quick tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import TIERS, command, main
from tests.conftest import fixtures_of_ours, is_quick

ROOT = Path(__file__).parents[1]


def test_arguments_are_passed_to_pytest() -> None:
    assert command("all", ["-x", "tests/store"])[1:] == ["-m", "pytest", "-x", "tests/store"]
    assert command("release", ["slow_line"])[1:] == ["-m", "tests.benchmarks", "slow_line"]
    assert command("fast", ["-x"])[-3:] == ["-m", "quick and not release", "-x"]


@pytest.mark.parametrize("arguments", [[], ["quick"], ["-x"]])
def test_without_a_tier_the_runner_lists_them(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert all(f"  {name}" in shown for name in TIERS)


def test_the_command_of_the_readme_runs_no_release_tests(tmp_path: Path) -> None:
    """Only the tier `release` runs the tests marked release."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text(
        "import pytest\n@pytest.mark.release\ndef test_long(): pass\n"
        "@pytest.mark.quick\ndef test_short(): pass\n"
    )
    for tier in ("all", "fast", "release"):
        arguments = [*command(tier, ["-n", "0", "--collect-only"]), "tests/test_it.py"]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "test_short" in done.stdout
        assert ("test_long" in done.stdout) is (tier == "release")


def test_tests_that_start_nothing_are_quick(
    request: pytest.FixtureRequest, own_world: Path
) -> None:
    """A test is quick unless a fixture or its module starts something, as this module does."""
    fixtures = fixtures_of_ours(request.node)
    every_test = {
        "own_world", "homes", "recognisable_secrets", "watched_shapes", "answers_fit",
        "forgotten_secrets", "ended_processes",
    }  # fmt: skip
    assert set(fixtures) == every_test
    assert not is_quick(request.node, fixtures)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(sys.modules[__name__], "subprocess")
        assert is_quick(request.node, fixtures)
        assert not is_quick(request.node, {*fixtures, "world"})


async def test_tests_with_an_event_loop_are_not_quick(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sys.modules[__name__], "subprocess")
    assert not is_quick(request.node, ())


def test_pytest_runs_the_tests_in_this_interpreter() -> None:
    assert all(command(tier, [])[0] == sys.executable for tier in TIERS)
