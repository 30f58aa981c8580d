"""The palette finds actions by words, and never offers to destroy for another wish."""

from __future__ import annotations

import pytest

from tui.app.keys.actions import APP, JOB, JOBS, LOG, PUBLISHING, Action
from tui.app.keys.search import score


def _found(query: str, actions: tuple[Action, ...]) -> list[str]:
    fits = [(score(query, action), action.id) for action in (*actions, *APP)]
    return [action_id for fit, action_id in sorted(fits, key=lambda one: -one[0]) if fit > 0]


@pytest.mark.parametrize(
    ("query", "actions", "first"),
    [
        ("rerun", JOB, "job.rerun"),
        ("again", JOB, "job.rerun"),
        ("retry", PUBLISHING, "publishing.retry"),
        ("rev", JOBS, "jobs.reverse"),
        ("delete marked", JOBS, "jobs.delete_marked"),
        ("del", JOBS, "jobs.delete"),
        ("copy sha", PUBLISHING, "publishing.copy_hash"),
        ("step", LOG, "log.step"),
        ("THEME", JOBS, "app.theme"),
        ("stop", JOBS, "jobs.cancel"),
    ],
)
def test_the_action_that_is_meant_comes_first(
    query: str, actions: tuple[Action, ...], first: str
) -> None:
    assert _found(query, actions)[0] == first


@pytest.mark.parametrize("query", ["rerun", "retry", "run", "open", "new", "sort", "reverse"])
def test_nothing_is_deleted_or_cancelled_for_another_word(query: str) -> None:
    for actions in (JOBS, JOB, PUBLISHING):
        found = {action_id.partition(".")[2] for action_id in _found(query, actions)}
        assert not found & {"delete", "delete_marked", "clear_all", "cancel"}


def test_what_nobody_has_finds_nothing() -> None:
    assert _found("zebra", JOBS) == _found("", JOBS) == []
