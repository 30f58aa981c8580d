"""Signatures of webhooks: published vectors, and everything that must not pass."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.replicate.errors import SignatureError
from tui.replicate.secret import Secret
from tui.replicate.webhook import sign_webhook, verify_webhook

VECTORS = json.loads((Path(__file__).parent / "webhook_vectors.json").read_text("utf-8"))
ONE = VECTORS[2]


def headers(vector, **changes):
    return {
        "Webhook-Id": vector["id"],
        "Webhook-Timestamp": str(vector["timestamp"]),
        "Webhook-Signature": vector["signature"],
        **changes,
    }


def check(vector, *, late=0.0, secret=None, body=None, **changes):
    now = datetime.fromtimestamp(vector["timestamp"], UTC) + timedelta(seconds=late)
    body = vector["body"].encode() if body is None else body
    return verify_webhook(Secret(secret or vector["secret"]), headers(vector, **changes), body, now)


@pytest.mark.parametrize("vector", VECTORS, ids=[v["id"] for v in VECTORS])
def test_published_vectors(vector):
    assert check(vector) == vector["id"]
    secret = Secret(vector["secret"])
    made = sign_webhook(secret, vector["id"], vector["timestamp"], vector["body"].encode())
    assert made == vector["signature"]


@pytest.mark.parametrize("late", [-300, -299, 0, 299, 300])
def test_within_five_minutes(late):
    assert check(ONE, late=late)


@pytest.mark.parametrize("late", [-301, 301, 86_400, -86_400])
def test_outside_five_minutes(late):
    with pytest.raises(SignatureError, match=r"old|future"):
        check(ONE, late=late)


def test_every_flipped_byte_of_the_body_fails():
    body = ONE["body"].encode()
    for place in range(len(body)):
        bad = bytearray(body)
        bad[place] ^= 1
        with pytest.raises(SignatureError):
            check(ONE, body=bytes(bad))


@pytest.mark.parametrize(
    "listed",
    [
        "v1,AAAA {good}",
        "{good} v1,AAAA",
        "v1a,xyz {good}",
        "nonsense {good}",
        "  {good}  ",
        "v2,{bare} {good}",
    ],
)
def test_one_good_entry_is_enough(listed):
    good = ONE["signature"]
    entry = listed.format(good=good, bare=good.removeprefix("v1,"))
    assert check(ONE, **{"Webhook-Signature": entry})


@pytest.mark.parametrize(
    "listed",
    ["", " ", "v2,{bare}", "{bare}", "v1", "v1,", "v1{bare}", "V1,{bare}", "v1,{bare}=", "v1,ü"],
)
def test_no_good_entry(listed):
    bare = ONE["signature"].removeprefix("v1,")
    with pytest.raises(SignatureError):
        check(ONE, **{"Webhook-Signature": listed.format(bare=bare)})


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_missing_header(name):
    given_headers = headers(ONE)
    del given_headers[name]
    now = datetime.fromtimestamp(ONE["timestamp"], UTC)
    with pytest.raises(SignatureError, match=name.lower()):
        verify_webhook(Secret(ONE["secret"]), given_headers, ONE["body"].encode(), now)


@pytest.mark.parametrize("stamp", ["", "x", "-1", "1e9", "1.5", "١٧٦٧٢٢٥٦٠٠", "9" * 400, " 1"])
def test_odd_times(stamp):
    with pytest.raises(SignatureError):
        check(ONE, **{"Webhook-Timestamp": stamp})


def test_another_id_fails():
    with pytest.raises(SignatureError):
        check(ONE, **{"Webhook-Id": "msg_other"})


def test_a_secret_without_its_prefix_works():
    assert check(ONE, secret=ONE["secret"].removeprefix("whsec_"))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "", "whsec_abc", "not base64!"])
def test_an_unusable_secret(secret):
    now = datetime.fromtimestamp(ONE["timestamp"], UTC)
    with pytest.raises(SignatureError, match="secret"):
        verify_webhook(Secret(secret), headers(ONE), ONE["body"].encode(), now)


@given(key=st.binary(min_size=1, max_size=64), body=st.binary(max_size=200), other=st.binary())
def test_only_the_same_key_and_body_pass(key, body, other):
    secret = Secret("whsec_" + base64.b64encode(key).decode())
    now = datetime.fromtimestamp(1_767_225_600, UTC)
    given_headers = {
        "webhook-id": "m",
        "webhook-timestamp": "1767225600",
        "webhook-signature": sign_webhook(secret, "m", 1_767_225_600, body),
    }
    assert verify_webhook(secret, given_headers, body, now) == "m"
    if other != body:
        with pytest.raises(SignatureError):
            verify_webhook(secret, given_headers, other, now)


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()
    ),
    st.binary(max_size=50),
)
def test_malformed_headers_raise_a_signature_error(junk, body):
    with pytest.raises(SignatureError):
        verify_webhook(Secret(ONE["secret"]), junk, body, datetime.now(UTC))
