"""A proxy of the environment is judged for every client of the program, before it connects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.canary import MARK
from tests.replicate.server import QUICK, TOKEN
from tui.destinations.common.errors import PublishError
from tui.destinations.hub.client import TemporaryHubError, open_api
from tui.destinations.s3.client import make_client
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.diagnostics.network_probe import look
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import NotSentError
from tui.replicate.network import Network
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

HOST = "https://far.example.test"
"""Is reached by a proxy only; no answer is waited for, as no proxy is asked."""
DOUBTFUL = [
    f"http://proxy.test\\@{MARK}.test:3128",
    f"http://user@{MARK}@proxy.test:3128",
    f"http://{MARK}.test:3128/path",
    f"http://{MARK}.test:99999",
    f"ftp://{MARK}.test:3128",
    f"{MARK}.test:3128#",
]


async def _api() -> str:
    client = ReplicateClient(TOKEN, base_url=f"{HOST}/v1", network=Network(retry=QUICK.retry))
    async with client:
        with pytest.raises(NotSentError) as caught:
            await client.account()
    return caught.value.message


async def _hub() -> str:
    with pytest.raises(TemporaryHubError) as caught:
        open_api(HOST, Secret("hf_a"), NetworkSettings()).whoami()
    return str(caught.value)


async def _bucket() -> str:
    profile = S3Profile(bucket="images", endpoint=HOST)
    with pytest.raises(PublishError) as caught:
        make_client(profile, S3Keys("k", Secret("s")), NetworkSettings())
    return caught.value.message


async def _check() -> str:
    probe = await look(HOST, Network(), 5)
    assert probe.error is not None
    assert probe.error.phase == "proxy"
    return probe.error.message


@pytest.mark.parametrize("client", [_api, _hub, _bucket, _check])
@pytest.mark.parametrize("address", DOUBTFUL)
async def test_a_doubtful_proxy_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, client: Callable[[], Awaitable[str]], address: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    said = await client()
    assert "the proxy's address in HTTPS_PROXY" in said
    assert MARK not in said
