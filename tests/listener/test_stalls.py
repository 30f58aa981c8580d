"""Nobody keeps others out, and no request holds the loop, before it has proved who it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.listener.conftest import ACCESS_KEY, Keys, Storage, grant
from tests.listener.hooks import NATIVE, SECRET, Hooks, Jobs, serve_hooks, unfinished
from tests.listener.watched import Watched, loop_watch, no_collection, watched
from tests.listener.wire import begin, exchange, request, sign
from tests.support import eventually
from tui.listener import connections
from tui.listener.connections import ConnectionLimits
from tui.listener.storage import STORAGE_PATH, StorageReceiver
from tui.listener.storage.chunked import ChunkedDecoder
from tui.listener.storage.errors import S3Error
from tui.listener.storage.multipart import Part
from tui.listener.storage.xml import parse
from tui.listener.webhooks import WEBHOOK_PATH, WebhookReceiver, WebhookSecrets, WebhookSettings

__all__ = ["loop_watch", "no_collection"]

FORGED = {"webhook-id": "m", "webhook-timestamp": "", "webhook-signature": "v1,forged"}
MOST_GROWTH = 2.5
"""Twice the size may take this many times the CPU time, at most."""


def forged() -> dict[str, str]:
    return FORGED | {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()))}


@pytest.mark.parametrize("query", ["", "?key=key-1"])
@pytest.mark.parametrize("headers", [dict, forged])
async def test_unfinished_bodies_keep_no_webhook_out(
    hooks: Hooks, query: str, headers: Callable[[], dict[str, str]]
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(64):
            _, writer = await unfinished(hooks, query, headers())
            stack.callback(writer.close)
        for ours in ("", "?key=key-1"):
            answer = await hooks.send(NATIVE, ours)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("query", "headers", "reason"),
    [
        ("", {}, "unsigned"),
        ("", FORGED | {"webhook-timestamp": "1"}, "time"),
        ("?key=none", forged(), "job_key"),
        ("?key=key-1", {"webhook-id": "m"}, "unsigned"),
    ],
)
async def test_what_is_wrong_with_the_head_is_answered_without_the_body(
    hooks: Hooks, query: str, headers: dict[str, str], reason: str
) -> None:
    reader, writer = await unfinished(hooks, query, headers)
    assert (await reader.readuntil(b"\r\n")).split()[1] in {b"401", b"403"}
    assert hooks.reason == reason
    writer.close()


async def test_what_only_knows_the_address_of_a_job_sends_little(hooks: Hooks) -> None:
    assert (await hooks.post(b"x" * 300_000, {}, "?key=key-1")).status_code == 413
    event = {"job_id": "job-1", "type": "x", "message": "x" * 200_000}
    assert (await hooks.post(event, {}, "?key=key-1")).status_code == 200


async def test_a_copy_that_comes_while_the_first_is_read_is_accepted_once(hooks: Hooks) -> None:
    large = {**NATIVE, "logs": "x" * 200_000}
    answers = await asyncio.gather(*(hooks.send(large, message_id="same") for _ in range(4)))
    states = sorted(answer.json()["status"] for answer in answers)
    assert states == ["duplicate", "duplicate", "duplicate", "received"]
    assert (await hooks.send(b"[" * 20_000, message_id="other")).status_code == 400
    assert (await hooks.send(NATIVE, message_id="other")).json()["status"] == "received"


SMALL = ConnectionLimits(max_connections=60, max_silent=40)


async def silent(stack: AsyncExitStack, port: int, count: int) -> list[asyncio.StreamReader]:
    readers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        readers.append(reader)
    return readers


async def test_silent_connections_keep_nobody_out() -> None:
    async with serve_hooks(connections=SMALL) as hooks, AsyncExitStack() as stack:
        readers = await silent(stack, hooks.port, 150)
        assert (await hooks.send(NATIVE)).status_code == 200
        assert (
            await asyncio.wait_for(readers[0].read(), 20) == b""
        )  # the one that is silent longest


@pytest.mark.parametrize(("before", "after"), [(150, 0), (0, 150), (75, 75)])
async def test_strangers_in_the_same_moment_keep_nobody_out(before: int, after: int) -> None:
    """A loop that was held accepts all of them in one turn, before it reads from any."""
    async with hooks_watched(SMALL) as (hooks, seen), AsyncExitStack() as stack:
        with seen.busy():
            await silent(stack, seen.port, before)
            reader, writer = await asyncio.open_connection("127.0.0.1", seen.port)
            stack.callback(writer.close)
            body = json.dumps(NATIVE).encode()
            head = {**hooks.signed(body), "Host": "x", "Content-Length": str(len(body))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            writer.write(f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            await writer.drain()
            others = await silent(stack, seen.port, after)
        assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 200 OK\r\n"
        for other in others[: -SMALL.max_silent]:  # the limits hold all the same
            assert await asyncio.wait_for(other.read(), 20) == b""


async def test_handshakes_that_nobody_ends_keep_nobody_out() -> None:
    async with serve_hooks(connections=SMALL) as hooks:
        server = hooks.limited
        begun = [server() for _ in range(150)]
        assert all(isinstance(one, web.RequestHandler) for one in begun)
        await eventually(lambda: len(server._open) <= SMALL.max_silent)
        assert begun[-1] in server._open
        assert (await hooks.send(NATIVE)).status_code == 200


async def test_an_address_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only connections without a request count, and those of others stay."""
    sources = iter(["a"] * 2 + ["b"] * 40)
    monkeypatch.setattr(connections, "_source_of", lambda _: next(sources))
    limits = ConnectionLimits(max_silent_per_source=5)
    async with serve_hooks(connections=limits) as hooks, AsyncExitStack() as stack:
        first = await silent(stack, hooks.port, 2)
        second = await silent(stack, hooks.port, 10)
        for reader in second[:5]:
            assert await asyncio.wait_for(reader.read(), 20) == b""
        assert not any(reader.at_eof() for reader in (*first, *second[5:]))


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        (("127.0.0.1", 1), ""),
        (("::1", 1, 0, 0), ""),
        (("::ffff:127.0.0.1", 1, 0, 0), ""),
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("2001:db8::1:2:3:4", 1, 0, 0), "2001:db8::"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_address_that_a_connection_counts_for(peer: Any, source: str) -> None:
    assert connections._source_of(peer) == source


# -- CPU time, on a loop of the listener's own -------------------------------------------------


async def _no_event(_event: object) -> None:
    pass


async def _secret() -> Any:
    return SECRET


@asynccontextmanager
async def hooks_watched(
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[tuple[Hooks, Watched]]:
    settings = WebhookSettings(body_seconds=600, idle_seconds=600)
    receiver = WebhookReceiver(WebhookSecrets(_secret), _no_event, jobs=Jobs(), settings=settings)
    async with watched([receiver], limits) as seen, httpx.AsyncClient(timeout=60) as http:
        url = f"http://127.0.0.1:{seen.port}{WEBHOOK_PATH}"
        yield Hooks(receiver, url, [], http, seen.port, [SECRET], []), seen


@asynccontextmanager
async def storage_watched(root: Path) -> AsyncIterator[tuple[Storage, Watched]]:
    async def note(_: object) -> None:
        pass

    keys = Keys({ACCESS_KEY: grant()})
    receiver = StorageReceiver(root, keys, on_object=note)
    async with watched([receiver]) as seen:
        yield Storage(root, f"http://127.0.0.1:{seen.port}", None, keys, [], receiver), seen


@pytest.mark.usefixtures("loop_watch")
async def test_a_large_signed_body_does_not_hold_the_loop() -> None:
    body = json.dumps({**NATIVE, "output": [0] * 4_000_000}).encode()
    async with hooks_watched() as (hooks, seen):
        with seen.within():
            assert (await hooks.send(body, "?key=key-1")).status_code == 200


@pytest.mark.usefixtures("loop_watch")
async def test_a_body_without_a_proof_does_not_hold_the_loop() -> None:
    body = json.dumps({"job_id": "job-1", "x": [{"a": []}] * 20_000}).encode()
    async with hooks_watched() as (hooks, seen):
        with seen.within():
            assert (await hooks.post(body, {}, "?key=key-1")).status_code == 200
            assert (await hooks.post(body * 40, {}, "?key=key-1")).status_code == 413


@pytest.mark.usefixtures("loop_watch")
async def test_the_work_for_silent_and_unfinished_ones_grows_with_their_number() -> None:
    async def spent(count: int) -> float:
        async with hooks_watched(SMALL) as (hooks, seen), AsyncExitStack() as stack:
            with seen.within():
                await silent(stack, hooks.port, count)
                bodies = []
                for _ in range(count):
                    reader, writer = await unfinished(hooks)
                    stack.callback(writer.close)
                    bodies.append(reader)
                # All but the last have made room: this is about work, not about one busy moment.
                for reader in bodies[: -WebhookSettings().max_unproven_bodies]:
                    with suppress(ConnectionError):
                        await asyncio.wait_for(reader.readline(), 20)
                assert (await hooks.send(NATIVE)).status_code == 200
            return seen.spent

    # The least of a few: what else the machine does only adds to the CPU time of a thread.
    few, many = [min([await spent(count) for _ in range(3)]) for count in (80, 320)]
    assert many <= MOST_GROWTH**2 * few


@pytest.mark.usefixtures("loop_watch")
async def test_the_longest_list_of_parts_does_not_hold_the_loop(tmp_path: Path) -> None:
    async with storage_watched(tmp_path) as (storage, seen):
        upload_id = await begin(storage, "m")
        (held,) = storage.receiver._storages.values()
        upload = held.uploads.get(upload_id, "m")
        now = datetime.now(UTC)
        for number in range(1, 10_001):
            upload.parts[number] = Part(number, 1, f"{number:032x}", 0, {}, "data", 0, now)
        rows = "".join(
            f"<Part><ETag>{number:032x}</ETag><PartNumber>{number}</PartNumber>"
            "<ChecksumCRC32/><ChecksumCRC32C/><ChecksumSHA1/><ChecksumSHA256/></Part>"
            for number in range(1, 10_001)
        )
        document = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        with seen.within():
            answer = await request(storage, "POST", f"/outputs/m?uploadId={upload_id}", document)
        assert answer.code == "EntityTooSmall"


async def test_a_signature_covers_no_more_headers_than_a_request_has(storage: Storage) -> None:
    """Each of them costs time for every host and path that the client may have signed."""
    signed = sign(storage, "GET", "/outputs/x")
    own = {"host", "x-amz-content-sha256", "x-amz-date"}
    names = ";".join(sorted({*own, *(f"x{number}" for number in range(1000))}))
    value = signed.headers["Authorization"].replace(";".join(sorted(own)), names)
    headers = signed.headers | {"Authorization": value}
    answer = await exchange(storage, "GET", STORAGE_PATH + "/outputs/x", headers)
    assert answer.code == "AuthorizationHeaderMalformed"


async def test_an_unknown_upload_is_answered_without_its_body(storage: Storage) -> None:
    path = "/outputs/m?uploadId=" + "0" * 32
    signed = sign(storage, "POST", path)
    head = signed.headers | {"Content-Length": "4000000"}
    answer = await exchange(storage, "POST", STORAGE_PATH + path, head)
    assert answer.code == "NoSuchUpload"


async def test_documents_at_the_same_time_are_limited(storage: Storage) -> None:
    upload = await begin(storage, "m")
    (held,) = storage.receiver._storages.values()
    path = f"/outputs/m?uploadId={upload}"
    async with AsyncExitStack() as stack:
        for _ in range(64):
            _, writer = await asyncio.open_connection("127.0.0.1", storage.port)
            stack.callback(writer.close)
            head = sign(storage, "POST", path).headers | {"Content-Length": "4000000"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            writer.write(f"POST {STORAGE_PATH}{path} HTTP/1.1\r\n{lines}\r\n<a>".encode())
        await eventually(lambda: held.documents == 64)
        assert (await request(storage, "POST", path, b"<a/>")).code == "SlowDown"


def text_between(count: int) -> bytes:
    return b"<a>" + (b"x" * 40 + b"<b/>") * count + b"</a>"


def references(count: int) -> bytes:
    return b"<a>" + b"&#38;\r\n" * count + b"</a>"


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(("make", "count"), [(text_between, 10_000), (references, 50_000)])
def test_the_time_for_a_document_grows_with_its_size(
    make: Callable[[int], bytes], count: int
) -> None:
    def spent(document: bytes) -> float:
        start = time.thread_time()
        assert parse(document).text
        return time.thread_time() - start

    small, large = make(count), make(4 * count)
    assert min(spent(large) / spent(small) for _ in range(5)) <= MOST_GROWTH**2


def test_trailers_without_a_name_have_an_end() -> None:
    decoder = ChunkedDecoder(signatures=None, trailer=True)
    list(decoder.feed(b"0\r\n"))
    with pytest.raises(S3Error, match="MalformedTrailerError"):
        list(decoder.feed(b":\r\n" * 5000))
