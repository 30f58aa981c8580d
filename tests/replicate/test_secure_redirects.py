"""No redirect leads from https to http."""

from __future__ import annotations

import httpx
import pytest

from tui.replicate.budget import RateBudget
from tui.replicate.errors import BadAnswerError
from tui.replicate.network import Network
from tui.replicate.outputs import NOT_FETCHED_ADVICE
from tui.replicate.secret import Secret
from tui.replicate.session import Call, Session


async def redirected(start: str, target: str, base: str, *, output: bool) -> str:
    session = Session(Secret("r8_x"), base_url=base, network=Network(), budget=RateBudget())
    try:
        response = httpx.Response(302, headers={"location": target})
        return session._redirected(start, response, Call("it", "GET", start), output=output)
    finally:
        await session.aclose()


BASE = "https://api.example.com/v1"


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        "http://api.example.com/v1/files/a/download",
        "http://replicate.delivery/a.bin",
        "http://127.0.0.1/a.bin",
        "ftp://api.example.com/v1/files/a/download",
    ],
)
async def test_a_redirect_from_https_to_another_scheme_is_refused(
    target: str, *, output: bool
) -> None:
    with pytest.raises(BadAnswerError, match="do not follow"):
        await redirected(f"{BASE}/files/a/download", target, BASE, output=output)


async def test_an_output_from_https_is_not_followed_to_an_api_by_http() -> None:
    base = "http://127.0.0.1:9/v1"
    target = f"{base}/files/a/download"
    start = "https://replicate.delivery/a.bin"
    with pytest.raises(BadAnswerError, match="do not follow"):
        await redirected(start, target, base, output=True)
    assert await redirected(f"{base}/files/b/download", target, base, output=True) == target


async def test_a_redirect_that_stays_with_the_api_is_followed() -> None:
    assert await redirected(f"{BASE}/a", "/v1/b", BASE, output=False) == f"{BASE}/b"


@pytest.mark.parametrize("output", [False, True])
async def test_a_redirect_to_an_unknown_host_is_refused(*, output: bool) -> None:
    with pytest.raises(BadAnswerError, match="do not follow") as refused:
        await redirected(f"{BASE}/a", "https://10.0.0.1/v1/b", BASE, output=output)
    assert (refused.value.advice == NOT_FETCHED_ADVICE) is output
