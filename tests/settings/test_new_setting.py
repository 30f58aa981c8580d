"""A new setting is one field: everything that knows of settings knows it then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import tui

FIELD = """    sparkle: int = field(
        default=3,
        metadata=about(
            "how much it sparkles, {low:g} to {high:g}",
            limits=(1, 9),
            risk="Sparkles are seen by others.",
            risky=9,
            provider="sparkle_level",
        ),
    )
"""
CHECKS = """
import asyncio
import sys
from pathlib import Path

import pytest

from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.provider_settings import config_row, read_changes
from tui.engine.http_api.settings import SettingsRoutes
from tui.settings import Home, Settings, load_settings, save_setting
from tui.settings.reading import settings_of
from tui.settings.writing import template

home = Home(Path(sys.argv[1]), Path(sys.argv[1]))
home.create()

# The file: its comments, its values, what is wrong in it, and misspelt names.
assert "# sparkle = 3  # how much it sparkles, 1 to 9" in template().splitlines()
assert settings_of("[ui]\\nsparkle = 4\\n", "x").ui.sparkle == 4
problems = settings_of("[ui]\\nsparkle = 10\\nspakle = 1\\n", "x").problems
assert [problem.words() for problem in problems] == [
    "settings.toml line 2: ui.sparkle must be from 1 to 9, not 10; its default is used.",
    "settings.toml line 3: ui.spakle is no setting, so it sets nothing "
    "(did you mean ui.sparkle?).",
]
save_setting(home, "ui", "sparkle", 5)
assert "sparkle = 5 # how much it sparkles, 1 to 9" in home.settings_file.read_text()

# The control API: all values, changes as typed, refusals at the field, the question first.
engine = Engine(home, load_settings(home, {}))
live, routes = engine.live, SettingsRoutes(engine)
assert routes.data()["settings"]["ui.sparkle"] == 5
assert "ui.sparkle" in routes.data()["changed"]
asyncio.run(routes.change({"ui.sparkle": "7"}))
assert live.now.ui.sparkle == 7
for value, message in (
    ("10", "ui.sparkle must be a whole number from 1 to 9."),
    ("9", "Sparkles are seen by others."),
):
    with pytest.raises(RefusedError) as caught:
        asyncio.run(routes.change({"ui.sparkle": value}))
    assert caught.value.message == message
asyncio.run(routes.change({"ui.sparkle": "9"}, confirmed=True))
assert load_settings(home, {}).ui.sparkle == 9
asyncio.run(routes.change({"ui.sparkle": None}))
assert live.now.ui == Settings().ui

# SimpleTuner's API.
assert config_row(live.now)["sparkle_level"] == 3
changes, ignored = read_changes({"sparkle_level": 8, "other": 1}, live.now)
assert (changes, ignored) == ({"ui": {"sparkle": 8}}, ["other"])
with pytest.raises(RefusedError, match="sparkle_level must be a whole number from 1 to 9"):
    read_changes({"sparkle_level": "8"}, live.now)
"""


def test_a_new_setting_is_one_field(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copytree(
        Path(tui.__file__).parent, program / "tui", ignore=shutil.ignore_patterns("__pycache__")
    )
    values = program / "tui/settings/values.py"
    before, here, after = values.read_text("utf-8").partition("    theme: str = field(")
    assert here
    values.write_text(f"{before}{FIELD}{here}{after}", "utf-8")
    state = tmp_path / "state"
    environ = os.environ | {
        "PYTHONPATH": str(program), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path),
        "SIMPLETUNER_TUI_HOME": str(state),
    }  # fmt: skip

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environ, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("-c", CHECKS, str(state))
    assert python("-m", "tui", "settings", "get", "ui.sparkle") == "3\n"
    lines = python("-m", "tui", "settings", "get", "ui").splitlines()
    assert any("ui.sparkle" in line and "how much it sparkles, 1 to 9" in line for line in lines)
