"""The control API and its client: answers of every kind, streams, ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.world import World, running_engine
from tests.support import eventually
from tui.client.client import ControlClient, ControlError, ControlEvent, EngineGoneError
from tui.settings import Home


async def refusal(
    client: ControlClient, method: str, path: str, body: object = None
) -> ControlError:
    with pytest.raises(ControlError) as caught:
        await asyncio.to_thread(client.request, method, path, body)
    assert caught.value.message
    return caught.value


async def test_what_is_wrong_is_said_in_words_and_status(world: World) -> None:
    client = world.client
    assert (await refusal(client, "GET", "/api/nothing")).status == 404
    assert (await refusal(client, "POST", "/api/engine")).status == 405
    assert (await refusal(client, "POST", "/api/cloud/jobs/nobody/cancel")).code == "job_not_found"
    assert (await refusal(client, "DELETE", "/api/cloud/jobs/nobody")).status == 404
    assert (await refusal(client, "POST", "/api/cloud/check", [1])).status == 400
    assert (await refusal(client, "POST", "/api/cloud/check", {})).details["fields"]
    big = {"config": "x" * 9_000_000}
    assert (await refusal(client, "POST", "/api/cloud/check", big)).status == 413
    error = await refusal(client, "POST", "/api/cloud/check", {"config": "/not/there"})
    assert (error.status, error.code) == (400, "config_not_found")


async def test_a_bug_in_the_engine_is_an_answer_and_a_line_in_its_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.engine.info = None  # type: ignore[assignment, method-assign]
    error = await refusal(world.client, "GET", "/api/engine")
    assert (error.status, error.code) == (500, "internal")
    assert "Traceback" in caplog.text


async def test_the_socket_is_for_its_user_alone(world: World) -> None:
    mode = world.home.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(world.home.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(world.home.database.stat().st_mode) == 0o600


async def test_without_an_engine_the_client_says_so(home: Home) -> None:
    home.create()
    client = ControlClient(home.socket)
    with pytest.raises(EngineGoneError):
        await client.info()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home.socket))
    with pytest.raises(EngineGoneError):
        await client.info()
    with pytest.raises(EngineGoneError):
        async for _ in client.events():
            pass


@contextlib.contextmanager
def speaking(path: Path, answer: bytes) -> Iterator[None]:
    """Something on the socket that is no engine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                line, _ = server.accept()
                with line:
                    line.recv(65536)
                    line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_none_is_an_error_in_words(home: Home, answer: bytes) -> None:
    with speaking(home.socket, answer):
        error = await refusal(ControlClient(home.socket), "GET", "/api/engine")
    assert "understood" in error.message or isinstance(error, EngineGoneError)


async def test_an_engine_about_to_end_takes_no_more_calls(world: World) -> None:
    world.engine.request_stop()
    with pytest.raises(EngineGoneError):
        await world.client.info()


async def test_streams_say_goodbye_and_end(home: Home) -> None:
    events: list[ControlEvent] = []

    async def listen(client: ControlClient) -> None:
        async for event in client.events():
            events.append(event)

    async with running_engine(home) as (engine, client):
        listener = asyncio.create_task(listen(client))
        await eventually(lambda: engine.bus.subscribers)
        await eventually(lambda: events)
        assert engine.idle_seconds() == pytest.approx(0, abs=0.01)
    await asyncio.wait_for(listener, 5)
    assert [event.kind for event in events] == ["beat", "bye"]


async def test_a_window_that_does_not_read_is_told_to_read_anew(home: Home) -> None:
    async with running_engine(home) as (engine, _):
        with engine.bus.subscribe() as queue:
            for number in range(1500):
                engine.bus.publish("notice", number=number)
            kinds = [queue.get_nowait()[0] for _ in range(queue.qsize())]
    assert kinds[0] == "resync"
    assert len(kinds) < 1000


async def test_waiting_for_an_end_misses_nothing_that_came_before(world: World) -> None:
    """The job ends between the question and the stream: the stream's first beat asks again."""
    asked = 0

    def ended() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    await asyncio.wait_for(
        asyncio.to_thread(lambda: list(world.client.events_until(ended))), timeout=5
    )
    assert asked == 2


async def test_calls_do_not_wait_for_one_another(world: World) -> None:
    """More slow calls than the event loop has threads, and a quick one goes through."""
    world.fault("slow=100@GET /v1/account")
    slow = [asyncio.ensure_future(world.client.validate()) for _ in range(40)]
    await eventually(lambda: world.engine._calls >= 40)
    assert (await asyncio.wait_for(world.client.info(), 2))["pid"]
    world.clear_faults()
    await asyncio.gather(*slow)
