"""Parses the listener's two addresses: the one to bind and the public URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tui.base.addresses import WEBHOOK, AddressError, read_address
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback_host

WEBHOOK_PATH: Final = "/api/webhooks/replicate"
STORAGE_PATH: Final = "/api/cloud/storage"
_DEFAULT_HOST: Final = "127.0.0.1"
_DEFAULT_PORT: Final = 8080
_MOST_PORT: Final = 65535


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
    if not text.strip():
        return ""
    try:
        address = read_address(text, WEBHOOK)
    except AddressError as error:
        raise RefusedError(
            f"Invalid webhook URL: it {error}.",  # it may hold a password, so it is not shown
            f"Give the address as the world sees it, without our path: {WEBHOOK.example}",
            details={"fields": {"webhook_url": f"it {error}"}},
        ) from None
    path = address.path.rstrip("/").removesuffix(WEBHOOK_PATH)
    return replace(address, path=path).url
