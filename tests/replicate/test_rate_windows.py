"""A window of a rate limit that an answer uses up is waited for, whoever's answer it is."""

from __future__ import annotations

import pytest

from tests.replicate.server import Server, reply
from tui.replicate.client import ReplicateClient
from tui.replicate.rate_windows import Windows, used_up


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"ratelimit": '"api";r=0;t=7'}, 7),
        ({"ratelimit": '"api";r=1;t=7'}, None),
        ({"ratelimit": '"api";r=0;t=7, "day";r=0;t=90, "month";r=5;t=5000'}, 90),
        ({"ratelimit": '"api";r=0;t=soon'}, None),
        ({"ratelimit": '"api";r=0;t=99999999999'}, 3600),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "60"}, 60),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "1790000000"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "x"}, 1),
        ({"ratelimit-remaining": "0"}, 1),
        ({"ratelimit-remaining": "1", "ratelimit-reset": "60"}, None),
        ({"ratelimit": '"a";r=0;t=9', "ratelimit-remaining": "0", "ratelimit-reset": "5"}, 9),
    ],
)
def test_the_pause_that_headers_ask_for(headers: dict[str, str], pause: float | None) -> None:
    assert used_up(headers) == pause


def test_windows_open_again() -> None:
    now = 100.0
    windows = Windows(lambda: now)
    mine, files = ("hub", "api", "1"), ("hub", "resolvers", "1")
    windows.note(mine, {"ratelimit": '"api";r=0;t=7'})
    windows.note(files, {"ratelimit": '"resolvers";r=3;t=7'})
    assert (windows.left(mine), windows.left(files)) == (7, 0)
    now = 107.0
    assert windows.left(mine) == 0


async def test_replicates_successful_answer_that_uses_a_window_up_stops_the_next_call(
    server: Server, client: ReplicateClient
) -> None:
    headers = {"RateLimit": '"api";r=0;t=7'}
    server.on("GET /account", reply({"type": "user", "username": "alice"}, headers=headers))
    await client.account()
    assert 6 < client.budget.blocked_for <= 7
