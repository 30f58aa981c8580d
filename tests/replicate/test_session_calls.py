"""Single calls of a session: time limits, redirects, names in errors, and what is shown of them."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.replicate.server import QUICK, reply
from tui.replicate.budget import RateBudget
from tui.replicate.errors import NoAnswerError, NotSentError, RateLimitedError, ServiceError
from tui.replicate.network import Network, Timeouts
from tui.replicate.secret import Secret
from tui.replicate.session import Call, Reply, Session, _may_repeat


def opened(base: str, network: Network = QUICK) -> Session:
    return Session(Secret("r8_x"), base_url=base, network=network, budget=RateBudget())


def test_no_header_or_body_is_shown_of_a_call_or_its_answer() -> None:
    call = Call("it", "GET", "https://a/b", headers={"x": "hidden"}, body=lambda: b"hidden")
    assert "hidden" not in repr(call)
    assert "<lambda>" not in repr(call)
    assert "hidden" not in repr(Reply(200, {}, b"hidden"))
    assert call.repeatable
    assert call.bounded
    assert call.secrets == ()


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_only_a_get_follows_a_redirect(server, method: str) -> None:
    server.on(f"{method} /a", reply(b"", status=302, headers={"location": f"{server.base}/b"}))
    server.on("GET /a", reply(b"", status=302, headers={"location": f"{server.base}/b"}))
    server.on("GET /b", reply({"at": "b"}))
    session = opened(server.base)
    try:
        with pytest.raises(Exception, match=r"302|redirect"):
            await session.send(Call("it", method, f"{server.base}/a", repeatable=False))
        assert await session.json(Call("it", "GET", f"{server.base}/a")) == {"at": "b"}
    finally:
        await session.aclose()


async def test_the_whole_of_a_bounded_call_has_a_limit_and_that_of_another_has_none(server) -> None:
    server.on("GET /slow", reply({}))
    network = replace(QUICK, timeouts=Timeouts(whole=1e-9), retry=replace(QUICK.retry, attempts=1))
    session = opened(server.base, network)
    try:
        call = Call("it", "GET", f"{server.base}/slow")
        with pytest.raises(NoAnswerError, match=r"took longer than 1e-09 s over it"):
            await session.send(call)
        assert session.budget.circuit.failures == 1
        assert (await session.send(replace(call, bounded=False))).status == 200
        assert session.budget.circuit.failures == 0
    finally:
        await session.aclose()


@pytest.mark.parametrize("ours", [True, False])
async def test_an_error_names_who_answered(*, ours: bool) -> None:
    session = opened("http://127.0.0.1:9/v1")
    try:
        call = Call("it", "GET", "http://elsewhere.example/a")
        answer = httpx.Response(500, content=b"")
        error = await session._response_error(answer, call, is_ours=ours)
        assert ("elsewhere.example" in error.message) is not ours
        assert session.budget.circuit.failures == int(ours)
        answer = httpx.Response(429, headers={"retry-after": "7"}, content=b"")
        await session._response_error(answer, call, is_ours=ours)
        assert session.budget.blocked_for == pytest.approx(7 if ours else 0, abs=1)
        session.budget = RateBudget()
        answer = httpx.Response(429, content=b"")  # it does not say for how long
        await session._response_error(answer, call, is_ours=ours)
        assert session.budget.blocked_for == pytest.approx(1 if ours else 0, abs=0.5)
        await session._response_error(httpx.Response(499, content=b""), call, is_ours=ours)
        assert session.budget.circuit.failures == 0
    finally:
        await session.aclose()


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (RateLimitedError("no"), False, True),
        (NotSentError("no", temporary=True), False, True),
        (NotSentError("no", temporary=False), True, False),
        (ServiceError("no", status=500), True, True),
        (ServiceError("no", status=500), False, False),
        (ServiceError("no", status=501), True, False),
        (ServiceError("no", status=502), True, True),
    ],
)
def test_only_what_may_not_have_been_done_is_sent_again(error, repeatable, again) -> None:
    assert _may_repeat(error, Call("it", "POST", "https://a/b", repeatable=repeatable)) is again
