"""One submit makes one job, wherever the line breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tests.replicate.fault_proxy import Cut, End, FaultProxy, Side, fault_proxy
from tests.replicate.server import (
    QUICK,
    VERSION,
    Server,
    Store,
    client_for,
    cut,
    prediction,
    reply,
    serving,
)
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import (
    NotSentError,
    RateLimitedError,
    ReplicateError,
    UncertainError,
)
from tui.replicate.models import Prediction
from tui.replicate.network import Network
from tui.replicate.secret import Secret

INPUT = {
    "images": "https://api.replicate.com/v1/files/NGZiNmY2",
    "config_json": '{"--model_family": "flux"}',
    "max_train_steps": 100,
    "learning_rate": 1.0,
    "hf_token": Secret("hf_canarycanarycanary"),
}
WORKERS = 16
PATIENCE = 0.25


async def submit(client: ReplicateClient, how: Counter[str]) -> Prediction:
    """What the engine does: never send again before having looked."""
    since = datetime.now(UTC)
    while True:
        try:
            job = await client.create_prediction(version=VERSION, input=INPUT)
        except UncertainError:
            found = await client.find_submitted(
                version=VERSION, input=INPUT, since=since, patience=PATIENCE
            )
            assert len(found) <= 1
            if found:
                how["found by looking"] += 1
                return found[0]
            how["sent again"] += 1
        else:
            how["answered"] += 1
            return job


async def lengths() -> dict[Side, int]:
    """How many bytes a create has, there and back."""
    async with worker(Store()) as (client, proxy, _):
        proxy.arm(None)
        await client.create_prediction(version=VERSION, input=INPUT)
        return dict(proxy.passed)


class worker:  # noqa: N801  # used like a function
    """A store, a proxy before it and a client of the proxy."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.server = Server()
        self.server.on("POST /predictions", store.create)
        self.server.on("GET /predictions", store.list)

    async def __aenter__(self) -> tuple[ReplicateClient, FaultProxy, Store]:
        self._site = serving(self.server.handle)
        self._proxy = fault_proxy(await self._site.__aenter__())
        proxy = await self._proxy.__aenter__()
        self._client = client_for(f"http://127.0.0.1:{proxy.port}/v1")
        return await self._client.__aenter__(), proxy, self.store

    async def __aexit__(self, *_: object) -> None:
        for part in (self._client, self._proxy, self._site):
            await part.__aexit__(None, None, None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.release)])
async def test_a_cut_at_any_byte_makes_exactly_one_job(every: int):
    """At each byte for a release; else at each fourth, and at the first and the last of a side."""
    length = await lengths()
    cuts = [
        Cut(side, after, end)
        for side in Side
        for after in sorted({*range(0, length[side] + 1, every), length[side]})
        for end in End
    ]
    assert len(cuts) >= 1000 // every
    waiting = iter(cuts)
    how: Counter[str] = Counter()

    async def work(number: int) -> None:
        # A slow service: half of the workers see the job appear only after the line has broken.
        async with worker(Store(delay=0.05 if number % 2 else 0.0)) as (client, proxy, store):
            for plan in waiting:
                proxy.arm(plan)
                job = await submit(client, how)
                assert proxy.fired
                assert [row["id"] for row in store.jobs] == [job.id], plan
                store.forget()

    await asyncio.gather(*(work(number) for number in range(WORKERS)))
    assert sum(how[k] for k in ("answered", "found by looking")) == len(cuts)
    assert how["sent again"] > 100 // every
    assert how["found by looking"] > 100 // every


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(minutes=-10)])
async def test_found_although_the_clocks_differ(ahead):
    store = Store(clock_ahead=ahead)
    async with worker(store) as (client, proxy, _):
        proxy.arm(Cut(Side.RESPONSE, 0))
        job = await submit(client, Counter())
        assert [row["id"] for row in store.jobs] == [job.id]


async def test_other_jobs_are_not_taken_for_ours(server, client):
    now = datetime.now(UTC)
    stamp = now.isoformat()
    rows = [
        prediction(id="other-input", input={"a": 2}, created_at=stamp),
        prediction(id="other-version", input={"a": 1}, version="b" * 64, created_at=stamp),
        prediction(id="ours", input={"a": 1, "t": "[masked]"}, created_at=stamp),
        prediction(id="old", input={"a": 1}, created_at=(now - timedelta(hours=1)).isoformat()),
    ]
    server.on("GET /predictions", {"next": None, "results": rows})
    found = await client.find_submitted(
        version=f"o/n:{VERSION}", input={"a": 1}, since=now, secret_names={"t"}, patience=0
    )
    assert [job.id for job in found] == ["ours"]


async def test_the_look_up_repeats_until_the_job_appears(server, client):
    row = prediction(input={"a": 1}, created_at=datetime.now(UTC).isoformat())
    server.on("GET /predictions", {"results": []}, {"results": []}, {"results": [row]})
    found = await client.find_submitted(
        version=VERSION, input={"a": 1}, since=datetime.now(UTC), patience=5
    )
    assert len(found) == 1
    assert len(server.seen) == 3


async def test_the_look_up_reads_newer_pages_and_no_further(server, client):
    now = datetime.now(UTC)
    young = [prediction(id=f"y{n}", created_at=now.isoformat()) for n in range(3)]
    ours = prediction(id="ours", input={"a": 1}, created_at=now.isoformat())
    old = [prediction(id="o", created_at="2020-01-01T00:00:00Z")]
    link = f"{server.base}/predictions?cursor="
    server.on(
        "GET /predictions",
        {"next": f"{link}1", "results": young},
        {"next": f"{link}2", "results": [ours]},
        {"next": f"{link}3", "results": old},
    )
    found = await client.find_submitted(version=VERSION, input={"a": 1}, since=now, patience=0)
    assert [job.id for job in found] == ["ours"]
    assert len(server.seen) == 3


async def test_found_although_our_clock_was_set_meanwhile(server, client):
    """It was an hour ahead when the create was sent, which is known from then."""
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    row = prediction(input={"a": 1}, created_at=now.isoformat())
    server.on("GET /predictions", {"results": [row]})
    asked = {"version": VERSION, "input": {"a": 1}, "since": now + hour, "patience": 0}
    assert await client.find_submitted(**asked) == []
    found = await client.find_submitted(**asked, clock_offset=-hour)
    assert [job.id for job in found] == [row["id"]]


async def test_a_row_that_comes_on_two_pages_is_one_prediction(server, client):
    now = datetime.now(UTC)
    row = prediction(input={"a": 1}, created_at=now.isoformat())
    link = f"{server.base}/predictions?cursor=1"
    server.on(
        "GET /predictions", {"next": link, "results": [row]}, {"next": None, "results": [row]}
    )
    found = await client.find_submitted(version=VERSION, input={"a": 1}, since=now, patience=0)
    assert [job.id for job in found] == [row["id"]]


@pytest.mark.parametrize(
    "second",
    [
        reply({}, status=500),
        reply(b"<html>"),
        reply({"detail": "no list"}),
        reply({"next": None, "results": ["not a prediction"]}),
        reply({"next": None, "results": [{"input": {"a": 1}, "version": VERSION}]}),
        reply({"detail": "token"}, status=401),
    ],
)
async def test_an_incomplete_list_proves_no_absence(server, client, second):
    now = datetime.now(UTC)
    young = prediction(id="y", created_at=now.isoformat())
    link = f"{server.base}/predictions?cursor=1"
    server.on("GET /predictions", {"next": link, "results": [young]}, second)
    with pytest.raises(ReplicateError):
        await client.find_submitted(version=VERSION, input={"a": 1}, since=now, patience=0)


async def test_a_match_may_be_told_by_something_better_than_the_input(server, client):
    now = datetime.now(UTC)
    twins = [prediction(id=n, input={"a": 1}, created_at=now.isoformat()) for n in ("x", "y")]
    server.on("GET /predictions", {"results": twins})
    found = await client.find_submitted(
        version=VERSION, input={"a": 1}, since=now, patience=0, matches=lambda row: row.id == "y"
    )
    assert [job.id for job in found] == ["y"]


async def test_rows_without_data_are_returned_only_without_a_match(server, client):
    now = datetime.now(UTC)
    wiped = prediction(id="w", input={}, data_removed=True, created_at=now.isoformat())
    server.on("GET /predictions", {"results": [wiped]})
    found = await client.find_submitted(version=VERSION, input={"a": 1}, since=now, patience=0)
    assert [(job.id, job.data_removed) for job in found] == [("w", True)]


async def create(client: ReplicateClient) -> Prediction:
    return await client.create_prediction(version=VERSION, input={"a": 1})


@pytest.mark.parametrize(
    "answer",
    [
        cut(),
        cut(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"),
        reply(b"<html>502</html>", status=502),
        reply(b"<html>Attention Required!</html>", status=403),
        reply({"detail": "boom"}, status=500),
        reply({}, status=408),
        reply(b"not json", status=201),
        reply(b"", status=201),
        reply([], status=201),
        reply({"status": "starting"}, status=201),
    ],
)
async def test_a_create_that_may_have_succeeded_is_uncertain_and_not_repeated(
    server, client, answer
):
    server.on("POST /predictions", answer)
    with pytest.raises(UncertainError) as caught:
        await create(client)
    assert len(server.seen) == 1
    assert "not known whether the job was started" in caught.value.message
    assert caught.value.advice


async def test_an_answer_that_never_comes_is_uncertain(server):
    async def never(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server.on("POST /predictions", never)
    hasty = quick(read=0.1)
    async with client_for(server.base, hasty) as client:
        with pytest.raises(UncertainError):
            await create(client)
    assert len(server.seen) == 1


async def test_an_answer_that_drips_for_ever_ends_by_the_whole_limit(server):
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    server.on("POST /predictions", drip)
    async with client_for(server.base, quick(whole=0.3)) as client:
        with pytest.raises(UncertainError):
            await create(client)
    assert len(server.seen) == 1


def quick(**limits: float) -> Network:
    return replace(QUICK, timeouts=replace(QUICK.timeouts, **limits))


async def test_throttled_create_is_sent_again(server, client):
    slow_down = reply({"detail": "Request was throttled.", "retry_after": 0.01}, status=429)
    server.on("POST /predictions", slow_down, slow_down, reply(prediction(), status=201))
    assert (await create(client)).id
    assert len(server.seen) == 3


async def test_a_long_throttling_is_reported_and_nothing_more_is_sent(server, client):
    server.on("POST /predictions", reply({"detail": "x", "retry_after": 600}, status=429))
    with pytest.raises(RateLimitedError) as caught:
        await create(client)
    assert caught.value.retry_after == 600
    assert len(server.seen) == 1
    with pytest.raises(RateLimitedError):
        await client.account()
    assert len(server.seen) == 1


async def test_refused_connection_is_certainly_not_sent():
    async with serving(reply({})) as port:
        pass
    async with client_for(f"http://127.0.0.1:{port}/v1") as client:
        with pytest.raises(NotSentError) as caught:
            await create(client)
    assert "Nothing was sent" in caught.value.message
    assert "refused" in caught.value.message


async def test_a_create_is_sent_once_the_service_is_back(server):
    """The port is closed for the first tries; connect errors alone may be repeated."""
    store = Store()
    async with serving(reply({})) as port:
        pass
    async with client_for(f"http://127.0.0.1:{port}/v1", slow_retry()) as client:
        task = asyncio.create_task(create(client))
        await asyncio.sleep(0)
        later = Server()
        later.on("POST /predictions", store.create)
        async with serving(later.handle, port=port):
            job = await task
    assert [row["id"] for row in store.jobs] == [job.id]


def slow_retry() -> Network:
    return replace(QUICK, retry=replace(QUICK.retry, attempts=20, base=0.05, longest=0.1))
