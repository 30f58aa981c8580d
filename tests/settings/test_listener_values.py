"""Addresses, networks and paths as people type them: normalised, or refused with a reason."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.base.text_fields import FieldError
from tui.settings.listener_values import (
    read_config_folders,
    read_folder,
    read_listen,
    read_networks,
    read_path,
    read_public_url,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        (" 8080 ", "127.0.0.1:8080"),
        (":9000", "127.0.0.1:9000"),
        ("Localhost:080", "localhost:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
        ("box.example:80", "box.example:80"),
    ],
)
def test_listen_addresses(text: str, meant: str) -> None:
    assert read_listen(text) == meant
    assert read_listen(meant) == meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "host:port"),
        ("   ", "host:port"),
        (None, "host:port"),
        (8080, "host:port"),
        ("localhost", "no port"),
        ("127.0.0.1:0", "from 1 to 65535"),
        ("127.0.0.1:65536", "from 1 to 65535"),
        ("127.0.0.1:-1", "port that is none"),
        ("127.0.0.1:1e309", "port that is none"),
        ("127.0.0.1:８０", "port that is none"),
        ("127.0.0.1:", "port that is none"),
        ("http://127.0.0.1:80", "without http://"),
        ("me:secret@127.0.0.1:80", "without a user name"),
        ("127.0.0.1:80/path", "without a user name or a path"),
        ("::1:8080", "in brackets"),
        ("[::1:8080", "in brackets"),
        ("[fe80::1%eth0]:8080", "zone (%eth0)"),
        ("[fe80::zz]:8080", "no IPv6 address"),
        ("256.1.1.1:80", "no IP address"),
        ("bücher.example:80", "names no host"),
        ("a b:80", "names no host"),
        ("-x:80", "names no host"),
        ("a" * 300 + ":80", "host:port"),
    ],
)
def test_refused_listen_addresses(text: Any, words: str) -> None:
    with pytest.raises(FieldError) as refused:
        read_listen(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("  ", ""),
        ("https://T.Example:8443/x/", "https://t.example:8443/x"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://t.example:443/api/webhooks/replicate", "https://t.example:443"),
    ],
)
def test_public_addresses(text: str, meant: str) -> None:
    assert read_public_url(text) == meant
    assert read_public_url(meant) == meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (7, "must be an https address"),
        ("hooks.example", "such as https://name.example"),
        ("ftp://hooks.example", "such as https://name.example"),
        ("https:///path", "such as https://name.example"),
        ("http://hooks.example", "https addresses only"),
        ("https://me:geheim@hooks.example", "user name or a password"),
        ("https://@hooks.example", "user name or a password"),
        ("https://hooks.example/?key=1", "before any ? or #"),
        ("https://hooks.example/#top", "before any ? or #"),
        ("https://hooks.example/#", "before any ? or #"),
        ("https://hooks.example:0", "port that is none"),
        ("https://hooks.example:99999", "port that is none"),
        ("https://hooks.example:x", "port that is none"),
        ("https://[fe80::1%25eth0]", "zone"),
        ("https://[fe80::1", "no IPv6 address"),
        ("https://hooks example", "without spaces"),
        ("https://hooks..example", "host name that cannot be one"),
        ("https://" + "ü" * 70 + ".example", "host name that cannot be one"),
        ("https://hooks\\evil", "backslash"),
        ("https://" + "a" * 3000, "too long"),
    ],
)
def test_refused_public_addresses(text: Any, words: str) -> None:
    with pytest.raises(FieldError) as refused:
        read_public_url(text)
    assert words in str(refused.value)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", ()),
        ("34.82.0.0/16,35.185.0.0/16", ("34.82.0.0/16", "35.185.0.0/16")),
        (["203.0.113.7", " 203.0.113.7"], ("203.0.113.7",)),
        ("2001:DB8::/32; ::1", ("2001:db8::/32", "::1")),
        ("::ffff:203.0.113.7", ("203.0.113.7",)),
        ("10.0.0.0/255.0.0.0", ("10.0.0.0/8",)),
    ],
)
def test_networks(typed: Any, meant: tuple[str, ...]) -> None:
    assert read_networks(typed) == meant


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([""], "must not be empty"),
        (["  "], "must not be empty"),
        ("34.82.1.5/16", "34.82.1.5/16 has bits outside its mask; write 34.82.0.0/16"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("fe80::1%eth0", "has a zone (%eth0)"),
        ("fe80::%eth0/64", "has a zone (%eth0)"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
        ("10.0.0.0/33", "neither an address nor a network"),
        ("10.0.0.0/-1", "neither an address nor a network"),
        ("hooks.example", "neither an address nor a network"),
        ("x" * 5000, "neither an address nor a network"),
        (["10.0.0.1"] * 501, "501 entries"),
        ({"a": 1}, "must be a list"),
        ([7], "must be a list"),
        (None, "must be a list"),
    ],
)
def test_refused_networks(typed: Any, words: str) -> None:
    with pytest.raises(FieldError) as refused:
        read_networks(typed)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 200


def test_folders_that_nobody_has_are_refused_when_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the finger would be looked into for ever, or get the results of a paid job."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    both = f"{tmp_path}/there, ~/there"
    assert read_config_folders(both) == (f"{tmp_path}/there", "~/there")
    assert read_config_folders("") == read_config_folders([]) == ()
    for typed, why in (
        (f"~/there,{tmp_path}/file", f"names {tmp_path}/file, which is no folder"),
        ("~/gone", "names ~/gone, which does not exist; make it first"),
        (["there"], "names there, which must be a whole path, from / or ~"),
        ("~no-such-user/a", "names ~no-such-user/a, which is no path"),
        ("/" + "x" * 300, "which cannot be looked at: File name too long"),
    ):
        assert why in reason_of(read_config_folders, typed)
    for typed in ("", "~/there", f"{tmp_path}/new", "~"):  # it is made, but not its parents
        assert read_folder(typed) == typed
    for typed, why in (
        ("~/file", "is a file; name a folder"),
        ("~/file/new", "cannot be made: there is no folder ~/file"),
        ("~/mnt/disk", "cannot be made: there is no folder ~/mnt"),
        ("results", "must be a whole path, from / or ~"),
        ("~no-such-user/a", "is no path"),
        ("/" + "x" * 300, "cannot be looked at: File name too long"),
    ):
        assert why in reason_of(read_folder, typed)


def reason_of(read: Callable[[Any], Any], value: Any) -> str:
    """Why a value is refused; nothing when it is read."""
    try:
        read(value)
    except FieldError as error:
        return str(error) or "no reason"
    return ""


@given(st.one_of(st.ip_addresses(), st.ip_addresses().map(lambda address: f"{address}/9")))
def test_reading_networks_is_idempotent(typed: Any) -> None:
    meant = str(typed)
    if words := reason_of(read_networks, meant):
        assert "has bits outside" in words
        meant = words.rpartition(" ")[2]
        assert ipaddress.ip_network(str(typed), strict=False) == ipaddress.ip_network(meant)
    once = read_networks(meant)
    assert read_networks(list(once)) == once


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text()), st.floats()))
def test_any_value_is_read_or_refused(value: Any) -> None:
    for read in (
        read_listen, read_public_url, read_networks, read_path, read_folder, read_config_folders
    ):  # fmt: skip
        assert reason_of(read, value) != "no reason"
