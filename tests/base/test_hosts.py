"""Which addresses are this machine: every reader of an address must agree that they are."""

from __future__ import annotations

import ipaddress
import socket

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tui.base.hosts import is_loopback, is_loopback_host, is_open

HERE = [
    "127.0.0.1", "127.0.0.0", "127.8.8.8", "127.255.255.255", "localhost", "LocalHost", "::1",
    "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "::FFFF:7f00:1",
]  # fmt: skip
ELSEWHERE = [
    "", "127", "127.", "127.1", "127.0.0", "127.0.0.1.", "127.0.0.1.example.org", "127.example.org",
    "127.0.0.1-example.org", "128.0.0.1", "126.255.255.255", "0.0.0.0", "::", "10.0.0.1",
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "127.0.0.256",
    "localhost.", "localhost.example.org", "localhost.localdomain", "a.localhost", "mylocalhost",
    "localhost4", "ip6-localhost", "localho\u017ft", "\uff11\uff12\uff17.0.0.1", "127\u30020.0.1",
    "::1%lo", "[::1%25lo]", "::2", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::127.0.0.1",
    "fe80::1", "[127.0.0.1]", "[localhost]", "[[::1]]", "[::1", "::1]", "127.0.0.1 ", " localhost",
    "127.0.0.1\n", "127.0.0.1\x00", "127.0.0.1:80", "user@127.0.0.1", "127.0.0.1@example.org",
]  # fmt: skip


@pytest.mark.parametrize("host", HERE)
def test_this_machine(host: str) -> None:
    assert is_loopback_host(host)
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    for url in (f"http://{bracketed}", f"https://{bracketed}:8080/v1?a#b", f"http://u@{bracketed}"):
        assert is_loopback(url)
        assert not is_open(url)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_not_this_machine(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    "url",
    [
        "", "127.0.0.1", "localhost:80", "//", "http://", "http:///127.0.0.1", "http:127.0.0.1",
        "http://127.0.0.1.example.org/v1", "http://127.example.org", "http://example.org/127.0.0.1",
        "http://127.0.0.1@example.org", "http://localhost:80@example.org/", "http://[::1]@a.org",
        "http://example.org#@127.0.0.1", "http://example.org?@127.0.0.1",
        "http://example.org\\@127.0.0.1", "http://127.0.0.1\\@example.org",
        "http://127.0.0.1:99999", "http://127.0.0.1:port", "http://[::1", "http://[::1%25lo]/",
        "http://127.0.0.1\t.example.org", "http://example.org\n@127.0.0.1", " http://127.0.0.1",
        "http://local\rhost", "http://localhos%74", "http://%6c%6fcalhost", "http://127.1",
    ],
)  # fmt: skip
def test_a_url_that_leads_elsewhere_or_is_unclear(url: str) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("https://example.org", False), ("HTTPS://example.org", False),
        ("http://example.org", True), ("http://localhost:9000", False),
        ("http://a.localhost", True), ("HTTP://127.1", True),
        (" http://example.org", True), ("//example.org", True), ("https:example.org", True),
    ],
)  # fmt: skip
def test_unencrypted_urls(url: str, opened: bool) -> None:
    assert is_open(url) is opened


def _leads_here(host: str) -> bool:
    """Where the system's own resolver takes a host without asking a name server."""
    if host.lower() == "localhost":
        return True
    try:
        found = socket.getaddrinfo(host.strip("[]"), 80, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        return False  # a name, which only a name server knows
    addresses = [ipaddress.ip_address(one[4][0]) for one in found]
    return all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses)


near = st.sampled_from([*HERE, *ELSEWHERE, ".", ":", "%", "@", "[", "]", "/", "\\", "x", "org"])
hosts = st.one_of(
    st.lists(near, min_size=1, max_size=3).map("".join),
    st.text(alphabet="127.0x:[]%fFlocahst", max_size=20),
    st.ip_addresses().map(str),
    st.ip_addresses(v=4, network="127.0.0.0/8").map(str),
)


@given(hosts)
@example("127.1")
@example("::ffff:127.0.0.1")
def test_a_host_that_counts_is_an_address_of_loopback(host: str) -> None:
    if is_loopback_host(host):
        assert _leads_here(host)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_counts_exactly_when_it_is_in_127(address: ipaddress.IPv4Address) -> None:
    inside = address in ipaddress.ip_network("127.0.0.0/8")
    assert is_loopback_host(str(address)) is inside
    assert is_loopback_host(f"::ffff:{address}") is inside
    assert not is_loopback_host(f"{address}.example.org")


@given(
    hosts,
    st.sampled_from(["", "user@", "user:word@", "127.0.0.1@", "localhost:80@"]),
    st.sampled_from(["", ":80", ":0", ":x", ":99999", "/v1", "?a=b", "#c", "\\", "@example.org"]),
)
def test_the_http_library_sends_to_the_host_that_was_judged(
    host: str, before: str, after: str
) -> None:
    url = f"http://{before}{host}{after}"
    if not is_loopback(url):
        return
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        return  # nothing is sent at all
    assert _leads_here(target.host)
