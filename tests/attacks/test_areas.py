"""Nonsense on the control socket, hostile answers of far ends, and hostile texts on a terminal."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.api.watch import Watch
from tests.attacks import far_ends, openapi, socket, terminal
from tests.attacks.area import Area, measured
from tests.engine.conftest import home, project, world
from tests.engine.world import World

__all__ = ["home", "project", "world"]

_MADE_UP = r"(?s) query: | body: .*Extra inputs are not permitted\Z"


def few(whole: int, part: int) -> pytest.MarkDecorator:
    """The attempts of every run, and those of all attacks."""
    return pytest.mark.parametrize(
        "attempts", [part, pytest.param(whole, marks=pytest.mark.release)]
    )


@few(whole=300, part=30)
async def test_nonsense_on_the_control_socket_does_no_harm(
    world: World, watched_shapes: Watch, attempts: int
) -> None:
    area = await socket.attack(world, attempts)
    print("", area, sep="\n")
    # What is asked for fits no shape; what is answered does.
    told = [words for words in watched_shapes.take() if not re.search(r" (query|body): ", words)]
    assert told == []
    assert (area.through, area.stalls, area.growth) == ([], [], 0)


@few(whole=300, part=20)
async def test_no_answer_of_a_far_end_does_harm(attempts: int) -> None:
    area = await far_ends.attack(attempts)
    print("", area, sep="\n")
    assert (area.through, area.stalls, area.growth) == ([], [], 0)


@few(whole=2000, part=100)
def test_a_terminal_obeys_no_text_from_elsewhere(attempts: int) -> None:
    area = terminal.attack(attempts)
    print("", area, sep="\n")
    assert (area.through, area.stalls, area.growth) == ([], [], 0)


@pytest.mark.parametrize(
    ("examples", "every"), [(1, 25), pytest.param(6, 1, marks=pytest.mark.release)]
)
async def test_no_request_that_fits_the_description_fails_the_server(
    world: World, watched_shapes: Watch, examples: int, every: int
) -> None:
    area = await openapi.attack(world, examples, every)
    print("", area, sep="\n")
    # Names that an operation does not have are made up too; some pass them over.
    told = [words for words in watched_shapes.take() if not re.search(_MADE_UP, words)]
    assert told == []
    assert (area.through, area.stalls, area.growth) == ([], [], 0)


async def test_a_callback_that_holds_the_loop_is_noted() -> None:
    def busy() -> None:
        end = time.thread_time() + 0.03
        while time.thread_time() < end:
            pass

    area = Area("x")
    with measured(area, 0.02):
        asyncio.get_running_loop().call_soon(busy)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(area.stalls) == 1
