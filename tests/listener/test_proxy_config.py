"""The configurations of reverse proxies, for a user's own host, port and ranges."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.listener.traefik_shapes import Dynamic, Static
from tests.support import needs_program
from tui.base.errors import RefusedError
from tui.base.firewall import EGRESS_RANGES, rules
from tui.listener.proxy_config import (
    KINDS,
    ProxyKind,
    ProxySite,
    configuration,
    host_and_port,
    kind_of,
    storage_location,
)

DOCUMENT = Path(__file__).parents[2] / "REVERSE-PROXIES.md"
LANGUAGES = {"nginx": "nginx", "caddy": "caddyfile", "traefik": "yaml"}
SITE = ProxySite(
    "cats.example.org", "127.0.0.1:9123", 8443,
    webhook_ranges=("34.82.0.0/16", "2600:1900::/28"), internal_ranges=("192.168.7.0/24",),
    certificate="/etc/my certs/cats.pem",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_shows_what_the_program_writes(kind: ProxyKind) -> None:
    site = ProxySite(
        "training.example.com", "127.0.0.1:8080",
        certificate="/etc/ssl/certs/training.crt", key="/etc/ssl/private/training.key",
    )  # fmt: skip
    block = re.search(rf"```{LANGUAGES[kind]}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block
    assert block[1] == configuration(kind, site)


@pytest.mark.parametrize("kind", KINDS)
def test_the_users_own_values_are_used(kind: ProxyKind) -> None:
    text = configuration(kind, SITE)
    for value in ("cats.example.org", "127.0.0.1:9123", "8443", "2600:1900::/28", "192.168.7.0/24",
                  "/etc/my certs/cats.pem"):  # fmt: skip
        assert value in text, value
    assert "training" not in text
    assert "10.0.0.0/8" not in text
    assert "${" not in text
    assert storage_location(kind, SITE).strip("\n") in text


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "a b"}, {"host": "a;b"}, {"host": ""}, {"host": "-a"}, {"port": 0},
        {"port": 65536}, {"upstream": "127.0.0.1"}, {"upstream": "x:1; y"},
        {"webhook_ranges": ("34.82.0.0/16; allow all",)}, {"internal_ranges": ("all",)},
        {"certificate": "/a;b"}, {"key": "/a\nb"}, {"certificate": '/a"b'}, {"key": "/${x}"},
    ],
)  # fmt: skip
def test_values_that_would_change_a_configuration_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        ProxySite(**({"host": "a.example.org", "upstream": "127.0.0.1:1"} | changes))


def test_a_public_url_with_a_path_is_refused() -> None:
    assert host_and_port("https://a.example.org") == ("a.example.org", 443)
    assert host_and_port("https://a.example.org:8443/") == ("a.example.org", 8443)
    with pytest.raises(RefusedError, match="path"):
        host_and_port("https://a.example.org/tuner")


@pytest.mark.parametrize(
    ("header", "kind"),
    [("nginx/1.22", "nginx"), ("Caddy", "caddy"), ("", "nginx"), ("cloudflare", "nginx")],
)
def test_the_proxy_is_known_by_its_answer(header: str, kind: str) -> None:
    assert kind_of(header) == kind


def test_traefiks_file_has_the_names_and_types_of_its_schema() -> None:
    """And what it refers to is there; Traefik itself cannot be had here."""
    text = configuration("traefik", SITE)
    found = Dynamic.model_validate(yaml.safe_load(text))
    http = found.http
    rule = re.compile(r"(Host|Path|PathPrefix)\(`[^`]+`\)")
    for router in http.routers.values():
        left = rule.sub("x", router.rule)
        assert re.fullmatch(r"[x ()&|]+", left), left
        assert router.service in http.services
        assert set(router.middlewares) <= set(http.middlewares)
        assert router.entry_points == ["websecure"]
    last = min(http.routers, key=lambda name: http.routers[name].priority)
    assert last == "simpletuner-api"
    assert not http.routers["simpletuner-storage"].middlewares, "trainers run anywhere"
    for middleware in http.middlewares.values():
        for network in middleware.ip_allow_list.source_range:
            ipaddress.ip_network(network)
    (service,) = http.services.values()
    assert service.load_balancer.pass_host_header
    assert [server.url for server in service.load_balancer.servers] == ["http://127.0.0.1:9123"]
    (certificate,) = found.tls.certificates
    assert certificate.cert_file == "/etc/my certs/cats.pem"
    comment = re.sub(r"(?m)^(# ?|[^#].*\n?)", "", text).partition("\n\n")[2]
    static = Static.model_validate(yaml.safe_load(comment))
    assert static.entry_points["websecure"].address == ":8443"
    assert static.entry_points["websecure"].transport.responding_timeouts.read_timeout == "0s"


def test_a_name_or_a_type_that_traefik_does_not_know_would_be_noticed() -> None:
    """Each name and each value of the file, spoilt by itself."""
    document = yaml.safe_load(configuration("traefik", SITE))
    for holder, key in [*_places(document)]:
        value = holder.pop(key)
        holder[f"{key}s".lower()] = value
        with pytest.raises(ValidationError, match="Extra inputs"):
            Dynamic.model_validate(document)
        del holder[f"{key}s".lower()]
        holder[key] = 1.5
        with pytest.raises(ValidationError, match="should be"):
            Dynamic.model_validate(document)
        holder[key] = value
    Dynamic.model_validate(document)


def _places(value: Any, *, named: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """Every key that is Traefik's; those of `named` mappings are the user's to choose."""
    for key, below in value.items() if isinstance(value, dict) else ():
        if not named:
            yield value, key
        yield from _places(below, named=key in {"routers", "middlewares", "services"})
    for below in value if isinstance(value, list) else ():
        yield from _places(below)


def test_the_firewalls_rules_are_those_of_the_documentation() -> None:
    found = rules(8443)
    inbound = {rule.peer for rule in found if rule.direction == "in" and rule.purpose == "webhooks"}
    assert inbound == {"34.82.0.0/16", "35.185.0.0/16"}
    assert all(rule.port == 8443 for rule in found if rule.direction == "in")
    outbound = {rule.peer for rule in found if rule.direction == "out"}
    assert {"api.replicate.com", "*.replicate.delivery", "replicate.com"} <= outbound
    assert EGRESS_RANGES[:2] == ("34.82.0.0/16", "34.83.0.0/16")
    assert EGRESS_RANGES[2:] == tuple(f"35.{number}.0.0/16" for number in range(185, 248))


@needs_program("caddy")
def test_caddy_reads_a_configuration_with_other_values(tmp_path: Path) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text(configuration("caddy", SITE))
    done = subprocess.run(
        ["caddy", "adapt", "--config", str(path), "--adapter", "caddyfile"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2600:1900::/28" in done.stdout
