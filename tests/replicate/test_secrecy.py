"""Canaries: values that must not be readable in anything this package shows, logs or raises."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from contextlib import suppress
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.replicate.proxies import proxying
from tests.replicate.server import QUICK, VERSION, Server, cut, prediction, reply, serving
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import ReplicateError
from tui.replicate.models import Prediction
from tui.replicate.redact import redact_text, redact_url
from tui.replicate.secret import Secret

TOKEN = "r8_CanaryTokenCanaryTokenCanaryTokenCan"
INPUT = "canary-s3-secret/key+value"
HOOK = "canary-hook-route"
SIGNATURE = "canarysignature0123456789"
PASSWORD = "canary-proxy-password"
WHSEC = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
CANARIES = (TOKEN, INPUT, HOOK, SIGNATURE, PASSWORD, WHSEC, "CanaryToken")

ECHO = prediction(
    input={"s3_secret_key": INPUT, "images": f"https://h/x.zip?X-Amz-Signature={SIGNATURE}"},
    output=f"https://replicate.delivery/x?sig={SIGNATURE}",
    webhook=f"https://me.example/hook?job={HOOK}",
    urls={
        "get": "https://api.replicate.com/v1/predictions/x",
        "stream": f"https://stream.replicate.com/v1/files/{SIGNATURE}",
    },
)
SAYS_IT_ALL = {
    "title": "Input validation failed",
    "detail": f"- input.s3_secret_key: {INPUT} is bad; Authorization: Bearer {TOKEN}",
    "invalid_fields": [
        {"field": "input.webhook", "description": f"https://me.example/hook?job={HOOK}"},
        {"field": "input.images", "description": f"https://h/x.zip?Signature={SIGNATURE} {INPUT}"},
    ],
}
HTML = f"<html><title>{TOKEN} https://u:{PASSWORD}@h/ </title></html>".encode()
HTML_WITH_INPUT = HTML.replace(b"</title>", f"{INPUT}</title>".encode())


@pytest.fixture
def everything_logged():
    """All that any library logs, at the finest level."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # The test's own servers log what they serve; here only the client's side counts.
    quiet = [logging.getLogger(name) for name in ("aiohttp", "aiohttp.access", "aiohttp.server")]
    for logger in quiet:
        logger.disabled = True
    yield stream
    for logger in quiet:
        logger.disabled = False
    root.removeHandler(handler)
    root.setLevel(before)


def shown(thing) -> str:
    """Everything that printing, formatting or reporting a thing can show."""
    text = f"{thing!r} {thing} {thing!s}"
    if isinstance(thing, BaseException):
        text += "".join(traceback.format_exception(thing))
        text += repr(thing.__dict__) + repr(thing.args)
        for behind in (thing.__cause__, thing.__context__):
            text += "" if behind is None else f"{behind!r} {behind}"
    return text


async def test_no_canary_anywhere(server, everything_logged, tmp_path):
    other = Server()
    other.on("GET /out", reply(b"x"))
    path = tmp_path / "a.zip"
    path.write_bytes(b"1")
    seen: list[str] = []
    async with serving(other.handle) as port, proxying(password=f"me:{PASSWORD}") as proxy:
        away = {"Location": f"http://127.0.0.1:{port}/v1/out?sig={SIGNATURE}"}
        server.on("GET /files/f/download", reply(b"", status=302, headers=away))
        server.on("GET /account", *ANSWERS_TO_ACCOUNT(away))
        server.on(
            "POST /predictions",
            reply(SAYS_IT_ALL, status=422),
            reply(HTML_WITH_INPUT, status=502),
            reply(HTML_WITH_INPUT, status=401),
            cut(),
            reply(ECHO, status=201),
        )
        server.on("GET /predictions", {"next": None, "results": [ECHO]})
        server.on("GET /webhooks/default/secret", {"key": WHSEC})
        server.on("POST /files", reply(HTML, status=413))
        network = replace(QUICK, proxy=f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}")
        base = f"http://replicate.invalid:{server.port}/v1"
        async with ReplicateClient(Secret(TOKEN), base_url=base, network=network) as client:
            seen += [shown(client), shown(network), shown(client.budget), shown(vars(client))]
            for _ in range(5):
                seen.append(await outcome(create(client)))
            for _ in range(8):
                seen.append(await outcome(client.account()))
            seen.append(await outcome(client.webhook_secret()))
            seen.append(await outcome(client.upload_file(path, filename="a.zip")))
            seen.append(await outcome(listed(client)))
            away_url = f"http://127.0.0.1:{port}/v1/gone?sig={SIGNATURE}"
            for url in (f"{base}/files/f/download", away_url, f"gopher://h/?s={SIGNATURE}"):
                seen.append(await outcome(opened(client, url)))
    log = everything_logged.getvalue()
    assert "httpx" in log
    assert "httpcore" in log
    assert any("InvalidInputError" in text for text in seen)
    assert any("UncertainError" in text for text in seen)
    for canary in CANARIES:
        assert canary not in log
        for text in seen:
            assert canary not in text


def ANSWERS_TO_ACCOUNT(away):  # noqa: N802  # a table
    return (
        reply(b"", status=302, headers=away),
        reply(HTML, status=403),
        reply(HTML),
        reply({"detail": f"token {TOKEN}"}, status=401, headers={"x-request-id": TOKEN}),
        cut(),
        cut(),
        cut(),
        reply({"username": "alice", "token": TOKEN}),
    )


async def opened(client: ReplicateClient, url: str) -> None:
    async with client.reading(url) as answer:
        async for _ in answer.pieces:
            pass


async def outcome(call) -> str:
    try:
        return shown(await call)
    except (ReplicateError, ValueError) as error:
        return shown(error)


async def listed(client):
    return [row async for row in client.predictions()]


async def create(client):
    return await client.create_prediction(
        version=VERSION,
        input={"s3_secret_key": Secret(INPUT), "nested": [{"x": Secret(INPUT)}]},
        webhook=f"https://me.example/hook?job={HOOK}",
    )


def test_a_secret_is_masked_everywhere():
    secret = Secret(INPUT)
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{[secret]}",
    ):
        assert INPUT not in text
    with pytest.raises(TypeError):
        json.dumps({"a": secret})
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert copy.deepcopy({"a": secret})["a"] == secret
    assert secret == Secret(INPUT)
    assert secret != Secret("other")
    assert secret != INPUT
    assert not Secret("")
    assert len({secret, Secret(INPUT)}) == 1
    with pytest.raises(AttributeError):
        secret.extra = 1  # type: ignore[attr-defined]  # that is the point


def test_a_prediction_shows_neither_inputs_nor_outputs():
    read = Prediction.read(ECHO)
    assert read.input["s3_secret_key"] == INPUT
    for text in (repr(read), str(read), repr([read]), f"{read}"):
        assert "canary" not in text.lower()


@pytest.mark.parametrize(
    ("url", "tame"),
    [
        ("https://h/p", "https://h/p"),
        ("https://u:p@h:8/p?a=1&b=2#f", "https://***@h:8/p?a=***&b=***"),
        ("https://h/p?justakey", "https://h/p?justakey=***"),
        ("http://[::1]:8/p?a=1", "http://[::1]:8/p?a=***"),
        ("https://stream.replicate.com/v1/files/abc", "https://stream.replicate.com/***"),
        ("https://streaming-api.svc.us.c.replicate.net/v1/x", None),
        ("https://[bad", "***"),
    ],
)
def test_secrets_in_urls_are_masked(url, tame):
    got = redact_url(url)
    if tame is not None:
        assert got == tame
    else:
        assert got.endswith("/***")


@given(
    st.text(max_size=40),
    st.text(alphabet=st.characters(codec="ascii", exclude_characters=" *"), min_size=6),
    st.text(max_size=40),
)
def test_a_known_secret_is_always_removed(before, secret, after):
    if "***" in secret or secret in before + after:
        return
    assert secret not in redact_text(f"{before} {secret} {after}", [Secret(secret)])


@given(st.text())
def test_redaction_accepts_any_text_and_is_idempotent(text):
    once = redact_text(text)
    with suppress(ValueError):
        assert redact_text(once) == once
