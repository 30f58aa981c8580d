"""How long a call may wait and how much it may read. The pauses move a clock and take no time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from aiohttp import web

from tests.attacks.area import Area, measured
from tests.replicate.pauses import Pauses
from tests.replicate.server import QUICK, TOKEN, Server, prediction, reply
from tui.replicate import session
from tui.replicate.budget import RateBudget
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import BadAnswerError, RateLimitedError, ServiceError
from tui.replicate.network import Network, Retry

PATIENT = replace(QUICK, retry=Retry(attempts=10, base=0.001, longest=0.001, patience=10.0))


def client_of(
    server: Server, pauses: Pauses, network: Network = PATIENT, opens_after: int = 99
) -> ReplicateClient:
    budget = RateBudget(failures_to_open=opens_after, clock=pauses)
    return ReplicateClient(TOKEN, base_url=server.base, network=network, budget=budget)


async def test_all_pauses_together_stay_within_the_patience(server, pauses):
    server.on("GET /account", reply({"retry_after": 4}, status=429))
    async with client_of(server, pauses) as client:
        with pytest.raises(RateLimitedError):
            await client.account()
    assert len(server.seen) == 3
    assert 8 <= sum(pauses.taken) <= PATIENT.retry.patience
    assert min(pauses.taken) >= 4  # the service's wish is not undercut


async def test_a_turn_of_the_budget_is_waited_for_out_of_the_same_patience(server, pauses):
    """11 s less the 6 that have passed fit into the whole patience, not into what is left."""
    async with client_of(server, pauses) as client:

        async def busy(_request: web.Request) -> web.Response:
            client.budget.used_up(11)
            return web.json_response({"retry_after": 6}, status=429)

        server.on("GET /predictions/x", busy, reply(prediction()))
        with pytest.raises(RateLimitedError):
            await client.get_prediction("x")
    assert len(server.seen) == 1
    assert sum(pauses.taken) <= PATIENT.retry.patience


async def test_the_failure_is_reported_that_opened_the_circuit_and_not_the_open_circuit(
    server, pauses
):
    server.on("GET /account", reply(b"", status=503))
    async with client_of(server, pauses, opens_after=2) as client:
        with pytest.raises(ServiceError) as caught:
            await client.account()
    assert caught.value.status == 503
    assert len(server.seen) == 2


async def test_the_longest_pause_doubles_with_each_try(server, pauses, monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda _least, most: most)
    server.on("GET /account", reply(b"", status=503))
    retry = Retry(attempts=6, base=1.0, longest=15.0, patience=1000.0)
    async with client_of(server, pauses, replace(QUICK, retry=retry)) as client:
        with pytest.raises(ServiceError):
            await client.account()
    assert pauses.taken == [2, 4, 8, 15, 15]


async def test_a_file_is_read_while_it_comes(server, client):
    """It may be larger than the memory."""
    read = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 4 * 2**20)
        await asyncio.wait_for(read.wait(), 10)
        await response.write(b"last")
        return response

    server.on("GET /files/f", slow)
    async with client.reading(f"{server.base}/files/f") as answer:
        assert (await anext(aiter(answer.pieces))).startswith(b"x")
        read.set()


@pytest.mark.parametrize(("size", "fits"), [(40, True), (41, False)])
async def test_an_answer_may_be_as_large_as_the_limit(server, client, monkeypatch, size, fits):
    body = b'{"username": "alice"}'.ljust(size)
    mib = 1 << 20
    body = body.ljust(len(body) - 40 + mib)
    monkeypatch.setattr(session, "_LARGEST_ANSWER", mib)
    server.on("GET /account", reply(body))
    if fits:
        assert (await client.account()).username == "alice"
    else:
        with pytest.raises(BadAnswerError, match="is larger than 1 MiB"):
            await client.account()


async def test_a_large_answer_does_not_hold_the_loop(server, client):
    area = Area("answers")
    server.on("GET /account", reply(b'{"username": "alice", "x": [%s0]}' % (b"0," * 1_000_000)))
    with measured(area):
        assert (await client.account()).username == "alice"
    assert area.stalls == []


@pytest.mark.parametrize(("reset", "rests"), [("0", 0), ("60", 60), ("61", 0)])
async def test_a_window_of_more_than_a_minute_is_taken_for_an_error(server, pauses, reset, rests):
    headers = {"ratelimit-remaining": "0", "ratelimit-reset": reset}
    server.on("GET /account", reply({"username": "alice"}, headers=headers))
    async with client_of(server, pauses) as client:
        await client.account()
        assert client.budget.blocked_for == rests
