"""A service that redirects or links elsewhere gets no credential there, by any of the clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.authority import Authority
from tests.canary import MARK, leaks_in
from tests.replicate.server import QUICK, VERSION
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.meter import Meter
from tui.destinations.hub import upload
from tui.destinations.hub.client import open_api
from tui.destinations.hub.destination import HubDestination
from tui.destinations.hub.download import opened
from tui.destinations.hub.names import HubTarget
from tui.destinations.s3.client import make_client
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.credentials.token_service import hub_owner
from tui.replicate.client import ReplicateClient
from tui.replicate.network import Retry
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

STATUSES = (301, 302, 303, 307, 308)
REPO = "me/cat"
_LOGIN = "Basic bWU6"
"""What a client makes of the name in `http://me@host`, which is no credential of ours."""


@dataclass
class World:
    """A service below `/in` that answers everything with a redirect, and who hears of it.

    Attributes:
        front: the service's origin.
        away: another port of the same host.
        target: where it redirects to, followed by the path that was asked for.
        status: of the redirects.
        linked: whether the answers are an empty page instead, with the next one at the target. For
            a link, unlike a redirect, the Hub's library has no rule of its own.
        bundle: of the authority that signed the service's certificate, where it is one of https.
        asked: requests of the service.
        reached: how many requests arrived where the redirects lead.
        stolen: those of them with a credential.
    """

    front: str = ""
    away: str = ""
    target: str = ""
    status: int = 302
    linked: bool = False
    bundle: Path | None = None
    asked: int = 0
    reached: int = 0
    stolen: list[str] = field(default_factory=list)

    @property
    def settings(self) -> NetworkSettings:
        """Settings that trust the service."""
        return NetworkSettings(timeout=5.0, ca_bundle=str(self.bundle or ""))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        at_front = f"{request.scheme}://{request.host}" == self.front
        if at_front and f"{request.raw_path}/".startswith("/in/"):
            self.asked += 1
            path = request.raw_path.removeprefix("/in")
            if self.linked and self.asked == 1:
                link = f'<{self.target}{path}>; rel="next"'
                return web.json_response([], headers={"Link": link})
            headers = {"Location": f"{self.target}{path}", "x-amz-bucket-region": "eu-west-1"}
            return web.Response(status=self.status, headers=headers)
        self.reached += 1
        heard = repr((request.raw_path, list(request.headers.items()))).encode() + body
        if leaks_in(heard) or request.headers.get("authorization", _LOGIN) != _LOGIN:
            self.stolen.append(f"{request.method} {request.url} after {self.status}")
        return web.json_response({"name": "thief", "id": "a", "commitHash": "a" * 40})


@asynccontextmanager
async def redirecting(authority: Authority | None = None) -> AsyncIterator[World]:
    world = World(bundle=authority.bundle if authority else None)
    tls = authority.issue("127.0.0.1").context() if authority else None
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{rest:.*}", world.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        for context in (tls, None):
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        world.front, world.away = (f"http://127.0.0.1:{at[1]}" for at in runner.addresses)
        if tls is not None:
            world.front = world.front.replace("http:", "https:")
        yield world
    finally:
        # A client that has gone does not answer the end of TLS, which asyncio would wait for.
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()


Way = Callable[[World, Path], Awaitable[None]]


def replicate(call: Callable[[ReplicateClient, World, Path], Awaitable[Any]]) -> Way:
    async def way(world: World, path: Path) -> None:
        network = replace(QUICK, retry=Retry(attempts=1), ca_bundle=world.bundle)
        base = f"{world.front}/in/v1"
        async with ReplicateClient(Secret(f"r8_{MARK}"), base_url=base, network=network) as client:
            await call(client, world, path)

    return way


async def first(items: AsyncIterator[Any]) -> None:
    await anext(items)


async def read(client: ReplicateClient, world: World) -> None:
    async with client.reading(f"{world.front}/in/v1/files/abc/download") as download:
        async for _ in download.pieces:
            pass


def hub(call: Callable[[Any, World, Path], object]) -> Way:
    async def way(world: World, path: Path) -> None:
        api = open_api(f"{world.front}/in", Secret(f"hf_{MARK}"), world.settings)
        await asyncio.to_thread(call, api, world, path)

    return way


def hub_read(api: Any, _world: World, _path: Path) -> None:
    with opened(api, REPO, "a.bin") as answer:
        answer.read()


def hub_destination(_api: Any, world: World, path: Path) -> None:
    target = HubTarget(REPO, endpoint=f"{world.front}/in", xet=False)
    destination = HubDestination(target, Secret(f"hf_{MARK}"), network=world.settings)
    for item in destination.plan([LocalFile(path, "a.bin")]):
        destination.send(item)
        destination.finish([item])


def hub_xet(api: Any, _world: World, path: Path) -> None:
    upload.send(api, REPO, path, "0" * 64, Meter(100), stalled_after=5)


def hub_commit(api: Any, _world: World, path: Path) -> None:
    api.upload_file(path_or_fileobj=path.read_bytes(), path_in_repo="a.bin", repo_id=REPO)


async def owner(world: World, _path: Path) -> None:
    network = replace(QUICK, ca_bundle=world.bundle)
    await hub_owner(f"{world.front}/in", Secret(f"hf_{MARK}"), network)


def bucket(call: Callable[[Any, Path], object], service: Any = "s3") -> Way:
    async def way(world: World, path: Path) -> None:
        keys = S3Keys(f"AKIA{MARK}", Secret(f"s{MARK}"), Secret(f"t{MARK}"))
        profile = S3Profile("bucket", f"{world.front}/in", addressing="path")
        with contextlib.closing(make_client(profile, keys, world.settings, service=service)) as c:
            await asyncio.to_thread(call, c, path)

    return way


async def hub_pages(world: World, path: Path) -> None:
    world.linked = True
    try:
        await hub(lambda api, *_: list(api.list_repo_tree(REPO)))(world, path)
    finally:
        world.linked = False


INPUT = {"hf_token": Secret(f"hf_{MARK}"), "steps": 1}
WAYS: dict[str, Way] = {
    "account": replicate(lambda client, *_: client.account()),
    "list": replicate(lambda client, *_: first(client.predictions())),
    "get": replicate(lambda client, *_: client.get_prediction("abc")),
    "create": replicate(lambda client, *_: client.create_prediction(version=VERSION, input=INPUT)),
    "cancel": replicate(lambda client, *_: client.cancel_prediction("abc")),
    "upload": replicate(lambda client, _, path: client.upload_file(path, filename="a.zip")),
    "delete": replicate(lambda client, *_: client.delete_file("abc")),
    "download": replicate(lambda client, world, _: read(client, world)),
    "webhook secret": replicate(lambda client, *_: client.webhook_secret()),
    "Hub's owner": owner,
    "Hub: whoami": hub(lambda api, *_: api.whoami()),
    "Hub: repository": hub(lambda api, *_: api.model_info(REPO)),
    "Hub: create": hub(lambda api, *_: api.create_repo(REPO)),
    "Hub: tree": hub(lambda api, *_: list(api.list_repo_tree(REPO))),
    "Hub: pages": hub_pages,
    "Hub: commit": hub(hub_commit),
    "Hub: read": hub(hub_read),
    "Hub: publish": hub(hub_destination),
    "Hub: Xet": hub(hub_xet),
    "bucket: list": bucket(lambda client, _: client.list_objects_v2(Bucket="bucket")),
    "bucket: head": bucket(lambda client, _: client.head_object(Bucket="bucket", Key="a")),
    "bucket: get": bucket(lambda client, _: client.get_object(Bucket="bucket", Key="a")),
    "bucket: put": bucket(
        lambda client, path: client.put_object(Bucket="bucket", Key="a", Body=path.read_bytes())
    ),
    "bucket: parts": bucket(lambda c, _: c.create_multipart_upload(Bucket="bucket", Key="a")),
    "bucket: keys": bucket(
        lambda c, _: c.assume_role(RoleArn="arn:aws:iam::0:role/a" * 2, RoleSessionName="ab"), "sts"
    ),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("statuses", [(307,), pytest.param(STATUSES, marks=pytest.mark.release)])
async def test_no_redirect_carries_a_credential_out_of_its_door(
    tmp_path: Path, statuses: tuple[int, ...]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 100)
    attempts, not_asked = 0, []
    async with redirecting() as world:
        port = world.away.rpartition(":")[2]
        targets = {
            "another port": world.away,
            "another path": f"{world.front}/inside",
            "out by dots": f"{world.front}/in/%2e%2e/out",
            "another name": f"http://localhost:{port}",
            "a login": f"http://me@127.0.0.1:{port}",
        }
        for world.target in targets.values():
            for world.status in statuses:
                for name, way in WAYS.items():
                    world.asked = 0
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(way(world, path), 20)
                    attempts += 1
                    if not world.asked:
                        not_asked.append(name)
        assert world.stolen == []
        assert not_asked == []
        assert world.reached  # the Hub's library follows
    assert attempts == len(WAYS) * len(statuses) * len(targets)


@pytest.mark.timeout(300)
async def test_no_redirect_carries_a_credential_from_https_to_http(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 100)
    not_asked = []
    async with redirecting(Authority(tmp_path / "authority")) as world:
        world.target, world.status = f"{world.away}/in", 307  # all but the origin is right
        for name, way in WAYS.items():
            world.asked = 0
            with contextlib.suppress(Exception):
                await asyncio.wait_for(way(world, path), 20)
            if not world.asked:
                not_asked.append(name)
        assert world.stolen == []
        assert not_asked == []
