"""A credential goes below the address that it was given for, and nowhere else."""

from __future__ import annotations

import pytest

from tui.base.doors import Door, keyring_host, may_carry

BASE = "https://api.example.org/v1"


@pytest.mark.parametrize(
    "url",
    [
        BASE, f"{BASE}/", f"{BASE}/predictions?cursor={'a' * 9000}", "https://API.example.org/v1/a",
        "https://api.example.org:443/v1/a", f"{BASE}/files/a%20b/..c", f"{BASE}/a#part",
    ],
)  # fmt: skip
def test_what_is_below_the_door(url: str) -> None:
    assert may_carry(BASE, url)
    assert may_carry(f"{BASE}/", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.org/v1/a", "https://api.example.org:8443/v1/a",
        "http://api.example.org:443/v1/a",
        "https://api.example.org/v10/a", "https://api.example.org/V1/a", "https://api.example.org/",
        "https://api.example.org/v2/a", "https://example.org/v1/a", "https://xapi.example.org/v1/a",
        "https://api.example.org.evil.example/v1/a", "https://api.example.org./v1/a",
        "https://api.example.org@evil.example/v1/a", "https://me@api.example.org/v1/a",
        "https://evil.example\\@api.example.org/v1/a", "https://api.example.org\\v1/a",
        f"{BASE}/../admin", f"{BASE}/%2e%2e/admin", f"{BASE}/%252e%252e/admin",
        f"{BASE}/..%2fadmin",
        f"{BASE}/a/..%5c..%5cadmin", f"{BASE}/..;a/admin", f"{BASE}/%{'25' * 9}2e./a",
        "//api.example.org/v1/a", "/v1/a", "", "https:api.example.org/v1/a",
    ],
)  # fmt: skip
def test_what_is_not(url: str) -> None:
    assert not may_carry(BASE, url)


def test_a_doubtful_address_has_no_door() -> None:
    for address in ("", "api.example.org", "https://me@api.example.org", "https://a.example:0"):
        assert Door.below(address) is None
        assert not may_carry(address, address)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.replicate.com/v1", "api.replicate.com"),
        ("https://huggingface.co", "huggingface.co"),
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("https://gateway.example:8443/v1", "gateway.example:8443"),
        ("https://gateway.example/team-a/v1", "gateway.example/team-a/v1"),
        ("http://gateway.example/v1", "http://gateway.example"),
        ("not an address", ""),
    ],
)
def test_a_door_has_one_name_in_the_keyring(address: str, name: str) -> None:
    assert keyring_host(address) == name
