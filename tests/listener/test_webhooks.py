"""The webhook route: what is believed, what is turned away, and with which words."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.listener.hooks import NATIVE, OTHER, SECRET, Hooks, serve_hooks, unfinished
from tests.support import eventually
from tui.listener.client_address import parse_networks
from tui.listener.connections import ConnectionLimits
from tui.listener.webhooks import (
    WebhookEvent,
    WebhookSettings,
)
from tui.replicate.secret import Secret

VECTORS = Path(__file__).parent.parent / "replicate" / "webhook_vectors.json"


async def test_a_signed_body_is_accepted_and_handed_on(hooks: Hooks) -> None:
    answer = await hooks.send(NATIVE, "?key=key-1")
    assert answer.status_code == 200
    assert answer.json() == {"status": "received", "job_id": "job-1"}
    await eventually(lambda: hooks.events)
    (event,) = hooks.events
    assert (event.kind, event.subject, event.event) == ("prediction", NATIVE["id"], "logs")
    assert (event.job_id, event.verified, event.address) == ("job-1", True, "127.0.0.1")
    assert dict(event.body) == NATIVE
    assert "Epoch" not in repr(event)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"status": "starting"}, "start"),
        ({"status": "processing", "logs": ""}, "start"),
        ({"status": "processing", "logs": "x"}, "logs"),
        ({"status": "processing", "logs": "x", "output": "y"}, "output"),
        ({"status": "succeeded", "logs": "x", "output": "y"}, "completed"),
        ({"status": "canceled"}, "completed"),
        ({"status": "aborted"}, "completed"),
        ({"status": "failed", "error": "OOM"}, "failed"),
    ],
)
async def test_events_get_their_names(hooks: Hooks, body: dict[str, Any], name: str) -> None:
    await hooks.send({"id": "abc", **body})
    await eventually(lambda: hooks.events)
    assert hooks.events[0].event == name


async def test_a_message_that_comes_again_is_answered_and_ignored(hooks: Hooks) -> None:
    for wanted in ("received", "duplicate", "duplicate"):
        answer = await hooks.send(NATIVE, message_id="msg_same")
        assert (answer.status_code, answer.json()["status"]) == (200, wanted)
    await hooks.send(NATIVE)
    await eventually(lambda: len(hooks.events) == 2)
    assert hooks.receiver.stats.duplicates == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"secret": OTHER}, "signature"),
        ({"age": 301}, "time"),
        ({"age": -302}, "time"),
    ],
)
async def test_signatures_that_do_not_hold(hooks: Hooks, change: Any, reason: str) -> None:
    answer = await hooks.send(NATIVE, **change)
    assert answer.status_code == 401
    assert answer.json()["reason"] == hooks.reason == reason
    assert hooks.receiver.stats.rejected == {reason: 1}
    assert hooks.receiver.stats.last_rejection is not None
    assert hooks.receiver.stats.last_rejection.address == "127.0.0.1"
    if reason == "time":
        assert "clock" in answer.json()["detail"]
    assert hooks.events == []


async def test_odd_signature_headers(hooks: Hooks) -> None:
    raw = json.dumps(NATIVE).encode()
    good = hooks.signed(raw)
    signature = good["webhook-signature"]
    for name in good:
        lacking = {key: value for key, value in good.items() if key != name}
        assert (await hooks.post(raw, lacking)).status_code == 401
    for odd in ("", "v1", "nocomma", "v2," + signature[3:], "v1,", "v1a," + signature[3:], "é" * 9):
        headers = good | {"webhook-signature": odd}
        encoded = {key: value.encode("utf-8") for key, value in headers.items()}
        assert (await hooks.post(raw, encoded)).status_code == 401
    for stamp in ("", "x", "1e9", "-5", "²", "9" * 40, "1" * 12):
        headers = good | {"webhook-timestamp": stamp}
        encoded = {key: value.encode("utf-8") for key, value in headers.items()}
        assert (await hooks.post(raw, encoded)).status_code == 401
    assert (await hooks.post(raw[:-1] + b" ", good)).status_code == 401
    assert hooks.events == []
    listed = good | {"webhook-signature": f"v1,AAAA nocomma v2,x {signature}"}
    assert (await hooks.post(raw, listed)).status_code == 200


async def test_the_known_vectors(hooks: Hooks) -> None:
    vectors = json.loads(VECTORS.read_text())
    assert len(vectors) == 5
    for vector in vectors:
        at = datetime.fromtimestamp(vector["timestamp"], UTC)
        async with serve_hooks(WebhookSettings(now=lambda at=at: at)) as then:
            then.known[:] = [Secret(vector["secret"])]
            headers = {
                "webhook-id": vector["id"],
                "webhook-timestamp": str(vector["timestamp"]),
                "webhook-signature": vector["signature"],
            }
            body = vector["body"].encode()
            answer = await then.post(body, headers)
            is_event = b'"id"' in body
            assert answer.status_code == (200 if is_event else 400)
            assert then.reason == ("" if is_event else "body")
            assert (await then.post(body + b"x", headers)).status_code == 401


async def test_a_changed_secret_is_fetched_again_once(hooks: Hooks) -> None:
    hooks.receiver._secrets_of(None)._again = 0.0
    assert (await hooks.send(NATIVE)).status_code == 200
    hooks.known[:] = [OTHER]
    assert (await hooks.send(NATIVE, secret=OTHER)).status_code == 200
    assert len(hooks.fetches) == 2
    assert (await hooks.send(NATIVE, secret=SECRET)).status_code == 401


async def test_forged_webhooks_do_not_cause_repeated_fetches_of_the_secret(hooks: Hooks) -> None:
    for _ in range(20):
        assert (await hooks.send(NATIVE, secret=OTHER)).status_code == 401
    assert len(hooks.fetches) == 1


async def test_without_a_secret_no_webhook_is_accepted(hooks: Hooks) -> None:
    hooks.known.clear()
    answer = await hooks.send(NATIVE)
    assert (answer.status_code, hooks.reason) == (503, "no_secret")


async def test_unsigned_bodies_need_verification_off(hooks: Hooks) -> None:
    assert (await hooks.post(NATIVE)).status_code == 401
    assert (await hooks.post(NATIVE, query="?key=key-1")).status_code == 401
    async with serve_hooks(WebhookSettings(verify=False)) as lax:
        assert (await lax.post(NATIVE)).status_code == 200
        await eventually(lambda: lax.events)
        assert lax.events[0].verified is False


async def test_simpletuner_bodies_come_with_a_job_key(hooks: Hooks) -> None:
    body = {"type": "training.status", "job_id": "job-1", "status": "running", "logs": "x"}
    assert (await hooks.post(body)).status_code == 401
    assert (await hooks.post(body, query="?key=wrong")).status_code == 403
    assert (await hooks.post(body, query="?key=key-1")).status_code == 200
    assert (await hooks.post(body | {"job_id": "job-2"}, query="?key=key-1")).status_code == 403
    assert hooks.reason == "other_job"
    await eventually(lambda: hooks.events)
    (event,) = hooks.events
    assert (event.kind, event.job_id, event.event) == ("simpletuner", "job-1", "training.status")
    failed = await hooks.post(body | {"status": "failed"}, query="?key=key-1")
    assert failed.status_code == 200
    await eventually(lambda: len(hooks.events) == 2)
    assert hooks.events[1].event == "failed"


async def test_a_native_body_of_another_job_is_rejected(hooks: Hooks) -> None:
    answer = await hooks.send({**NATIVE, "id": "someoneelses"}, "?key=key-1")
    assert (answer.status_code, hooks.reason) == (403, "other_job")


HEAD = b"POST /api/webhooks/replicate HTTP/1.1\r\nHost: x\r\n"
DEEP = b'{"id":"a","status":"b","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        DEEP,
        b"[" * 100_000,
        b'{"id":"a","status":"b","n":NaN}',
        b'{"id":"a","status":"b","n":Infinity}',
        b'{"id":5,"status":"b"}',
        b'{"id":"a","status":null}',
        b'{"id":{},"status":[]}',
        b'{"id":"","status":"x"}',
        b'{"id":"a\\u0000b","status":"x"}',
        b'{"id":"' + b"a" * 1000 + b'","status":"x"}',
        b'{"id":"a","status":"b","n":' + b"9" * 10_000 + b"}",
    ],
)
async def test_bodies_that_are_no_events(hooks: Hooks, body: bytes) -> None:
    answer = await hooks.send(body)
    assert (answer.status_code, hooks.reason) == (400, "body")
    assert hooks.events == []


async def test_an_unproven_body_with_duplicate_keys_is_rejected() -> None:
    async with serve_hooks(WebhookSettings(verify=False)) as lax:
        answer = await lax.post(b'{"id":"a","id":"b","status":"c"}')
        assert (answer.status_code, lax.reason) == (400, "body")


async def test_lone_surrogates_are_replaced(hooks: Hooks) -> None:
    answer = await hooks.send(
        b'{"id":"a","status":"x","logs":"caf\\u00e9 \\ud83d\\ude00 \\ud83d."}'
    )
    assert answer.status_code == 200
    await eventually(lambda: hooks.events)
    assert hooks.events[0].body["logs"] == "café 😀 \ufffd."


@pytest.mark.parametrize("sized", [True, False])
async def test_a_body_may_be_as_large_as_the_limit(sized: bool) -> None:
    raw = json.dumps(NATIVE).encode()

    async def unsized() -> AsyncIterator[bytes]:
        yield raw

    for limit, status in ((len(raw), 200), (len(raw) - 1, 413)):
        async with serve_hooks(WebhookSettings(max_body_bytes=limit)) as hooks:
            content = raw if sized else unsized()
            answer = await hooks.http.post(hooks.url, content=content, headers=hooks.signed(raw))
            assert answer.status_code == status
    body = json.dumps({"type": "training.status", "job_id": "job-1", "status": "running"})
    for limit, status in ((len(body), 200), (len(body) - 1, 413)):
        async with serve_hooks(WebhookSettings(max_unsigned_bytes=limit)) as hooks:
            answer = await hooks.post(body.encode(), query="?key=key-1")
            assert answer.status_code == status
    async with serve_hooks(WebhookSettings(max_unsigned_bytes=1, verify=False)) as hooks:
        assert (await hooks.post(raw)).status_code == 200  # nobody is asked to sign


async def test_bodies_may_be_large_but_not_too_large(hooks: Hooks) -> None:
    large = {**NATIVE, "logs": "x" * (31 * 1024 * 1024)}
    assert (await hooks.send(large)).status_code == 200
    huge = b"x" * (33 * 1024 * 1024)
    try:
        answer = await hooks.post(huge, hooks.signed(b""))
        assert answer.status_code == 413
    except httpx.WriteError:
        pass  # the server hung up on the rest of the body, as it may
    assert hooks.reason == "too_large"

    async def unsized() -> AsyncIterator[bytes]:
        for _ in range(34):
            yield b"x" * 1024 * 1024

    try:
        answer = await hooks.http.post(hooks.url, content=unsized(), headers=hooks.signed(b""))
        assert answer.status_code == 413
    except httpx.WriteError:
        pass
    assert hooks.receiver.stats.rejected["too_large"] == 2
    await eventually(lambda: hooks.receiver._unproven.held == 0)


async def test_compressed_bodies_are_not_unpacked(hooks: Hooks) -> None:
    bomb = gzip.compress(bytes(50 * 1024 * 1024))
    answer = await hooks.post(bomb, {"content-encoding": "gzip"})
    assert (answer.status_code, hooks.reason) == (415, "encoding")


async def test_half_a_body_then_silence() -> None:
    async with serve_hooks(WebhookSettings(idle_seconds=0.3)) as hooks:
        reader, writer = await unfinished(hooks)
        answer = await reader.readuntil(b"\r\n")
        assert b" 408 " in answer
        assert hooks.reason == "slow"
        writer.close()
        await writer.wait_closed()


async def test_addresses_that_may_send() -> None:
    strict = WebhookSettings(
        allowed=parse_networks(["34.82.0.0/16", "2600:1900::/28"]),
        trusted_proxies=parse_networks(["127.0.0.1", "10.0.0.0/8"]),
    )
    async with serve_hooks(strict) as hooks:

        async def status(**headers: str) -> int:
            raw = json.dumps(NATIVE).encode()
            sent = hooks.signed(raw) | {k.replace("_", "-"): v for k, v in headers.items()}
            return (await hooks.post(raw, sent)).status_code

        assert await status() == 403
        assert hooks.reason == "address"
        assert await status(x_forwarded_for="34.82.1.2") == 200
        assert await status(x_forwarded_for="34.82.1.2, 8.8.4.4") == 403
        assert await status(x_forwarded_for="8.8.4.4, 34.82.1.2, 10.1.2.3") == 200
        assert await status(x_forwarded_for="[2600:1900::7]:443") == 200
        assert await status(forwarded='for="[2600:1900::7]:443";proto=https') == 200
        assert await status(forwarded="for=34.82.9.9, for=10.0.0.1") == 200
        assert await status(forwarded="for=34.82.9.9", x_forwarded_for="8.8.8.8") == 403
        assert await status(x_forwarded_for="34.82.1.2, rubbish") == 403
        assert await status(x_forwarded_for="::ffff:34.82.1.2") == 200
    async with serve_hooks(replace(strict, trusted_proxies=())) as direct:
        raw = json.dumps(NATIVE).encode()
        sent = direct.signed(raw) | {"x-forwarded-for": "34.82.1.2"}
        assert (await direct.post(raw, sent)).status_code == 403


async def test_one_address_may_not_flood() -> None:
    slow = WebhookSettings(per_second=0.001, burst=3, trusted_proxies=parse_networks(["127.0.0.1"]))
    async with serve_hooks(slow) as hooks:
        statuses = []
        for address in ["1.2.3.4"] * 5 + ["1.2.3.5"]:
            raw = json.dumps(NATIVE).encode()
            sent = hooks.signed(raw) | {"x-forwarded-for": address}
            answer = await hooks.post(raw, sent)
            statuses.append((answer.status_code, answer.headers.get("Retry-After")))
        assert statuses == [(200, None)] * 3 + [(429, "1")] * 2 + [(200, None)]
        unsigned = await hooks.post(NATIVE, {"x-forwarded-for": "1.2.3.6"})
        assert (unsigned.status_code, unsigned.headers.get("Retry-After")) == (401, None)


async def test_a_slow_or_broken_worker_does_not_slow_the_answer() -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    async def work(event: WebhookEvent) -> None:
        await gate.wait()
        seen.append(event.subject)
        if event.subject == "b":
            raise RuntimeError("cannot use this one")

    async with serve_hooks(WebhookSettings(max_unproven_memory=10_000), on_event=work) as hooks:
        for name in "abc":
            assert (await hooks.send({"id": name, "status": "x"})).status_code == 200
        # 10 kB of bodies may wait, no more: polling tells the rest
        answers = [await hooks.send({**NATIVE, "logs": "x" * 4000}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 503]
        gate.set()
        await eventually(lambda: len(seen) == 5)
        assert hooks.receiver.stats.failed == 1
        await eventually(lambda: hooks.receiver._unproven.held == 0)


async def test_answered_webhooks_are_handled_before_shutdown() -> None:
    seen: list[str] = []

    async def work(event: WebhookEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event.subject)

    async with serve_hooks(on_event=work) as hooks:
        for number in range(20):
            assert (await hooks.send({"id": str(number), "status": "x"})).status_code == 200
    assert len(seen) == 20


async def test_silent_connections_are_closed() -> None:
    limits = ConnectionLimits(max_connections=20, first_request_seconds=0.3)
    async with serve_hooks(connections=limits) as hooks:
        silent = [await asyncio.open_connection("127.0.0.1", hooks.port) for _ in range(40)]
        for reader, writer in silent:
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        assert (await hooks.send(NATIVE)).status_code == 200
        assert (await hooks.send(NATIVE)).status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: -5\r\n\r\nhello",
        b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 500 + b"\r\n",
        b"GET /api/webhooks/replicate HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
)
async def test_malformed_requests_get_a_4xx(hooks: Hooks, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hooks.port)
    writer.write(head)
    answer = await asyncio.wait_for(reader.readline(), 5)
    assert answer.split()[1][:1] == b"4", answer
    writer.close()
    assert hooks.events == []


async def test_a_status_that_is_no_text_is_ignored(hooks: Hooks) -> None:
    body = {"type": "training.status", "job_id": "job-1", "status": ["running"]}
    assert (await hooks.post(body, query="?key=key-1")).status_code == 200
    await eventually(lambda: hooks.events)
    assert hooks.events[0].event == "training.status"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    ["id", "status", "logs", "output", "job_id", "prediction_id", "type", "error", "metrics"]
)
bodies = st.binary(max_size=200) | st.dictionaries(fields, json_values, max_size=6).map(
    lambda body: json.dumps(body).encode()
)


@given(body=bodies, sign=st.booleans(), query=st.sampled_from(["", "?key=key-1", "?key=%00&key="]))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_body_brings_the_route_down(
    hooks: Hooks, body: bytes, sign: bool, query: str
) -> None:
    answer = await (hooks.send(body, query) if sign else hooks.post(body, query=query))
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
