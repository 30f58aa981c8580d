"""The part of Traefik's configuration that ours uses, by Traefik's published schema.

Names, types and what is required are those of `traefik-v3-file-provider.json` on
https://www.schemastore.org, as of 7 August 2026. Traefik does not load a file with a name that it
does not know, so that any other name is refused here as well: look it up there before adding it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Names = Annotated[list[str], Field(min_length=1)]


class _Shape(BaseModel):
    """Takes no other names than its own, and turns no value into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class RouterTls(_Shape):
    """Nothing is set in it: the router takes TLS only, with the certificates below `tls`."""


class Router(_Shape):
    """Which requests go through which middlewares to which service."""

    rule: str
    service: str
    priority: int
    entry_points: Names
    middlewares: Names = []
    tls: RouterTls


class IpAllowList(_Shape):
    """The networks that are let in."""

    source_range: Names


class Middleware(_Shape):
    """A middleware has exactly one kind."""

    ip_allow_list: IpAllowList


class Upstream(_Shape):
    """A server behind Traefik."""

    url: str


class ResponseForwarding(_Shape):
    """How answers are passed on."""

    flush_interval: str


class LoadBalancer(_Shape):
    """The servers of a service."""

    servers: Annotated[list[Upstream], Field(min_length=1)]
    pass_host_header: bool
    response_forwarding: ResponseForwarding


class Service(_Shape):
    """A service has exactly one kind."""

    load_balancer: LoadBalancer


class Http(_Shape):
    """What is configured for HTTP, by name."""

    routers: dict[str, Router]
    middlewares: dict[str, Middleware]
    services: dict[str, Service]


class Certificate(_Shape):
    """Files of a certificate."""

    cert_file: str
    key_file: str


class Tls(_Shape):
    """What is configured for TLS."""

    certificates: list[Certificate]


class Dynamic(_Shape):
    """A whole file."""

    http: Http
    tls: Tls


class RespondingTimeouts(_Shape):
    """Time limits of a request; 0 is none."""

    read_timeout: str


class Transport(_Shape):
    """How an entry point reads and writes."""

    responding_timeouts: RespondingTimeouts


class EntryPoint(_Shape):
    """Where Traefik listens."""

    address: str
    transport: Transport


class Static(_Shape):
    """What the static configuration, whose schema is `traefik-v3.json`, needs in addition."""

    entry_points: dict[str, EntryPoint]
