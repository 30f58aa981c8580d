"""The setting of the frame rate, as Textual takes it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from textual.constants import _get_environ_int

from tui.cli.open_app import limit_frames
from tui.settings import Settings


def test_the_frame_rate_is_the_settings_unless_the_environment_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {})
    slow = replace(Settings(), ui=replace(Settings().ui, frame_rate=8))
    limit_frames(slow)
    assert _get_environ_int("TEXTUAL_FPS", 60, minimum=1) == 8
    limit_frames(Settings())
    assert os.environ["TEXTUAL_FPS"] == "8"
