"""How the client behaves: repeats, pauses, where the token goes, links, circuit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.authority import Authority
from tests.replicate.proxies import proxying
from tests.replicate.server import QUICK, TOKEN, Server, client_for, cut, prediction, reply, serving
from tui.replicate.addresses import Base
from tui.replicate.budget import CircuitState, RateBudget
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import (
    AuthenticationError,
    BadAnswerError,
    CircuitOpenError,
    ForbiddenError,
    InvalidRequestError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
)
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret

ME = {"type": "user", "username": "alice"}


# Repeats


@pytest.mark.parametrize(
    "trouble",
    [
        cut(),
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        reply(b"", status=500),
        reply(b"<html>", status=502),
        reply({}, status=408),
        reply({"retry_after": 0.01}, status=429),
        reply({}, status=429, headers={"Retry-After": "0"}),
    ],
)
async def test_reads_are_repeated_after_failures(server, client, trouble):
    server.on("GET /account", trouble, trouble, reply(ME))
    assert (await client.account()).username == "alice"
    assert len(server.seen) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 501])
async def test_permanent_errors_are_not_repeated(server, client, status):
    server.on("GET /account", reply({}, status=status))
    with pytest.raises(ReplicateError) as caught:
        await client.account()
    assert caught.value.status == status
    assert len(server.seen) == 1


async def test_repeats_end(server, client):
    server.on("GET /account", reply(b"", status=503))
    with pytest.raises(ServiceError):
        await client.account()
    assert len(server.seen) == QUICK.retry.attempts


async def test_partial_answers_are_errors(server, client):
    server.on("GET /account", cut())
    with pytest.raises(NoAnswerError):
        await client.account()
    assert len(server.seen) == QUICK.retry.attempts


async def test_cancelling_is_repeated_because_twice_is_the_same(server, client):
    route = "POST /predictions/x/cancel"
    server.on(route, cut(), reply(prediction(status="canceled")))
    assert (await client.cancel_prediction("x")).is_terminal
    assert len(server.calls(route)) == 2


async def test_an_upload_is_not_repeated_after_failures(server, client, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    server.on("POST /files", reply(b"", status=500))
    with pytest.raises(ServiceError):
        await client.upload_file(path, filename="a")
    assert len(server.seen) == 1


async def test_a_throttled_upload_starts_again_from_its_first_byte(server, client, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    server.on("POST /files", reply({"retry_after": 0}, status=429), reply({"id": "f"}, status=201))
    steps: list[int] = []
    await client.upload_file(path, filename="a", progress=lambda done, _: steps.append(done))
    assert steps == [0, 5, 0, 5]
    assert server.seen[0].body == server.seen[1].body


async def test_not_json(server, client):
    server.on("GET /account", reply(b"<html>login</html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(BadAnswerError, match="not JSON"):
        await client.account()
    assert len(server.seen) == 1


# Lists


async def test_one_malformed_row_does_not_affect_a_list(server, client):
    rows = [prediction(id="1"), "junk", None, prediction(id="2", created_at="?"), {"status": 1}, 7]
    server.on("GET /predictions", {"next": None, "results": [*rows, prediction(id="3")]})
    got = [p async for p in client.predictions()]
    assert [p.id for p in got] == ["1", "2", "", "3"]
    assert got[1].strange == ("created_at",)
    assert got[2].status == "1"


@pytest.mark.parametrize("answer", [{"results": None}, {"results": {}}, {}, "x", None])
async def test_no_list(server, client, answer):
    server.on("GET /predictions", reply(answer))
    with pytest.raises(BadAnswerError):
        [p async for p in client.predictions()]


async def test_a_cycle_of_pages_ends(server, client):
    link = f"{server.base}/predictions?cursor=x"
    server.on("GET /predictions", {"next": link, "results": [prediction()]})
    got: list[Prediction] = []
    with pytest.raises(BadAnswerError, match="circle"):
        await collect(client, got)
    assert len(got) == 2


async def collect(client: ReplicateClient, into: list[Prediction]) -> None:
    """All rows, up to an error."""
    async for row in client.predictions():
        into.append(row)  # what came before the error counts


async def test_a_link_to_another_host_is_not_followed(server, client):
    other = Server()
    async with serving(other.handle) as port:
        link = f"http://127.0.0.1:{port}/v1/predictions?cursor=x"
        server.on("GET /predictions", {"next": link, "results": [prediction()]})
        got: list[Prediction] = []
        with pytest.raises(BadAnswerError, match="leads elsewhere"):
            await collect(client, got)
    assert len(got) == 1
    assert other.seen == []


@pytest.mark.parametrize("link", ["?cursor=2", "/v1/predictions?cursor=2", "predictions?cursor=2"])
async def test_relative_links(server, client, link):
    server.on(
        "GET /predictions",
        {"next": link, "results": [prediction(id="1")]},
        {"next": "", "results": [prediction(id="2")]},
    )
    assert [p.id async for p in client.predictions()] == ["1", "2"]
    assert server.seen[1].query == {"cursor": "2"}


# Addresses


BASE = Base.parse("https://api.replicate.com/v1")


@pytest.mark.parametrize(
    ("link", "pinned"),
    [
        (
            "http://api.replicate.com/v1/predictions?cursor=a%3D",
            "https://api.replicate.com/v1/predictions?cursor=a%3D",
        ),
        ("https://API.replicate.com:443/v1/x", "https://api.replicate.com/v1/x"),
        ("http://api.replicate.com:80/v1/x", "https://api.replicate.com/v1/x"),
        ("//api.replicate.com/v1/x#f", "https://api.replicate.com/v1/x"),
    ],
)
def test_pinned(link, pinned):
    assert BASE.pin(link) == pinned


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1/predictions",
        "https://api.replicate.com.evil.example/v1",
        "https://api.replicate.com@evil.example/v1",
        "https://user@api.replicate.com/v1",
        "https://api.replicate.com:8443/v1",
        "http://api.replicate.com:8080/v1",
        "//evil.example/v1",
        "ftp://api.replicate.com/v1",
        "javascript:alert(1)",
        "https://[::1",
        "https://api.replicate.com\\@evil.example/",
        "http://\x00/",
    ],
)
def test_not_pinned(link):
    with pytest.raises(BadAnswerError):
        BASE.pin(link)


@given(st.text() | st.from_regex(r"(https?:)?//[a-z@:\\/.?#\[\]0-9]{1,30}"))
def test_any_pinned_link_is_at_our_host(link):
    try:
        pinned = BASE.pin(link)
    except BadAnswerError:
        return
    assert pinned.startswith("https://api.replicate.com/")
    assert BASE.owns(pinned)


@pytest.mark.parametrize(
    "text", ["", "api.replicate.com", "ftp://x/v1", "http://", "https://a:b@x/v1", "http://x\n/"]
)
def test_invalid_api_addresses(text):
    with pytest.raises(InvalidRequestError):
        Base.parse(text)


@given(st.text(min_size=1))
def test_an_id_stays_one_part_of_the_path(part):
    try:
        url = BASE.path("predictions", part)
    except InvalidRequestError:
        return
    tail = url.removeprefix("https://api.replicate.com/v1/predictions/")
    assert tail
    assert not set(tail) & set("/?#\\ ")


# The token


async def test_no_token_no_call(server):
    async with ReplicateClient(None, base_url=server.base, network=QUICK) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.account()
    assert caught.value.advice
    assert server.seen == []


@pytest.mark.parametrize("token", ["r8_a b", "r8_a\n", "r8_\u00e9", "r8_\x00", " r8_x"])
async def test_a_malformed_token_is_not_sent(server, token):
    async with ReplicateClient(Secret(token), base_url=server.base, network=QUICK) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.account()
    assert token.strip() not in str(caught.value)
    assert server.seen == []


async def test_redirects_at_the_api_host_are_followed_with_the_token(server, client):
    moved = reply(b"", status=307, headers={"Location": "/v1/me"})
    server.on("GET /account", moved)
    server.on("GET /me", ME)
    assert (await client.account()).username == "alice"
    assert server.seen[1].headers["Authorization"] == f"Bearer {TOKEN.reveal()}"


async def test_a_redirect_of_a_call_to_another_host_is_refused(server, client):
    other = Server()
    other.on("GET /me", ME)
    async with serving(other.handle) as port:
        there = {"Location": f"http://127.0.0.1:{port}/v1/me"}
        server.on("GET /account", reply(b"", status=302, headers=there))
        with pytest.raises(BadAnswerError, match="do not follow"):
            await client.account()
    assert other.seen == []


async def read(client: ReplicateClient, url: str) -> bytes:
    async with client.reading(url) as answer:
        return b"".join([piece async for piece in answer.pieces])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/webhooks/default/secret", "/v1/account", "/v1/predictions", "/v1/files", "/v1/files/",
        "/v1/files//x", "/v1/files/../webhooks/default/secret", "/v1//files/x", "//v1/files/x",
        "/v1/files/%2e%2e/webhooks/default/secret", "/v1/files/%2E./webhooks/default/secret",
        "/v1/files/%252e%252e/webhooks/default/secret", "/v1/files/x/../../webhooks",
        "/v1/files/..%2fwebhooks%2fdefault%2fsecret", "/v1/files/..\\webhooks\\default\\secret",
        "/v1/files/..%5cwebhooks", "/v1/files/..;/webhooks", "/V1/FILES/x",
        "/v1/filesx", "/v1/%66iles/x", "/v2/files/x", "/files/x", "/v1/files/x/", "/",
    ],
)  # fmt: skip
async def test_only_file_routes_of_the_api_are_outputs(server, client, path):
    with pytest.raises(InvalidRequestError, match="is not fetched: it "):
        await read(client, server.origin + path)
    assert server.seen == []


@pytest.mark.parametrize("address", ["{base}@127.0.0.1:{other}/v1/files/x", "{other_base}/files/x",
    "http://me:hush@127.0.0.1:{port}/v1/files/x", "http://replicate.delivery:{port}/x",
    "http://localhost:{port}/v1/files/x", "https://127.0.0.1:{port}/v1/files/x",
    "ftp://127.0.0.1:{port}/v1/files/x", "http://[::1", "", "file:///etc/passwd"])  # fmt: skip
async def test_no_other_host_is_called_for_an_output(server, client, address):
    other = Server()
    other.on("GET /files/x", reply(b"data"))
    async with serving(other.handle) as port:
        given = address.format(
            base=server.origin,
            port=server.port,
            other=port,
            other_base=f"http://127.0.0.1:{port}/v1",
        )
        with pytest.raises(InvalidRequestError) as caught:
            await read(client, given)
    assert "hush" not in str(caught.value)
    assert caught.value.advice
    assert (server.seen, other.seen) == ([], [])


async def test_the_token_is_for_a_file_route_however_it_is_written(server, client):
    server.on("GET /files/a%20b/download", reply(b"data"))
    for origin in (server.origin, server.origin.replace("http", "HTTP")):
        assert await read(client, f"{origin}/v1/files/a%20b/download?sig=x") == b"data"
    tokens = [seen.headers.get("Authorization") for seen in server.seen]
    assert tokens == [f"Bearer {TOKEN.reveal()}"] * 2


async def test_no_redirect_carries_the_token(server, client):
    """One that leads to a file route is followed without it; the signature has to do."""
    server.on("GET /files/f", reply(b"", status=302, headers={"Location": "/v1/files/g?sig=x"}))
    server.on("GET /files/g", reply(b"data"))
    assert await read(client, f"{server.base}/files/f") == b"data"
    assert ["Authorization" in seen.headers for seen in server.seen] == [True, False]


@pytest.mark.parametrize("location", ["/v1/webhooks/default/secret", "/v1/files/%2e%2e/account",
    "{other}/v1/files/f", "{other}/out", "http://replicate.delivery/x",
    "//me:hush@127.0.0.1:1/v1/files/f"])  # fmt: skip
async def test_an_output_redirected_elsewhere_is_not_fetched(server, client, location):
    other = Server()
    async with serving(other.handle) as port:
        there = {"Location": location.format(other=f"http://127.0.0.1:{port}")}
        server.on("GET /files/f", reply(b"", status=302, headers=there))
        with pytest.raises(BadAnswerError, match="do not follow") as caught:
            await read(client, f"{server.base}/files/f")
    assert "hush" not in str(caught.value)
    assert (len(server.seen), other.seen) == (1, [])


@pytest.mark.parametrize("host", ["replicate.delivery", "pbxt.replicate.delivery"])
async def test_a_delivery_host_never_sees_the_token(tmp_path, host):
    """Replicate's own names, reached by a proxy; what they redirect to gets no token either."""
    there, api = Server(), "api.replicate.com"
    there.on("GET /out.bin", reply(b"data"))
    there.on(
        "GET /moved", reply(b"", status=302, headers={"Location": f"https://{api}/v1/files/f"})
    )
    there.on("GET /away", reply(b"", status=302, headers={"Location": f"https://{api}/v1/account"}))
    there.on("GET /files/f", reply(b"file"))
    authority = Authority(tmp_path)
    context = authority.issue(host, api).context()
    async with serving(there.handle, ssl_context=context) as port, proxying() as proxy:
        proxy.ports[443] = port
        network = replace(QUICK, proxy=f"http://127.0.0.1:{proxy.port}", ca_bundle=authority.bundle)
        async with ReplicateClient(TOKEN, network=network) as client:
            assert await read(client, f"https://{host}/out.bin") == b"data"
            assert await read(client, f"https://{host}/moved") == b"file"
            with pytest.raises(BadAnswerError, match="do not follow"):
                await read(client, f"https://{host}/away")
            for trick in (f"https://{host}:8443/out.bin", f"https://me@{host}/out.bin",
                          f"https://{host}./out.bin", f"https://x{host}/out.bin",
                          f"https://{host}.example.com/out.bin"):  # fmt: skip
                if trick != "https://xpbxt.replicate.delivery/out.bin":
                    with pytest.raises(InvalidRequestError, match="is not fetched"):
                        await read(client, trick)
            assert not any("Authorization" in seen.headers for seen in there.seen)
            assert await read(client, f"https://{api}/v1/files/f") == b"file"
            assert "Authorization" in there.seen[-1].headers
    assert set(proxy.seen) == {f"{host}:443", f"{api}:443"}


async def test_a_redirected_create_is_refused(server, client):
    server.on("POST /predictions", reply(b"", status=308, headers={"Location": "/v1/p"}))
    with pytest.raises(InvalidRequestError, match="308"):
        await client.create_prediction(version="v", input={})
    assert len(server.seen) == 1


async def test_a_cycle_of_redirects_ends(server, client):
    server.on("GET /account", reply(b"", status=302, headers={"Location": "/v1/account"}))
    with pytest.raises(BadAnswerError, match="circle"):
        await client.account()


# The budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_ten_polled_jobs_back_off_together(server):
    """One is throttled: nobody asks before the time is over, and then one by one."""
    times: list[float] = []
    throttle = [True]

    async def answer(_request: web.Request) -> web.Response:
        times.append(time.monotonic())
        if throttle.pop() if throttle else False:
            return web.json_response({"retry_after": 0.4}, status=429)
        return web.json_response(prediction())

    server.on("GET /predictions/x", answer)
    budget = RateBudget(per_second=100, burst=10)
    clients = [
        ReplicateClient(TOKEN, base_url=server.base, network=QUICK, budget=budget)
        for _ in range(10)
    ]
    first = asyncio.create_task(clients[0].get_prediction("x"))
    while budget.blocked_for == 0:
        await asyncio.sleep(0.005)
    await asyncio.gather(first, *(c.get_prediction("x") for c in clients[1:]))
    for client in clients:
        await client.aclose()
    assert len(times) == 11
    assert times[1] - times[0] >= 0.4
    assert times[-1] - times[1] >= 8 * (1 / 50) * 0.8  # half of the pace, no burst


async def test_a_used_up_window_is_waited_for(server, client):
    headers = {"ratelimit-remaining": "0", "ratelimit-reset": "0.2"}
    server.on("GET /account", reply(ME, headers=headers))
    await client.account()
    assert 0 < client.budget.blocked_for <= 0.2
    started = time.monotonic()
    await client.account()
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize("reset", ["x", "-5", "1e9", ""])
async def test_malformed_rate_limit_windows_do_no_harm(server, client, reset):
    headers = {"ratelimit-remaining": "0", "ratelimit-reset": reset}
    server.on("GET /account", reply(ME, headers=headers))
    await client.account()
    assert client.budget.blocked_for <= 1


async def test_pace_and_burst():
    clock = Clock()
    budget = RateBudget(per_second=10, burst=5, clock=clock)
    for _ in range(5):
        await budget.turn(0)
    await budget.turn(0.1)
    with pytest.raises(RateLimitedError):
        await budget.turn(0.1)
    clock.now += 1
    for _ in range(5):
        await budget.turn(0)


async def test_the_circuit_opens_rests_probes_and_closes():
    clock = Clock()
    budget = RateBudget(failures_to_open=3, first_rest=10, longest_rest=25, clock=clock)
    for _ in range(2):
        budget.failed()
    assert budget.circuit.state is CircuitState.CLOSED
    budget.failed()
    assert budget.circuit.state is CircuitState.OPEN
    assert 8 <= budget.circuit.retry_in <= 12
    with pytest.raises(CircuitOpenError) as caught:
        await budget.turn(60)
    assert caught.value.retry_after == budget.circuit.retry_in
    clock.now += 13
    await budget.turn(60)  # the probe
    assert budget.circuit.state is CircuitState.PROBING
    with pytest.raises(CircuitOpenError):
        await budget.turn(60)  # only one
    budget.failed()
    assert budget.circuit.state is CircuitState.OPEN
    assert 16 <= budget.circuit.retry_in <= 24
    clock.now += 25
    await budget.turn(60)
    budget.answered()
    assert budget.circuit.state is CircuitState.CLOSED
    assert budget.circuit.failures == 0


async def test_a_probe_that_was_cancelled_does_not_block_for_ever():
    clock = Clock()
    budget = RateBudget(failures_to_open=1, first_rest=10, clock=clock)
    budget.failed()
    clock.now += 13
    await budget.turn(60)
    clock.now += 60
    await budget.turn(60)


async def test_an_open_circuit_is_visible_and_sends_nothing(server):
    budget = RateBudget(failures_to_open=4)
    async with ReplicateClient(TOKEN, base_url=server.base, network=QUICK, budget=budget) as client:
        server.on("GET /account", reply(b"", status=503))
        with pytest.raises(ServiceError):
            await client.account()
        assert client.circuit.state is CircuitState.OPEN
        sent = len(server.seen)
        with pytest.raises(NotSentError) as caught:
            await client.create_prediction(version="v", input={})
        assert len(server.seen) == sent
        assert caught.value.retry_after


async def test_refusals_do_not_open_the_circuit(server, client):
    server.on("GET /account", reply({}, status=403))
    for _ in range(20):
        with pytest.raises(ForbiddenError):
            await client.account()
    assert client.circuit.state is CircuitState.CLOSED


async def test_the_clock_offset_is_measured(server):
    server.on("GET /account", reply(ME, headers={"Date": "Fri, 20 Nov 2099 10:00:00 GMT"}))
    async with client_for(server.base) as client:
        assert client.clock_offset is None
        await client.account()
        assert client.clock_offset is not None
        assert client.clock_offset.days > 300


def test_a_failure_of_an_earlier_era_does_not_count():
    budget = RateBudget(failures_to_open=2)
    budget.failed(era=budget.era)
    old_era = budget.era
    budget.forgive()
    for _ in range(5):
        budget.failed(era=old_era)
    assert budget.circuit.failures == 0
    budget.failed(era=budget.era)
    assert budget.circuit.failures == 1
