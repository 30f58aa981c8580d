"""Cloud, Publishing, help, notices, palette and themes."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.contrast import faint_texts
from tests.app.world import fill
from tui.app.keys.actions import APP, JOBS, MOVE
from tui.app.shell.help import HelpScreen
from tui.app.terminal.theme import TERMINAL, THEMES
from tui.app.widgets.virtual_list import VirtualList
from tui.settings import Home, Settings, UiSettings
from tui.store.records import shared_folder


async def test_number_keys_go_to_screens_and_keep_open_pages(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("j", "j", "1")
        await pilot.pause()
        assert "[1 Cloud]" in text_of(app)
        assert "Hardware" in text_of(app)
        await pilot.press("3")
        await pilot.pause()
        assert "[3 Publishing]" in text_of(app)
        await pilot.press("2")
        await pilot.pause()
        assert "[2 Jobs]" in text_of(app)
        assert app.screen.query_one("#jobs").index == 2  # type: ignore[attr-defined]
        assert len(app.screen_stack) == 1
        await pilot.press("1", "escape")
        await pilot.pause()
        assert "[2 Jobs]" in text_of(app)


async def test_publishing_lists_files_and_copies_where_they_are(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("3")
        await pilot.pause()
        text = text_of(app)
        assert "pytorch_lora_weights.safetensors" in text  # the newest job is unfolded
        assert "220 MiB" in text
        await pilot.press("j", "j", "y")
        assert app.clipboard == str(world.outputs / "job00003" / "pytorch_lora_weights.safetensors")
        for _ in range(2):  # a moved key works on, and says once where its action is
            await pilot.press("x")
            assert len(app.clipboard) == 64
        told = [one.message for one in app.notices if "copy sha256" in one.message]
        assert told == ["“copy sha256” is in the commands now, :; x still works for a while."]
        await pilot.press("Y", "enter")
        await wait_for(pilot, lambda: app.clipboard == "simpletuner-tui artifacts job00003")
        await pilot.press("o")
        assert "no desktop in this session" in app.notices[-1].message
        await pilot.press("h", "h", "j")
        await pilot.pause()
        assert "pytorch_lora_weights.safetensors" not in text_of(app)
        assert app.screen.command_job() == "job00005"  # type: ignore[attr-defined]
        await pilot.press("slash", *"ink-wash-5", "enter")
        await pilot.pause()
        assert "/ ink-wash-5 · 1 job found" in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "[3 Publishing]" in text_of(app)
        assert "job found" not in text_of(app)


async def test_publishing_without_files_says_how_to_get_some(home: Home) -> None:
    fill(home, 2, running=2)
    async with opened(home) as (app, pilot):
        await pilot.press("3")
        await pilot.pause()
        assert "No files collected yet." in text_of(app)
        assert "No destination yet" in text_of(app)


async def test_help_searches_runs_and_copies(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Cancel the job, or the marked jobs" in text_of(app)
        assert "simpletuner-tui cancel job00000" in text_of(app)
        await pilot.press("slash", *"cancel", "enter")
        await pilot.pause()
        assert "Sort by the next column" not in text_of(app)
        await pilot.press("y")
        assert app.clipboard == "simpletuner-tui cancel job00000"
        await pilot.press("escape", "slash", *"next", "space", *"column", "enter", "enter")
        await wait_for(pilot, lambda: app.model.sort == "name")
        assert len(app.screen_stack) == 1


async def test_the_help_is_whole_on_the_smallest_screen(world: Home) -> None:
    async with opened(world, size=(60, 15)) as (app, pilot):
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert all(words in lines_of(app)[0] for words in ("/ find", "enter do", "esc back"))
        shown: list[str] = []
        assert lines_of(app)[-1] == f"╰{'─' * 58}╯"
        for _ in range(13):
            page = [line[20:-1].strip() for line in lines_of(app)[1:-1]]
            known = max(n for n in range(len(page) + 1) if n == 0 or shown[-n:] == page[:n])
            shown += page[known:]
            await pilot.press("pagedown")
        words = " ".join(" ".join(shown).split())
        for action in (*JOBS, *MOVE, *APP):
            assert action.help in words, action.id


async def test_keys_below_a_sheet_are_not_shown(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await wait_for(pilot, lambda: "q quit" in lines_of(app)[-1])
        for key, sheet in (("Y", "Copy"), ("ctrl+n", "Notices"), ("question_mark", "Keys")):
            await pilot.press(key)
            await wait_for(pilot, lambda sheet=sheet: f"─ {sheet}" in text_of(app))
            await wait_for(pilot, lambda: "q quit" not in lines_of(app)[-1])
            await pilot.press("escape")
            await wait_for(pilot, lambda: "q quit" in lines_of(app)[-1])


async def test_the_palette_has_every_action_with_its_key_or_why_not(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("ctrl+p")
        await wait_for(pilot, lambda: "Open  (enter)" in text_of(app))
        await pilot.press("escape", "colon")
        await wait_for(pilot, lambda: "Open  (enter)" in text_of(app))
        await pilot.press(*"unmark")
        await wait_for(pilot, lambda: "Not now: Nothing is marked." in text_of(app))
        await pilot.press("escape", "colon", *"reverse")
        await wait_for(pilot, lambda: "Reverse  (S)" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.model.descending is False)


async def test_notices_are_kept(world: Home) -> None:
    async with opened(world) as (app, pilot):
        app.tell("The engine's word for a warning.", level="warn")
        assert app.notices.pop().level == "warning"
        app.tell("first", "do this", "error")
        app.tell("second \x1b[31m", level="nonsense")
        await pilot.press("ctrl+n")
        await pilot.pause()
        lines = [line for line in text_of(app).split("\n") if "first" in line or "second" in line]
        assert "second" in lines[0]
        assert "✗ first" in lines[1]
        assert "\x1b" not in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "[2 Jobs]" in text_of(app)


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        ([], ""),
        (["a.txt"], ""),
        (["a.txt", "b/c.txt"], ""),
        (["job/x/a", "job/x/b/c"], "job/x/"),
        (["job/xa/a", "job/xb/a"], "job/"),
        (["job/one"], "job/"),
    ],
)
def test_the_folder_that_files_share(paths: list[str], folder: str) -> None:
    assert shared_folder(paths) == folder


SHOWN_BY = (
    "1", "3", "2", "question_mark", "escape", "n", "escape", "enter", "tab", "escape", "i",
    "escape", "ctrl+p", "escape", "c", "ctrl+n",
)  # fmt: skip
"""Keys that open one screen or sheet after the other."""


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_every_theme_draws_every_screen(world: Home, theme: str) -> None:
    async with opened(world, settings=Settings(ui=UiSettings(theme=theme))) as (app, pilot):
        assert app.theme == theme
        for key in SHOWN_BY:
            await pilot.press(key)
            await pilot.pause()
            assert text_of(app).strip()
            if theme != TERMINAL.name:  # whose colours are the terminal's own
                assert list(faint_texts(app)) == [], key
            elif isinstance(here := app.focused, VirtualList) and here.shows_cursor:
                await _without_colour_the_cursor_is_seen(pilot, here)


async def _without_colour_the_cursor_is_seen(pilot: Pilot[int], lines: VirtualList) -> None:
    def beginning(index: int) -> str:
        return lines.render_line(index - lines.top + lines.HEADER).text[:4]

    here = lines.index
    on, step = beginning(here), 1 if here < lines.count - 1 else -1
    lines.move_to(here + step)
    await pilot.pause()
    if lines.index != here:
        assert beginning(here) != on, type(lines)


async def test_an_unknown_theme_falls_back_and_t_changes_it(world: Home) -> None:
    async with opened(world, settings=Settings(ui=UiSettings(theme="nonsense"))) as (app, pilot):
        assert app.theme == "simpletuner-dark"
        await pilot.press("T")
        assert app.theme == "simpletuner-light"
        await pilot.press("T", "T")
        assert app.theme == "simpletuner-dark"


async def test_quitting_ends_with_zero(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("q")
        await wait_for(pilot, lambda: app.return_code == 0 and app._exit)
