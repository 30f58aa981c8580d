"""Every door where an address comes in refuses what libraries read differently, and says no secret.

A door is a function that takes the text as a person, a program or a file gives it, and returns the
address that is used from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from tests.canary import MARK, assert_clean
from tui.app.new_job.form import set_field
from tui.base.addresses import API_BASE, AddressError, read_address
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.listener_address import public_base
from tui.base.text_fields import FieldError, read_proxy
from tui.destinations.common.errors import PublishError
from tui.destinations.s3.profile import S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.caller_tokens import CallerTokens
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_store import clean_endpoint, hub_meant
from tui.engine.http_api import operation
from tui.engine.submission.draft import read_draft
from tui.engine.transfers.destination_options import read_options
from tui.replicate.addresses import Base
from tui.replicate.errors import ReplicateError
from tui.replicate.network import Network, ProxyAddressError
from tui.replicate.secret import Secret
from tui.settings import API_BASE_VARIABLE, Home, Settings, SettingsError
from tui.settings.reading import settings_of, with_environment
from tui.settings.typed_values import KINDS
from tui.simpletuner.request.delivery import read_field


class DoorShutError(Exception):
    """A door that does not raise said no."""


def _unless_empty(address: str, why: str = "") -> str:
    if not address:
        raise DoorShutError(why)
    return address


def _header(text: str) -> str:
    # A header's bytes are read as UTF-8, and what is none as surrogates.
    request = make_mocked_request("GET", "/", {operation.API_BASE: text})
    return operation.api_base_of(request, lambda: "")


def _file(text: str) -> str:
    import tomlkit

    settings = settings_of(tomlkit.dumps({"cloud": {"api_base": text}}), "settings.toml")
    if settings.problems:
        raise DoorShutError(settings.problems[0].words())
    return settings.cloud.api_base


def _environment(text: str) -> str:
    return with_environment(Settings(), {API_BASE_VARIABLE: text}).cloud.api_base


def _hub(text: str) -> str:
    return _unless_empty(hub_meant(CallerTokens("https://a.example/v1", hub_endpoint=text)) or "")


def _form(text: str) -> str:
    draft: dict[str, str] = {}
    if why := set_field(draft, "images_url", text):
        raise DoorShutError(why)
    return draft["images_url"]


def _proxy_in_use(text: str) -> str:
    return Network(proxy=text).proxy_for(httpx.URL("https://far.example")) or ""


def _destination(text: str) -> str:
    return str(read_options("s3", {"bucket": "bucket", "endpoint": text})["endpoint"])


def _destination_link(text: str) -> str:
    options = {"bucket": "bucket", "endpoint": "https://s", "public_base_url": text}
    return str(read_options("s3", options)["public_base_url"])


Door = Callable[[str], str]
DOORS: dict[str, Door] = {
    "API base, setting": KINDS["web_address"],
    "API base, file": _file,
    "API base, environment": _environment,
    "API base, header": _header,
    "API base, client": lambda text: str(Base.parse(text).url),
    "status page": KINDS["web_address_or_empty"],
    "Hub": lambda text: _unless_empty(clean_endpoint(text)),
    "Hub, environment": _hub,
    "bucket": lambda text: str(S3Profile("bucket", text).endpoint),  # judged only, see below it
    "bucket, destination": _destination,
    "bucket, links": _destination_link,
    "links, draft": lambda text: read_field("public_base_url", text),
    "proxy": read_proxy,
    "proxy, setting": KINDS["proxy"],
    "proxy, in use": _proxy_in_use,
    "archive": lambda text: str(read_draft({"config": "a", "images_url": text}).images_url),
    "archive, form": _form,
    "listener, world": public_base,
    "listener, setting": KINDS["public_url"],
}
REFUSALS = (
    FieldError, RefusedError, SettingsError, PublishError, ReplicateError, ValueError,
    httpx.ProxyError, DoorShutError, ProxyAddressError,
)  # fmt: skip
ENCRYPTED = {
    "API base, setting", "status page", "archive", "archive, form", "listener, world",
    "listener, setting",
}  # fmt: skip
"""Doors that take no http address of another machine. What comes in by the others is judged by
`is_open` where a secret would be sent, see `test_no_secret_goes_to_an_open_address`."""
WITH_LOGIN = {"proxy", "proxy, setting", "proxy, in use"}
WITH_QUERY = {"archive", "archive, form"}

BAD = {
    "nothing but a scheme": "https://",
    "no scheme": "//host.example",
    "another scheme": "ftp://host.example",
    "one slash": "https:/host.example",
    "backslash before the host": "https:\\\\host.example",
    "backslash and a login": "https://host.example\\@evil.example",
    "backslash in the path": "https://host.example/a\\..\\b",
    "tab": "https://host\t.example",
    "line break": "https://host.example\n.evil.example",
    "carriage return": "https://host.example\r\nX-Evil: 1",
    "null": "https://host.example\0",
    "escape": "https://host.example\x1b[2J",
    "blank": "https://host .example",
    "zero-width": "https://host\u200b.example",
    "bidi": "https://host\u202e.example",
    "surrogate": "https://host\udcff.example",
    "IPv6 zone": "https://[fe80::1%eth0]",
    "IPv6 zone, encoded": "https://[fe80::1%25eth0]",
    "IPv6 without its bracket": "https://[::1",
    "IPv6 with a tail": "https://[::1]evil.example",
    "name in brackets": "https://[host.example]",
    "IPv4 of two parts": "https://127.1",
    "IPv4 as a number": "https://2130706433",
    "IPv4 in octal": "https://0177.0.0.1",
    "IPv4 in hexadecimal": "https://0x7f.0.0.1",
    "IPv4 too large": "https://127.0.0.256",
    "trailing dot": "https://host.example.",
    "trailing dot, this machine": "https://localhost.",
    "empty label": "https://host..example",
    "long label": f"https://{'a' * 64}.example",
    "hyphen first": "https://-host.example",
    "encoded host": "https://%6c%6fcalhost",
    "full-width letters": "https://\uff4cocalhost",
    "full-width dot": "https://127\u30020.0.1",
    "broken ASCII form": "https://xn--.example",
    "placeholder": "https://{account}.example",
    "port 0": "https://host.example:0",
    "port 65536": "https://host.example:65536",
    "no port": "https://host.example:",
    "port in other digits": "https://host.example:\u0664\u0664\u0663",
    "port with a sign": "https://host.example:+443",
    "port that is a word": "https://host.example:https",
    "dots in the path": "https://host.example/v1/../admin",
    "encoded dots in the path": "https://host.example/v1/%2e%2e/admin",
    "fragment": "https://host.example/v1#part",
    "empty fragment": "https://host.example/v1#",
    "too long": f"https://host.example/{'a' * 2100}",
}
LOGINS = {
    "user": "https://me@host.example",
    "password": f"https://me:{MARK}@host.example",
    "password alone": f"https://:{MARK}@host.example",
    "empty": "https://@host.example",
    "another host": f"https://api.replicate.com:{MARK}@host.example",
    "two": f"https://me:{MARK}@x@host.example",
}


def refusal(door: Door, text: str) -> str | None:
    """What a door says against an address; None when it lets it in."""
    try:
        door(text)
    except REFUSALS as error:
        return " ".join(
            str(part)
            for part in (
                error,
                getattr(error, "message", ""),
                getattr(error, "advice", ""),
                getattr(error, "details", ""),
            )
        )
    return None


@pytest.mark.parametrize("door", DOORS)
def test_a_doubtful_address_gets_in_nowhere(door: str) -> None:
    let_in = []
    for kind, text in BAD.items():
        if kind == "no scheme" and door.startswith("proxy"):
            continue  # a proxy needs none
        said = refusal(DOORS[door], text)
        if said is None or "\x1b" in said or "\n" in said:
            let_in.append(kind)
    assert let_in == []


@pytest.mark.parametrize("door", sorted(DOORS.keys() - WITH_LOGIN))
def test_a_password_gets_in_nowhere_and_is_not_repeated(door: str) -> None:
    said = {kind: refusal(DOORS[door], text) for kind, text in LOGINS.items()}
    assert [kind for kind, words in said.items() if words is None] == []
    assert_clean(filter(None, said.values()))


@pytest.mark.parametrize("door", sorted(WITH_LOGIN))
def test_a_proxys_login_is_clear(door: str) -> None:
    assert "me:word@host.example" in DOORS[door]("http://me:word@host.example:3128") or (
        door == "proxy, in use"
    )
    for kind in ("two", "empty"):
        said = refusal(DOORS[door], LOGINS[kind])
        assert said is not None
        assert_clean([said])


@pytest.mark.parametrize("door", sorted(DOORS.keys() - WITH_QUERY))
def test_a_query_gets_in_nowhere(door: str) -> None:
    for text in (f"https://host.example/v1?key={MARK}", "https://host.example/?"):
        said = refusal(DOORS[door], text)
        assert said is not None
        assert_clean([said])


@pytest.mark.parametrize("door", sorted(ENCRYPTED))
def test_an_open_address_gets_in_nowhere_that_is_always_told_a_secret(door: str) -> None:
    for host in ("host.example", "localhost.example.org", "10.0.0.1", "[fd00::1]", "a.localhost"):
        assert refusal(DOORS[door], f"http://{host}") is not None


def test_no_secret_goes_to_an_open_address(tmp_path: Path) -> None:
    clients = ReplicateClients(LiveSettings(Home(tmp_path, tmp_path), Settings()), lambda _: None)
    for host in ("host.example", "localhost.example.org", "10.0.0.1", "[fd00::1]", "a.localhost"):
        base, tokens = _header(f"http://{host}/v1"), clients.tokens
        tokens.give("replicate", base, f"r8_{MARK}", "session")
        tokens.use_hub(base, DOORS["Hub"](f"http://{host}"))
        tokens.give("huggingface", base, f"hf_{MARK}", "session")
        assert tokens.known("replicate", base) is None
        assert tokens.known("huggingface", base) is None
        assert S3Profile("bucket", f"http://{host}").is_open
        with pytest.raises(ReplicateError):
            clients.client_with(base, Secret("r8_x"))


@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"bucket"}))
def test_a_look_alike_of_another_alphabet_is_shown_as_such(door: str) -> None:
    address = DOORS[door]("https://\u0430pi.replicate.com")  # the first letter is Cyrillic
    assert "https://xn--pi-6kc.replicate.com" in address


@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"bucket"}))
def test_an_address_has_one_form(door: str) -> None:
    path = "" if door.startswith("proxy") else "/a"
    texts = {f" HTTPS://Host.Example:8443{path}/ ", f"https://host.example:8443{path}"}
    forms = {DOORS[door](text).rstrip("/") for text in texts}
    assert forms == {f"https://host.example:8443{path}"}


@given(st.text(), st.sampled_from(["", "https://", "http://", "https://[", "https://h:", "//"]))
def test_what_is_let_in_is_read_alike_by_the_http_library(text: str, before: str) -> None:
    try:
        address = read_address(before + text, API_BASE)
    except AddressError:
        return
    url = httpx.URL(address.url)
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    host = url.raw_host.decode("ascii").removeprefix("[").removesuffix("]")
    assert (url.scheme, host, port) == address.origin
    assert (url.userinfo, url.query, url.fragment) == (b"", b"", "")
    assert read_address(address.url, API_BASE) == address
    assert is_loopback(address.url) == is_loopback(str(url))
