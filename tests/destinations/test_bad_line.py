"""A line that breaks again and again between us and the far end."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files
from tests.destinations.hosting import Loop, Server
from tests.replicate.fault_proxy import Cut, End, FaultProxy, Side, fault_proxy
from tui.destinations.common.contract import Item, Resume
from tui.destinations.common.errors import PublishError
from tui.destinations.hub.destination import HubDestination
from tui.destinations.hub.names import HubTarget
from tui.destinations.s3.parts import PART_BYTES
from tui.replicate.secret import Secret
from tui.sandbox.hub import HubConfig, serve_hub
from tui.settings import NetworkSettings

MIB = 1024 * 1024


@pytest.mark.parametrize("end", list(End))
def test_s3_uploads_survive_broken_connections(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Any, end: End
) -> None:
    proxy: FaultProxy = loop_thread.enter(fault_proxy(server.port))
    server.endpoint = server.endpoint.replace(str(server.port), str(proxy.port))
    [file] = make_files(tmp_path, large=6 * PART_BYTES)
    destination = open_s3(server)
    [item] = destination.plan([file])
    state: dict[str, Any] = {}
    cuts = [
        Cut(Side.REQUEST, 200, end),
        Cut(Side.REQUEST, 3 * MIB, end),
        Cut(Side.RESPONSE, 1, end),
        Cut(Side.REQUEST, 9 * MIB, end),
        Cut(Side.REQUEST, 20 * MIB, end),
    ]
    for cut in cuts:
        proxy.arm(cut)
        kept = json.loads(json.dumps(state))
        resume = Resume(kept)
        with contextlib.suppress(PublishError):
            destination.send(item, resume=resume)
        state = resume.data
    proxy.arm(None)
    already = len(state.get("parts", {}))
    destination.send(item, resume=Resume(state))
    # What had arrived was not sent again.
    assert proxy.passed[Side.REQUEST] < (6 - already) * PART_BYTES + MIB
    assert destination.verify(item, deep=True)
    assert server.stored()[item.target] == file.path.read_bytes()


def breaks(destination: HubDestination, item: Item) -> bool:
    try:
        destination.send(item)
    except PublishError as error:
        return error.retryable
    return False


def test_hub_uploads_survive_broken_connections(loop_thread: Loop, tmp_path: Any) -> None:
    @contextlib.asynccontextmanager
    async def serving() -> Any:
        hub = await serve_hub(HubConfig(tmp_path / "hub"))
        try:
            yield hub
        finally:
            await hub.aclose()

    hub = loop_thread.enter(serving())
    proxy: FaultProxy = loop_thread.enter(fault_proxy(int(hub.url.rpartition(":")[2])))
    hub.hub.url = f"http://127.0.0.1:{proxy.port}"
    files = make_files(tmp_path, a=2 * MIB, b=3 * MIB, c=100)
    target = HubTarget("sandbox/cat", endpoint=hub.hub.url, xet=False)
    destination = HubDestination(target, Secret("hf_write"), network=NetworkSettings(timeout=10))
    destination.prepare()
    items: list[Item] = destination.plan(files)
    broken = 0
    for item in items:
        for after in (100, 1_000_000, 2_000_000):
            proxy.arm(Cut(Side.REQUEST, after))
            broken += breaks(destination, item)
        proxy.arm(None)
        destination.send(item)
    assert broken >= 4
    proxy.arm(Cut(Side.RESPONSE, 10))
    with pytest.raises(PublishError) as caught:
        destination.finish(items)
    assert caught.value.retryable
    proxy.arm(None)
    destination.finish(items)
    for file, item in zip(files, items, strict=True):
        assert destination.verify(item, deep=True).checksum == item.sha256, file.name
