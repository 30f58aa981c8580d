"""Writes the configuration of a reverse proxy in front of the listener.

Standard library only: the command line and the engine use it.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from tui.base.errors import RefusedError
from tui.base.firewall import HTTPS, INTERNAL_RANGES, WEBHOOK_RANGES

ProxyKind = Literal["nginx", "caddy", "traefik"]
KINDS: Final[tuple[ProxyKind, ...]] = get_args(ProxyKind)
_FOLDER: Final = Path(__file__).parent
_FILES: Final = {"nginx": "nginx.conf.template", "caddy": "caddy.template"}
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_UPSTREAM: Final = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9._/@+-]+")
_UNUSABLE: Final = re.compile(r"[\"'\\`${};\x00-\x1f\x7f]")
_CERTIFICATE: Final = "/etc/ssl/certs/training.crt"
_KEY: Final = "/etc/ssl/private/training.key"


@dataclass(frozen=True, slots=True)
class ProxySite:
    """What a configuration is made for.

    Attributes:
        host: the name in the public URL.
        port: the port in the public URL.
        upstream: `host:port` of the listener.
        webhook_ranges: networks that may send webhooks.
        internal_ranges: networks that may use the HTTP API.
        certificate: path of the certificate as PEM; "" for the proxy's own way (Caddy) or the
            usual place.
        key: path of the certificate's key.
    """

    host: str
    upstream: str
    port: int = HTTPS
    webhook_ranges: Sequence[str] = WEBHOOK_RANGES
    internal_ranges: Sequence[str] = INTERNAL_RANGES
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host) or not _UPSTREAM.fullmatch(self.upstream):
            name = self.upstream if _HOST.fullmatch(self.host) else self.host
            raise RefusedError(f"{name!r} is no host.", "Such as training.example.com.")
        if not 1 <= self.port <= 65535:
            raise RefusedError(f"{self.port} is no port.", "It is a number from 1 to 65535.")
        for text in (*self.webhook_ranges, *self.internal_ranges):
            try:
                ipaddress.ip_network(text)
            except ValueError:
                message = f"{text!r} is neither an address nor a network."
                raise RefusedError(message, "Such as 34.82.0.0/16.") from None
        for path in (self.certificate, self.key):
            if _UNUSABLE.search(path):
                message = f"The path {path!r} has characters that a configuration cannot hold."
                raise RefusedError(message, "Give a path without quotes, braces and semicolons.")


def host_and_port(public_url: str) -> tuple[str, int]:
    """The host and port of a public URL.

    Raises:
        RefusedError: it has none, or a path, which a proxy would have to take off: S3 signatures
            cover the path.
    """
    try:
        parts = urlsplit(public_url)
        host, port = parts.hostname or "", parts.port or HTTPS
    except ValueError:
        raise RefusedError(f"{public_url} is no address.", "Such as https://host.name.") from None
    if path := parts.path.strip("/"):
        message = f"The public URL has a path (/{path}), which S3 signatures would not survive."
        raise RefusedError(message, "Use a host name of its own for the listener.")
    return host, port


def configuration(kind: ProxyKind, site: ProxySite) -> str:
    """The whole configuration for one kind of proxy."""
    location = storage_location(kind, site).rstrip("\n")
    name = _FILES.get(kind, f"{kind}.template")
    has_certificate = bool(site.certificate)
    certificate = site.certificate or _CERTIFICATE
    key = site.key or (site.certificate if has_certificate else _KEY)
    text = _template(name).substitute(
        host=site.host,
        port=site.port,
        site=site.host if site.port == HTTPS else f"{site.host}:{site.port}",
        upstream=site.upstream,
        certificate=_quoted(certificate),
        key=_quoted(key),
        tls=f"tls {_quoted(certificate)} {_quoted(key)}\n" if has_certificate else "",
        storage_location=location,
        webhook_ranges=" ".join(site.webhook_ranges),
        internal_ranges=" ".join(site.internal_ranges),
        webhook_allow=_allow(site.webhook_ranges),
        internal_allow=_allow(site.internal_ranges),
        webhook_list=_yaml_list(site.webhook_ranges),
        internal_list=_yaml_list(site.internal_ranges),
    )
    return re.sub(r"\{\n    \n", "{\n", text)


def storage_location(kind: ProxyKind, site: ProxySite) -> str:
    """The part of a configuration that lets the trainers' files through."""
    return _template(f"{kind}-location.template").substitute(host=site.host, upstream=site.upstream)


def kind_of(server_header: str) -> ProxyKind:
    """The kind of proxy that an answer's `Server` header names; nginx where it names none."""
    header = server_header.lower()
    return next((kind for kind in KINDS if kind in header), "nginx")


def _template(name: str) -> Template:
    return Template((_FOLDER / name).read_text(encoding="utf-8"))


def _quoted(path: str) -> str:
    return path if _PLAIN_PATH.fullmatch(path) else json.dumps(path, ensure_ascii=False)


def _allow(ranges: Sequence[str]) -> str:
    return "\n".join(f"        allow {network};" for network in ranges)


def _yaml_list(ranges: Sequence[str]) -> str:
    return "\n".join(f'          - "{network}"' for network in ranges)
