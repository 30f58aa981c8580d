"""Parses the listener's two addresses: the one to bind and the public URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback_host

WEBHOOK_PATH: Final = "/api/webhooks/replicate"
STORAGE_PATH: Final = "/api/cloud/storage"
_DEFAULT_HOST: Final = "127.0.0.1"
_DEFAULT_PORT: Final = 8080
_MOST_PORT: Final = 65535
_LONGEST: Final = 2000
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


@dataclass(frozen=True, slots=True)
class Bind:
    """The address to bind.

    Attributes:
        host: an address or a name.
        port: 0 lets the system choose.
        problem: why it differs from the settings, or "".
        warning: a risk of this address, or "".
    """

    host: str
    port: int
    problem: str = ""
    warning: str = ""


def bind_for(listen: str, *, allow_public: bool) -> Bind:
    """Return the address to bind for the setting `listener.listen`.

    Any address but loopback needs `allow_public`; without it, the result is the same port on
    127.0.0.1, with a `problem`.
    """
    host, port, problem = _split(listen)
    if problem or is_loopback_host(host):
        return Bind(host, port, problem)
    if not allow_public:
        return Bind(
            _DEFAULT_HOST,
            port,
            f"{host} can be reached by other machines, so it is not listened on: "
            "set listener.allow_public_bind = true if that is meant",
        )
    return Bind(
        host,
        port,
        warning=f"Other machines can reach the listener on {host}:{port}. Webhooks need a "
        "signature there, deliveries a job's keys, everything else an API key.",
    )


def _split(listen: str) -> tuple[str, int, str]:
    host, _, port = listen.strip().rpartition(":")
    host = host.strip("[]") or _DEFAULT_HOST
    if port.isdecimal() and int(port) <= _MOST_PORT:
        return host, int(port), ""
    problem = f"listener.listen is {listen!r}; it should look like {_DEFAULT_HOST}:{_DEFAULT_PORT}"
    return _DEFAULT_HOST, _DEFAULT_PORT, problem


def public_base(text: str) -> str:
    """Return a public URL without the path that we append; "" for an empty text.

    Raises:
        RefusedError: webhooks cannot be sent to it.
    """
    text = text.strip()
    if not text:
        return ""
    if len(text) > _LONGEST:
        raise _bad(text, "it is too long")
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise _bad(text, "it has a space inside")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _bad(text, "it cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _bad(text, "it must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise _bad("", "it must not hold a user name or a password")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise _bad(text, "it must end before any ? or #")
    host = _public_host(text, parts)
    if parts.scheme == "http" and not is_loopback_host(host):
        raise _bad(text, "Replicate sends webhooks to https addresses only")
    path = parts.path.rstrip("/").removesuffix(WEBHOOK_PATH).rstrip("/")
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{path}"


def _public_host(text: str, parts: SplitResult) -> str:
    """Return the host in its ASCII form: IDNA (`xn--…`) for other alphabets."""
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad(text, "its port is none; 1 to 65535") from None
    if port == 0:
        raise _bad(text, "its port is none; 1 to 65535")
    if "%" in host:
        raise _bad(text, "an address with a zone is known on this machine alone")
    if ":" in host:
        return f"[{host}]"
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:
        raise _bad(text, "its host name cannot be one") from None
    if not _HOST.fullmatch(host):
        raise _bad(text, "its host name cannot be one" if host else "it names no host")
    return host


def _bad(text: str, why: str) -> RefusedError:
    shown = f": {text[:200]}" if text else ""
    return RefusedError(
        f"Invalid webhook URL{shown} ({why}).",
        "Give the address as the world sees it, without a path: https://name.example",
        details={"fields": {"webhook_url": why}},
    )
