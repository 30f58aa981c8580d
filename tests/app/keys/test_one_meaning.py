"""A letter means one thing: on one screen, where several groups are active, and across screens."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase

import pytest
from textual.keys import _character_to_key

from tui.app.keys.actions import APP, VIEWS, Action
from tui.app.keys.keymap import ALL, KeyMap, clash, moved_key, shown, typed

MEANINGS = {
    "b": "*.best new.recommend",
    "c": "*.cancel new.stop",
    "C": "*.columns",
    "d": "*.delete *.dismiss",
    "D": "*.clear_all",
    "e": "*.edit new.editor",
    "f": "*.fetch *.collect new.fix_delivery",
    "g": "move.top pictures.oldest",
    "G": "move.bottom pictures.newest",
    "a": "",
    "A": "*.sweep",
    "h": "*.left cloud.previous",
    "H": "*.far_left",
    "i": "*.note",
    "I": "new.data",
    "j": "*.down chart.next",
    "J": "*.later",
    "k": "*.up chart.previous",
    "K": "*.sooner",
    "l": "*.right *.open cloud.next new.edit",
    "L": "*.far_right",
    "m": "app.mouse",
    "M": "job.move",
    "n": "*.new new.starter log.next",
    "N": "log.previous",
    "o": "jobs.web job.outside publishing.show runs.outside",
    "p": "*.publish",
    "q": "app.quit",
    "r": "*.rerun publishing.retry",
    "R": "*.sync *.refresh",
    "s": "*.sort *.smooth",
    "S": "*.reverse *.less_smooth",
    "t": "*.check *.test new.dry_run",
    "T": "*.check_all *.test_all",
    "U": "*.unmark",
    "v": "*.select",
    "w": "*.wrap *.width",
    "W": "new.save_as",
    "x": "*.axis",
    "X": "*.log_scale",
    "y": "*.copy",
    "Y": "*.copy_command",
    "z": "*.fold",
    "=": "*.compare",
    "+": "*.zoom_in cloud.days log.more",
    "-": "*.zoom_out cloud.fewer_days log.show",
    "0": "*.whole",
    "space": "*.mark *.select *.pause compare.leave",
    "ctrl+s": "new.submit log.save jobs.save_filter",
    "*": "*.pin",
    "&": "*.only compare.all",
    "|": "log.pipe",
    "!": "*.warnings",
    ".": "compare.next",
    ",": "compare.previous",
    "/": "*.filter *.search",
}
"""What each key may do, by patterns of ids. A new use of a key is a decision, and made here."""


def _active(view: str) -> list[Action]:
    groups = [*reversed(VIEWS[view]), "app"]  # as on screen: a tab's own come first
    return [action for group in groups for action in ALL if action.group == group]


def test_every_group_is_active_somewhere() -> None:
    shown_groups = {group for groups in VIEWS.values() for group in groups} | {"app"}
    assert {action.group for action in ALL} == shown_groups


def test_keys_have_one_spelling() -> None:
    keys = [key for action in ALL for key in (*action.keys, *action.old)]
    assert [key for key in keys if len(key) == 1 and _character_to_key(key) != key] == []
    assert [key for key in keys if typed(shown(key)) != key] == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_key_means_two_things_at_once(view: str) -> None:
    holders: dict[str, list[Action]] = defaultdict(list)
    for action in _active(view):
        for key in action.keys:
            holders[typed(key)].append(action)
    clashes = {
        shown(key): sorted(action.id for action in actions)
        for key, actions in holders.items()
        if any(clash(one, other) for one in actions for other in actions if one is not other)
    }
    assert clashes == {}


def test_a_letter_means_the_same_on_every_screen() -> None:
    others = [
        f"{shown(key)}: {action.id}"
        for action in ALL
        for key in action.keys
        if shown(key) in MEANINGS or (len(shown(key)) == 1 and shown(key) not in "↑↓←→[]")
        if action not in APP
        and not any(fnmatchcase(action.id, one) for one in MEANINGS.get(shown(key), "").split())
    ]
    assert others == []


def test_many_jobs_are_deleted_by_no_single_key() -> None:
    (delete,) = (action for action in ALL if action.id == "jobs.delete_marked")
    assert (delete.keys, delete.old) == ((), ())


def test_a_moved_key_was_one_action_s_alone() -> None:
    old = [(action.group, key) for action in ALL for key in action.old]
    assert sorted(old) == sorted(set(old))
    assert [action.id for action in ALL if set(action.old) & set(action.keys)] == []


def test_a_moved_key_says_where_its_action_went_and_works_on_where_it_is_free() -> None:
    moved = moved_key("x", _active("Job page, Metrics"), ())
    assert moved is not None
    assert (moved.action.id, moved.free) == ("chart.log_scale", False)
    assert moved.words == "“log scale” has the key X now; x is “axis”."
    free = moved_key("n", _active("Job page, Metrics"), ())
    assert free is not None
    assert (free.action.id, free.free) == ("chart.next", True)
    assert free.words == "“next metric” has the key ↓ now; n still works for a while."
    taken = moved_key("equals_sign", _active("Job page, Metrics"), ())
    assert taken is not None
    assert (taken.action.id, taken.free) == ("chart.zoom_in", False)
    assert taken.words == "“zoom in” has the key + now; = is “compare”."
    assert moved_key("x", _active("Jobs"), ()) is None


def test_a_user_s_key_makes_the_moved_one_the_user_s_to_give() -> None:
    keymap = KeyMap({"log.save": "a", "log.left": "S"})
    assert keymap.problems == []
    assert moved_key("S", keymap.resolve(_active("Job page, Log")), ()) is None


def test_an_action_of_the_palette_alone_can_be_given_a_key() -> None:
    keymap = KeyMap({"app.theme": "T", "jobs.delete_marked": "D"})
    assert [problem.action_id for problem in keymap.problems] == ["app.theme"]  # T tests all
    assert keymap.textual_keymap() == {"jobs.delete_marked": "D"}
