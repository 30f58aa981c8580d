"""The configurations of reverse proxies, for a user's own host, port and ranges."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def test_traefiks_file_holds_together() -> None:
    """Traefik cannot be had here: its structure, as its documentation has it, is checked."""
    document = yaml.safe_load(configuration("traefik", SITE))
    assert set(document) == {"http", "tls"}
    http = document["http"]
    assert set(http) == {"routers", "middlewares", "services"}
    rule = re.compile(r"(Host|Path|PathPrefix)\(`[^`]+`\)")
    for name, router in http["routers"].items():
        assert set(router) <= {
            "rule", "priority", "entryPoints", "middlewares", "service", "tls",
        }, name  # fmt: skip
        left = rule.sub("x", router["rule"])
        assert re.fullmatch(r"[x ()&|]+", left), left
        assert router["service"] in http["services"]
        assert set(router.get("middlewares", ())) <= set(http["middlewares"])
        assert router["tls"] == {}
        assert router["entryPoints"] == ["websecure"]
    priorities = {name: router["priority"] for name, router in http["routers"].items()}
    assert min(priorities, key=priorities.__getitem__) == "simpletuner-api"
    assert "middlewares" not in http["routers"]["simpletuner-storage"], "trainers run anywhere"
    for middleware in http["middlewares"].values():
        for network in middleware["ipAllowList"]["sourceRange"]:
            ipaddress.ip_network(network)
    (service,) = http["services"].values()
    assert service["loadBalancer"]["passHostHeader"] is True
    assert service["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:9123"}]
    (certificate,) = document["tls"]["certificates"]
    assert set(certificate) == {"certFile", "keyFile"}


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
