"""A Hub's token for its storage goes to addresses only that may be its storage."""

from __future__ import annotations

import pytest

from tui.destinations.hub.xet_access import may_be_storage

HUB = "https://huggingface.co"
OTHER = "https://hub.example.org"
HERE = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("hub", "storage"),
    [
        (HUB, "https://cas-server.xethub.hf.co"),
        (OTHER, "https://cas.example.org/a"),
        (HERE, "http://127.0.0.1:9/xet"),
        (HERE, "local:///tmp/cas"),
    ],
)
def test_where_a_storage_may_be(hub: str, storage: str) -> None:
    assert may_be_storage(hub, storage)


@pytest.mark.parametrize(
    ("hub", "storage"),
    [
        (HUB, "http://cas-server.xethub.hf.co"),
        (HUB, "https://cas.example.org"),
        (HUB, "https://evilhf.co"),
        (HUB, "https://cas.hf.co.example.org"),
        (HUB, "https://me:word@cas.hf.co"),
        (HUB, "http://127.0.0.1:9"),
        (HUB, "local:///home/me"),
        (HUB, "file:///etc"),
        (HUB, ""),
        (OTHER, "http://cas.example.org"),
        (OTHER, "local:///tmp/cas"),
        (HERE, "http://cas.example.org"),
    ],
)
def test_where_no_token_goes(hub: str, storage: str) -> None:
    assert not may_be_storage(hub, storage)
