"""Reads web addresses that people, programs and files give: one rule for all of them.

Libraries read a doubtful address differently: a backslash, a tab, a second `@`, a zone or a short
IPv4 form can take a request, and the credential with it, to another host than the one that was
judged. Such an address is refused here, so that everything behind sees a host in one form: ASCII,
lower case, without a dot at its end.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from tui.base.hosts import is_loopback_host

_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<netloc>[^/?#]*)(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
_NETLOC: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_HOST: Final = 253
_MOST_PORT: Final = 65535
_PORTS: Final = {"http": 80, "https": 443}
_PATH_LETTERS: Final = "/%:@!$&'()*+,;=~-._"


class AddressError(ValueError):
    """An address cannot be used; the message follows the field's name and shows no part of it."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What addresses of one kind may have.

    Attributes:
        example: a right one, for messages.
        schemes: those that are possible.
        login: whether a user name and a password may be in it.
        no_login: where they belong instead.
        path: whether it may have one.
        query: whether it may have one.
        encrypted: why it must be https, except on this machine; "" when it need not.
        longest: characters; signed addresses have about a thousand.
    """

    example: str
    schemes: tuple[str, ...] = ("https", "http")
    login: bool = False
    no_login: str = ""
    path: bool = True
    query: bool = False
    encrypted: str = ""
    longest: int = 2000


API_BASE: Final = Purpose(
    "https://api.replicate.com/v1", no_login="; store the token with: simpletuner-tui token set"
)
"""The base of an API that is like Replicate's. Whether a token may go there is judged with it."""
API_SETTING: Final = Purpose(
    API_BASE.example, no_login=API_BASE.no_login, encrypted="the token travels along"
)
"""The base in the settings file, to which a token always goes."""
HUB: Final = Purpose("https://huggingface.co", no_login="; the token has a variable, HF_TOKEN")
BUCKET: Final = Purpose(
    "https://s3.example.org", no_login=": give keys in their own fields, the keyring keeps them"
)
LINK: Final = Purpose(
    "https://files.example.org", no_login=": whoever sees a link can read them"
)  # fmt: skip
WEBHOOK: Final = Purpose(
    "https://name.example", encrypted="Replicate sends webhooks to https addresses only"
)
ARCHIVE: Final = Purpose(
    "https://files.example.org/images.zip",
    ("https",),
    no_login=", which everybody can read who sees the job's input; give a signed address "
    "(presigned URL), or send the files from here (--data upload)",
    query=True,
)
PROXY: Final = Purpose(
    "http://proxy:3128", ("http", "https", "socks5", "socks5h"), login=True, path=False
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that every library reads alike.

    Attributes:
        scheme: in lower case.
        login: `user` or `user:password` as written, "" without one.
        host: in ASCII and lower case; an IPv6 address without brackets.
        port: as written, or None.
        path: percent-encoded, as written otherwise.
        query: without its question mark.
    """

    scheme: str
    login: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def netloc(self) -> str:
        """Host and port, without the login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host, and the port that is called; 0 for a scheme without a usual one."""
        return self.scheme, self.host, self.port or _PORTS.get(self.scheme, 0)

    @property
    def url(self) -> str:
        """The address in its one form, without a slash at its end."""
        login = f"{self.login}@" if self.login else ""
        query = f"?{self.query}" if self.query else ""
        path = self.path if query else self.path.rstrip("/")
        return f"{self.scheme}://{login}{self.netloc}{path}{query}"


def read_address(text: str, purpose: Purpose) -> Address:
    """Parse an address; blanks around it do not count.

    Raises:
        AddressError: it is none, or may not be used for the purpose.
    """
    text = text.strip(" \t\r\n")
    if len(text) > purpose.longest:
        raise AddressError("is too long to be an address")
    if "\\" in text:
        raise AddressError("has a backslash, which programs read differently")
    if not text.isprintable() or any(letter.isspace() for letter in text):
        raise AddressError("must be one address without spaces and control characters")
    parts = _PARTS.fullmatch(text)
    if parts is None or parts["scheme"].lower() not in purpose.schemes or not parts["netloc"]:
        raise AddressError(f"must be an address such as {purpose.example}")
    login, at, server = parts["netloc"].rpartition("@")
    if at and not purpose.login:
        raise AddressError(f"must not hold a user name or a password{purpose.no_login}")
    if "@" in login or (at and not login):
        raise AddressError("must have %40 in place of an @ in a user name or a password")
    netloc = _NETLOC.fullmatch(server)
    if netloc is None:
        raise AddressError("has a host that cannot be read")
    address = Address(
        parts["scheme"].lower(),
        login,
        read_host(netloc["host"]),
        _read_port(netloc["port"]),
        quote(parts["path"], safe=_PATH_LETTERS),
        (parts["query"] or "")[1:],
    )
    has_query, has_fragment = parts["query"] is not None, parts["fragment"] is not None
    _check_rest(address, purpose, query=has_query, fragment=has_fragment)
    return address


def read_host(text: str) -> str:
    """Return a host in its one form: IDNA for other alphabets, IPv6 without brackets.

    Raises:
        AddressError: it is none, or libraries would not agree on it.
    """
    if text.startswith("["):
        return _read_ipv6(text[1:-1])
    host = _to_ascii(text).lower()
    labels = host.split(".")
    if host.endswith("."):
        raise AddressError("has a dot at the end of its host name; leave it out")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("has a host name that cannot be one")
    if _NUMBER.fullmatch(labels[-1]):
        # Browsers and resolvers read such a host as a number; only four decimal parts are clear.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError("has no IP address; write all its four numbers") from None
    return host


def _read_ipv6(text: str) -> str:
    if "%" in text:
        raise AddressError("has a zone, which is known on this machine alone")
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise AddressError("has no IPv6 address in its brackets") from None


def _to_ascii(host: str) -> str:
    """Return the IDNA form, in which a look-alike of another alphabet is seen.

    The strict edition of 2008 is httpx's own. A host that others would map to another one on the
    way (a full-width `localhost`) is refused, and an ASCII form that httpx could not show.
    """
    if host.isascii() and "xn--" not in host.lower():
        return host
    import idna

    try:
        labels = [idna.encode(label).decode("ascii") for label in host.lower().split(".")]
        coded = ".".join(labels)
        if coded.count(".") != host.count("."):  # another alphabet's dot
            raise AddressError("has a host name that cannot be one")
        idna.decode(coded)
    except UnicodeError:  # idna's own errors are such
        raise AddressError("has a host name that cannot be one") from None
    return coded


def _read_port(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= _MOST_PORT):
        raise AddressError("has a port that is none; 1 to 65535")
    return int(text)


def _check_rest(address: Address, purpose: Purpose, *, query: bool, fragment: bool) -> None:
    if fragment or (query and not purpose.query):
        raise AddressError(
            "must end before any #" if purpose.query else "must end before any ? or #"
        )
    if address.path.strip("/") and not purpose.path:
        raise AddressError("must be host and port only, without a path")
    if any(unquote(part) in (".", "..") for part in address.path.split("/")):
        raise AddressError("must not have . or .. as a part of its path")
    if address.scheme == "http" and purpose.encrypted and not is_loopback_host(_shown(address)):
        raise AddressError(f"must begin with https://: {purpose.encrypted}")


def _shown(address: Address) -> str:
    return f"[{address.host}]" if ":" in address.host else address.host
