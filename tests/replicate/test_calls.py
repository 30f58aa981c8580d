"""Each call against a real server: what it sends and what it makes of a usual answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from tests.replicate.server import TOKEN, VERSION, Server, client_for, cut, prediction, reply
from tui import __version__
from tui.replicate import upload
from tui.replicate.client import ReplicateClient
from tui.replicate.create import SHORTEST_LIFE
from tui.replicate.errors import (
    BadAnswerError,
    DamagedUploadError,
    FileChangedError,
    InvalidRequestError,
    NotFoundError,
    ReplicateError,
    TooLargeError,
)
from tui.replicate.models import State
from tui.replicate.secret import Secret
from tui.replicate.upload import FILE_LIMIT

ID = "hdwst0bb05rgp0cf0p29mzk2am"


async def test_account_says_who_and_we_say_who_we_are(server, client):
    server.on("GET /account", {"type": "user", "username": "alice", "name": None, "extra": 1})
    account = await client.account()
    assert (account.username, account.type, account.name) == ("alice", "user", None)
    assert account.model_extra == {"extra": 1}
    headers = server.seen[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN.reveal()}"
    assert headers["User-Agent"] == f"simpletuner-tui/{__version__}"


async def test_hardware(server, client):
    server.on("GET /hardware", [{"name": "Nvidia L40S GPU", "sku": "gpu-l40s"}, "junk"])
    assert [h.sku for h in await client.hardware()] == ["gpu-l40s"]


async def test_model_with_its_latest_version(server, client):
    server.on(
        "GET /models/simpletuner/advanced-trainer-l40s",
        {
            "owner": "simpletuner",
            "name": "advanced-trainer-l40s",
            "visibility": "public",
            "run_count": 12,
            "latest_version": {
                "id": VERSION,
                "created_at": "2026-08-01T00:00:00.000000001Z",
                "openapi_schema": {"components": {}},
            },
        },
    )
    model = await client.model("simpletuner/advanced-trainer-l40s")
    assert model.latest_version is not None
    assert model.latest_version.id == VERSION
    assert model.latest_version.created_at == datetime(2026, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "alone", "a/b/c", "a/b:c", "/b", "a/", "../x", "a/.."])
async def test_an_invalid_model_name_is_not_requested(server, client, name):
    with pytest.raises(InvalidRequestError):
        await client.model(name)
    assert server.seen == []


async def test_versions_over_pages(server, client):
    path = "/models/o/n/versions"
    server.on(
        f"GET {path}",
        {"next": f"{server.base}{path}?cursor=c1", "results": [{"id": "1"}, {"id": "2"}]},
        {"next": None, "previous": "x", "results": [{"id": "3"}]},
    )
    assert [v.id async for v in client.versions("o/n")] == ["1", "2", "3"]
    assert [s.query for s in server.seen] == [{}, {"cursor": "c1"}]


async def test_one_version_and_readme(server, client):
    server.on(f"GET /models/o/n/versions/{VERSION}", {"id": VERSION, "openapi_schema": {"a": 1}})
    server.on("GET /models/o/n/readme", b"# Hello\n")
    assert (await client.version("o/n", VERSION)).openapi_schema == {"a": 1}
    assert await client.readme("o/n") == "# Hello\n"


async def test_search_uses_the_query_verb(server, client):
    server.on("QUERY /models", {"next": None, "results": [{"owner": "o", "name": "n"}]})
    assert [m.name async for m in client.search_models("trainer ü")] == ["n"]
    assert server.seen[0].body.decode() == "trainer ü"


async def test_create_sends_exactly_what_is_needed(server, client):
    server.on("POST /predictions", reply(prediction(), status=201))
    made = await client.create_prediction(
        version=VERSION,
        input={"max_train_steps": 100, "hf_token": Secret("hf_secretsecret")},
        webhook="https://example.com/hook?job=1",
        webhook_events_filter=["start", "completed"],
        cancel_after=7200,
    )
    assert (made.id, made.state, made.is_terminal) == (ID, State.STARTING, False)
    seen = server.seen[0]
    assert seen.json == {
        "version": VERSION,
        "input": {"max_train_steps": 100, "hf_token": "hf_secretsecret"},
        "webhook": "https://example.com/hook?job=1",
        "webhook_events_filter": ["start", "completed"],
    }
    assert seen.headers["Cancel-After"] == "7200s"
    assert "Prefer" not in seen.headers


async def test_create_refuses_what_cannot_work(server, client):
    with pytest.raises(InvalidRequestError):
        await client.create_prediction(version=VERSION, input={}, cancel_after=4)
    with pytest.raises(InvalidRequestError):
        await client.create_prediction(version=VERSION, input={"lr": float("nan")})
    assert server.seen == []


async def test_deployment_prediction_has_no_version(server, client):
    server.on("POST /deployments/o/d/predictions", reply(prediction(deployment="o/d"), status=201))
    made = await client.create_deployment_prediction("o/d", input={"a": 1})
    assert made.deployment == "o/d"
    assert server.seen[0].json == {"input": {"a": 1}}


async def test_get_by_id_and_by_the_link_of_an_answer(server, client):
    server.on(f"GET /predictions/{ID}", prediction(status="processing", logs="a\n"))
    assert (await client.get_prediction(ID)).logs == "a\n"
    assert (await client.get_prediction(f"{server.base}/predictions/{ID}")).id == ID
    with pytest.raises(BadAnswerError):
        await client.get_prediction(f"https://elsewhere.example/v1/predictions/{ID}")


async def test_an_answer_without_an_id_is_no_prediction(server, client):
    server.on(f"GET /predictions/{ID}", {"status": "starting"})
    with pytest.raises(BadAnswerError):
        await client.get_prediction(ID)


async def test_list_with_times(server, client):
    server.on("GET /predictions", {"results": [prediction()]})
    after = datetime(2026, 11, 1, 12, tzinfo=UTC)
    before = datetime(2026, 11, 2, 12, tzinfo=UTC)
    rows = [p async for p in client.predictions(created_after=after, created_before=before)]
    assert [p.id for p in rows] == [ID]
    assert server.seen[0].query == {
        "created_after": "2026-11-01T12:00:00.000000Z",
        "created_before": "2026-11-02T12:00:00.000000Z",
    }


async def test_cancel(server, client):
    server.on(f"POST /predictions/{ID}/cancel", prediction(status="canceled", logs=None))
    assert (await client.cancel_prediction(ID)).state is State.CANCELED
    assert server.seen[0].body == b""


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_cancelling_an_ended_prediction_returns_it(server, client, status):
    server.on(f"POST /predictions/{ID}/cancel", reply({"detail": "no"}, status=status))
    server.on(f"GET /predictions/{ID}", prediction(status="succeeded"))
    assert (await client.cancel_prediction(ID)).state is State.SUCCEEDED


async def test_cancelling_an_unknown_prediction_fails(server, client):
    with pytest.raises(NotFoundError):
        await client.cancel_prediction(ID)


async def test_trainings(server, client):
    path = f"/models/o/n/versions/{VERSION}/trainings"
    training = prediction(output={"version": f"o/d:{VERSION}", "weights": "https://x/y.tar"})
    server.on(f"POST {path}", reply(training, status=201))
    server.on(f"GET /trainings/{ID}", training)
    server.on("GET /trainings", {"results": [training]})
    server.on(f"POST /trainings/{ID}/cancel", prediction(status="canceled"))
    made = await client.create_training("o/n", VERSION, destination="o/d", input={"a": 1})
    assert server.seen[0].json == {"destination": "o/d", "input": {"a": 1}}
    assert made.trained_version == f"o/d:{VERSION}"
    assert (await client.get_training(ID)).id == ID
    assert [t.id async for t in client.trainings()] == [ID]
    assert (await client.cancel_training(ID)).is_terminal


async def test_webhook_secret_is_a_secret(server, client):
    server.on("GET /webhooks/default/secret", {"key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    secret = await client.webhook_secret()
    assert secret.reveal() == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert repr(secret) == "***"


# Files


def file_answer(**changes):
    return {
        "id": "NGZiNmY2",
        "name": "cats.zip",
        "content_type": "application/zip",
        "size": 5,
        "etag": "x",
        "checksums": {"sha256": "s", "md5": "m"},
        "metadata": {},
        "created_at": "2024-02-21T12:54:18.578761Z",
        "expires_at": "2024-02-22T12:54:18.578761Z",
        "urls": {"get": "https://api.replicate.com/v1/files/NGZiNmY2"},
        **changes,
    }


async def test_an_upload_arrives_complete_with_exact_progress(server, client, tmp_path):
    data = os.urandom(3_000_001)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    got = {}

    async def take(request: web.Request) -> web.Response:
        # Parsed by aiohttp's own multipart reader, from the body that the server kept.
        got["type"] = request.headers["Content-Type"]
        return web.json_response(file_answer(size=len(data)), status=201)

    server.on("POST /files", take)
    steps: list[tuple[int, int]] = []
    file = await client.upload_file(
        path,
        filename='ca"ts\r\n ü.zip',
        metadata={"job": "cat-lora"},
        progress=lambda done, total: steps.append((done, total)),
    )
    assert file.url == "https://api.replicate.com/v1/files/NGZiNmY2"
    assert file.expires_at is not None
    assert steps[0] == (0, len(data))
    assert steps[-1] == (len(data), len(data))
    assert steps == sorted(steps)
    assert len(steps) > 4
    body = server.seen[0].body
    assert int(server.seen[0].headers["Content-Length"]) == len(body)
    parts = split_form(body, got["type"])
    assert parts[0] == ('form-data; name="metadata"', "application/json", b'{"job": "cat-lora"}')
    assert parts[1][0] == 'form-data; name="content"; filename="ca%22ts%0D%0A ü.zip"'
    assert parts[1][1] == "application/zip"
    assert hashlib.sha256(parts[1][2]).digest() == hashlib.sha256(data).digest()


def split_form(body: bytes, content_type: str) -> list[tuple[str, str, bytes]]:
    boundary = content_type.partition("boundary=")[2].encode()
    assert body.endswith(b"\r\n--" + boundary + b"--\r\n")
    parts = []
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        parts.append(
            (
                headers["Content-Disposition"],
                headers["Content-Type"],
                content.removesuffix(b"\r\n"),
            )
        )
    return parts


async def test_upload_over_the_limit_sends_nothing(server, client, tmp_path):
    path = tmp_path / "big.zip"
    with path.open("wb") as file:
        file.truncate(FILE_LIMIT + 1)
    with pytest.raises(TooLargeError) as caught:
        await client.upload_file(path, filename="big.zip")
    assert "Nothing was sent" in caught.value.message
    assert server.seen == []


async def test_a_file_may_be_as_large_as_the_limit(server, client, tmp_path, monkeypatch):
    monkeypatch.setattr(upload, "FILE_LIMIT", 10)
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(10))
    server.on("POST /files", reply({"id": "f"}, status=201))
    assert (await client.upload_file(path, filename="a.zip")).id == "f"
    path.write_bytes(bytes(11))
    with pytest.raises(TooLargeError):
        await client.upload_file(path, filename="a.zip")


async def test_a_run_may_be_given_the_shortest_life(server, client):
    server.on("POST /predictions", reply(prediction(), status=201))
    await client.create_prediction(version=VERSION, input={}, cancel_after=SHORTEST_LIFE)
    assert server.seen[0].headers["Cancel-After"] == f"{SHORTEST_LIFE}s" == "5s"


async def test_upload_of_a_file_that_shrinks(server, client, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(4_000_000))

    def shrink(done: int, _total: int) -> None:
        if done:
            os.truncate(path, 1_000_000)

    with pytest.raises(FileChangedError):
        await client.upload_file(path, filename="a.zip", progress=shrink)


async def test_upload_is_refused_with_a_page(server, client, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"12345")
    page = b"<html><head><title>413 Request Entity Too Large</title></head><body>x</body></html>"
    server.on("POST /files", reply(page, status=413, headers={"Content-Type": "text/html"}))
    with pytest.raises(TooLargeError) as caught:
        await client.upload_file(path, filename="a.zip")
    assert "413 Request Entity Too Large" in caught.value.message
    assert len(server.seen) == 1


SENT = b"12345"
SHA256, MD5 = hashlib.sha256(SENT).hexdigest(), hashlib.md5(SENT).hexdigest()
WRONG = {"sha256": "0" * 64, "md5": "f" * 32}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 4}, "4 bytes instead of 5"),
        ({"size": 0, "checksums": {"sha256": SHA256}}, "0 bytes instead of 5"),
        ({"checksums": {"sha256": WRONG["sha256"], "md5": MD5}}, "SHA256"),
        ({"checksums": {"sha256": SHA256, "md5": WRONG["md5"]}}, "MD5"),
        ({"size": None, "checksums": {"md5": WRONG["md5"]}}, "MD5"),
        ({"size": None, "checksums": {"SHA256": WRONG["sha256"]}}, "SHA256"),
    ],
)
async def test_a_damaged_upload_is_deleted_and_reported(server, client, tmp_path, changes, words):
    path = tmp_path / "a.zip"
    path.write_bytes(SENT)
    server.on("POST /files", reply(file_answer(**changes), status=201))
    for deleted in (reply(b"", status=204), reply({}, status=404), reply({}, status=403)):
        server.on("DELETE /files/NGZiNmY2", deleted)
        with pytest.raises(DamagedUploadError, match=words) as caught:
            await client.upload_file(path, filename="a.zip")
        assert "Nothing was started" in caught.value.advice
    assert len(server.calls("POST /files")) == len(server.calls("DELETE /files/NGZiNmY2")) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"size": None, "checksums": {}, "etag": None},
        {"checksums": {}, "etag": "another"},
        {"size": None, "checksums": {"sha256": SHA256.upper(), "md5": f" {MD5} "}},
        {"checksums": {"sha256": "base64:another/notation", "crc32": "ffffffff", "md5": ""}},
        {"checksums": {"sha256": "z" * 64}},
    ],
)
async def test_only_values_in_the_answer_to_an_upload_are_compared(
    server, client, tmp_path, changes
):
    path = tmp_path / "a.zip"
    path.write_bytes(SENT)
    server.on("POST /files", reply(file_answer(**changes), status=201))
    assert (await client.upload_file(path, filename="a.zip", sha256=SHA256)).id == "NGZiNmY2"
    assert len(server.seen) == 1


async def test_a_file_that_changed_before_it_was_sent(server, client, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"12354")
    told = file_answer(checksums={})
    server.on("POST /files", reply(told, status=201))
    server.on("DELETE /files/NGZiNmY2", reply(b"", status=204))
    with pytest.raises(DamagedUploadError, match=r"a\.zip was changed on this machine"):
        await client.upload_file(path, filename="a.zip", sha256=SHA256)


async def test_upload_can_be_cancelled_half_way(tmp_path):
    """The server stops reading, so the upload can only end by being cancelled."""
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(50_000_000))
    closed = asyncio.Event()

    async def swallow_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        half.set()
        await stop.wait()
        while await reader.read(1 << 20):
            pass
        closed.set()
        writer.close()

    half, stop = asyncio.Event(), asyncio.Event()
    listener = await asyncio.start_server(swallow_little, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    steps: list[int] = []
    async with listener, client_for(f"http://127.0.0.1:{port}/v1") as client:
        task = asyncio.create_task(
            client.upload_file(path, filename="a", progress=lambda done, _: steps.append(done))
        )
        await half.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stop.set()
        await asyncio.wait_for(closed.wait(), 5)
    assert steps[-1] < 50_000_000


async def test_files_list_get_delete(server, client):
    server.on("GET /files", {"results": [file_answer()]})
    server.on("GET /files/NGZiNmY2", file_answer(etag=None))
    server.on("DELETE /files/NGZiNmY2", reply(b"", status=204), reply({}, status=404))
    assert [f.id async for f in client.list_files()] == ["NGZiNmY2"]
    assert (await client.get_file("NGZiNmY2")).size == 5
    await client.delete_file("NGZiNmY2")
    await client.delete_file("NGZiNmY2")


async def test_file_ids_are_quoted(server, client):
    server.on("GET /files/a%2Fb%3D", file_answer(id="a/b="))
    assert (await client.get_file("a/b=")).id == "a/b="


async def test_a_file_is_read_from_any_byte_on(server, client):
    data = os.urandom(2_500_000)
    part = {"Content-Range": f"bytes 1000-1999/{len(data)}", "ETag": '"one"'}
    server.on("GET /files/out.bin", reply(data), reply(data[1000:2000], status=206, headers=part))
    async with client.reading(f"{server.base}/files/out.bin") as answer:
        assert (answer.start, answer.total, answer.ranged) == (0, len(data), False)
        assert b"".join([piece async for piece in answer.pieces]) == data
    async with client.reading(
        f"{server.base}/files/out.bin", start=1000, stop=2000, etag='"one"'
    ) as answer:
        assert (answer.start, answer.total, answer.ranged) == (1000, len(data), True)
        assert answer.etag == '"one"'
        assert b"".join([piece async for piece in answer.pieces]) == data[1000:2000]
    asked = server.seen[1].headers
    assert (asked["Range"], asked["If-Range"]) == ("bytes=1000-1999", '"one"')


async def test_a_broken_download_is_reported(server, client):
    server.on("GET /files/out.bin", cut(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"))

    async def read() -> None:
        async with client.reading(f"{server.base}/files/out.bin") as answer:
            async for piece in answer.pieces:
                assert b"12345".startswith(piece)

    with pytest.raises(ReplicateError, match=r"out\.bin"):
        await read()


async def test_a_missing_file_is_not_read(server, client):
    with pytest.raises(NotFoundError):
        async with client.reading(f"{server.base}/files/gone"):
            pytest.fail("nothing is there")


async def test_repr_of_the_client_is_its_address(client: ReplicateClient, server: Server):
    assert repr(client) == f"ReplicateClient('{server.base}')"
    assert json.dumps(client.base_url)
    assert Path(str(client.base_url)).name == "v1"
