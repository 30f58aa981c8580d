"""The registry: every action can be done, every key means one thing, user settings apply."""

from __future__ import annotations

from collections import Counter

import pytest
from textual.keys import _character_to_key

from tests.app.conftest import opened, text_of
from tui.app.app import SimpleTunerApp
from tui.app.cloud.screen import CloudScreen
from tui.app.jobs.screen import JobsScreen
from tui.app.keys.actions import APP, MOVE, PROGRAM, REGISTRY, in_footer
from tui.app.keys.keymap import KeyMap, bindings, shown, typed
from tui.app.publishing.screen import PublishingScreen
from tui.app.shell.screen import AppScreen
from tui.cli.main import build_parser
from tui.settings import Home, Settings, UiSettings

SCREENS = (JobsScreen, CloudScreen, PublishingScreen)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_action_of_a_screen_can_be_done(screen: type[AppScreen]) -> None:
    for action in screen.ACTIONS:
        assert hasattr(screen, action.method), action.id
    for action in APP:
        assert hasattr(screen, action.method) or hasattr(SimpleTunerApp, action.method), action.id


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_means_two_things_on_a_screen(screen: type[AppScreen]) -> None:
    keys = Counter(key for action in (*screen.ACTIONS, *APP, *MOVE) for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_ids_are_unique_and_every_action_explains_itself() -> None:
    ids = Counter(action.id for action in REGISTRY)
    assert max(ids.values()) == 1
    for action in REGISTRY:
        assert action.help.endswith("."), action.id
        assert action.label
        assert action.keys or not action.footer, action.id


@pytest.mark.parametrize("action", [one for one in REGISTRY if one.command], ids=lambda one: one.id)
def test_equivalent_command_lines_are_real_ones(action) -> None:
    words = action.command.format(job="job00001").split()
    assert words[0] == PROGRAM
    build_parser().parse_args(words[1:])


def test_footer_shows_the_most_important_first() -> None:
    ranks = [action.footer for action in in_footer(REGISTRY)]
    assert ranks == sorted(ranks)
    assert 0 not in ranks


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"jobs.cancel": "n"}, "n already means “new”"),
        ({"jobs.cancel": "q"}, "q already means “quit”"),
        ({"jobs.cancel": "j"}, "j already means “down”"),
        ({"app.quit": "c"}, "c already means “cancel”"),
        ({"jobs.cancle": "x"}, "there is no action “jobs.cancle”"),
        ({"jobs.cancel": "  "}, "no key is given"),
    ],
)
def test_unusable_key_settings_are_reported(wish: dict[str, str], words: str) -> None:
    keymap = KeyMap(wish)
    assert len(keymap.problems) == 1
    assert words in keymap.problems[0].message
    assert keymap.textual_keymap() == {}


def test_a_changed_key_works_everywhere() -> None:
    keymap = KeyMap({"jobs.cancel": "X ctrl+k"})
    assert keymap.problems == []
    assert keymap.textual_keymap() == {"jobs.cancel": "X,ctrl+k"}
    (action,) = keymap.resolve([one for one in REGISTRY if one.id == "jobs.cancel"])
    assert action.keys == ("X", "ctrl+k")


def test_keys_of_two_screens_do_not_conflict() -> None:
    assert KeyMap({"cloud.check_all": "n"}).problems == []


@pytest.mark.parametrize(
    "key",
    [
        "?",
        "/",
        ":",
        ".",
        "[",
        "|",
        "&",
        "=",
        "*",
        "#",
        "<",
        "$",
        "%",
        "@",
        "~",
        "^",
        "_",
        "(",
        "{",
        "\\",
        "`",
        '"',
        "!",
        ";",
        "'",
        "-",
        "+",
        ",",
    ],
)
def test_signs_have_the_names_that_textual_gives_them(key: str) -> None:
    assert typed(key) == _character_to_key(key)
    assert shown(typed(key)) == key


@pytest.mark.parametrize("key", ["esc", "pgdn", "a", "ctrl+n", "↓", "enter"])
def test_keys_are_shown_as_they_are_typed(key: str) -> None:
    assert shown(typed(key)) == key


def test_bindings_carry_the_ids_that_remapping_needs() -> None:
    assert {binding.id for binding in bindings(REGISTRY)} == {  # type: ignore[union-attr]
        action.id for action in REGISTRY
    }


async def test_remapped_keys_work_and_the_help_and_footer_know_them(world: Home) -> None:
    settings = Settings(ui=UiSettings(keys={"jobs.sort": "x", "jobs.new": "j"}))
    async with opened(world, settings=settings) as (app, pilot):
        await pilot.pause()
        assert "jobs.new: j already means" in app.notices[0].message
        await pilot.press("x")
        assert app.model.sort == "name"
        await pilot.press("s")
        assert app.model.sort == "name"
        app.clear_notifications()
        await pilot.pause()
        assert "x sort" in text_of(app)
        await pilot.press("question_mark")
        await pilot.pause()
        assert any(
            line.split()[1:3] == ["x", "Sort"]
            for line in text_of(app).split("\n")
            if "Sort" in line
        )
