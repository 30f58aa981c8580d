"""When frames are drawn."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from textual.screen import UPDATE_PERIOD, Screen
from textual.timer import Timer

import tui.app
from tests.app.conftest import opened
from tui.app.terminal import prompt_frames
from tui.app.terminal.prompt_frames import FrameTimer, PromptFrames
from tui.settings import Home


class Drawn:
    """Frames, each by the loop's time."""

    def __init__(self, error: Exception | None = None) -> None:
        self.frames: list[float] = []
        self.failures: list[Exception] = []
        self.timer = FrameTimer(self._draw, self.failures.append)
        self._error = error

    def _draw(self) -> None:
        self.timer.pause()  # as Textual's screen does
        self.frames.append(asyncio.get_running_loop().time())
        if self._error is not None:
            raise self._error

    async def until(self, count: int) -> None:
        while len(self.frames) < count:
            await asyncio.sleep(0)


async def test_two_frames_follow_each_other_and_the_next_come_one_for_each_period() -> None:
    drawn = Drawn()
    for count in (1, 2):
        drawn.timer.resume()
        drawn.timer.resume()
        for _ in range(3):  # steps of the loop, none of which waits
            await asyncio.sleep(0)
        assert len(drawn.frames) == count
    for count in (3, 4):
        drawn.timer.resume()
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(drawn.frames) == count - 1
        await drawn.until(count)
    first, _, third, fourth = drawn.frames
    # The timer's note is taken just before the frame; the loop may be early by its clock's step.
    assert third - first > UPDATE_PERIOD * 0.9
    assert fourth - third > UPDATE_PERIOD * 0.9


async def test_nothing_is_drawn_after_a_pause() -> None:
    drawn = Drawn()
    drawn.timer.resume()
    drawn.timer.pause()
    drawn.timer.resume()
    await drawn.until(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(drawn.frames) == 1


async def test_a_frame_that_fails_is_told_and_the_next_is_drawn() -> None:
    error = ValueError("it cannot be drawn")
    drawn = Drawn(error)
    for count in (1, 2):
        drawn.timer.resume()
        await drawn.until(count)
    assert drawn.failures == [error, error]


def test_every_screen_and_sheet_draws_at_once_and_keeps_the_styles_of_its_kind() -> None:
    for module in pkgutil.walk_packages(tui.app.__path__, "tui.app."):
        importlib.import_module(module.name)
    own: list[type[Screen[Any]]] = [Screen]
    for kind in own:
        own += kind.__subclasses__()
    own = [one for one in own if one.__module__.startswith("tui.")]
    timer = inspect.getattr_static(PromptFrames, "_update_timer")
    assert [one for one in own if inspect.getattr_static(one, "_update_timer") is not timer] == []
    assert len(own) > 20
    # Textual looks for styles along the first base of each class, not along all of them: what
    # else is mixed in before its own class takes the styles of a sheet and of the palette away.
    bare = []
    for one in own:
        textuals = next(kind for kind in one.mro() if kind.__module__.startswith("textual."))
        if not set(one._css_bases(textuals)) <= set(one._css_bases(one)):
            bare.append((one, textuals))
    assert bare == []


async def test_with_an_unknown_textual_its_own_timer_draws(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(home) as (app, _):
        assert isinstance(app.screen._update_timer, FrameTimer)
    monkeypatch.setattr(prompt_frames, "supported", lambda: False)
    async with opened(home) as (app, _):
        assert isinstance(app.screen._update_timer, Timer)
