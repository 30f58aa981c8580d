"""`proxy`: configurations made from the settings and the options."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell

SETTINGS = """
[listener]
listen = "127.0.0.1:9123"
public_url = "https://cats.example.org:8443"
allowed_ips = ["198.51.100.0/24"]
"""


@pytest.fixture(autouse=True)
def settings(shell: Shell) -> None:
    (shell.home / "settings.toml").write_text(SETTINGS)


@pytest.mark.parametrize("kind", ["nginx", "caddy", "traefik"])
def test_a_configuration_is_made_from_the_settings(shell: Shell, kind: str) -> None:
    done = shell.run("proxy", kind)
    for value in ("cats.example.org", "8443", "127.0.0.1:9123", "198.51.100.0/24"):
        assert value in done.stdout, value
    assert "34.82.0.0/16" not in done.stdout
    assert "settings set listener.trusted_proxies 127.0.0.1" in done.stderr
    assert "listener.public_url" not in done.stderr
    assert shell.engine_pid() is None
    answer = shell.json("proxy", kind, "--host", "dogs.example.org")
    assert "dogs.example.org" in answer["configuration"]
    assert (answer["host"], answer["port"], answer["upstream"]) == (
        "dogs.example.org", 443, "127.0.0.1:9123",
    )  # fmt: skip
    assert any("listener.public_url https://dogs.example.org" in note for note in answer["notes"])


def test_the_firewalls_rules(shell: Shell) -> None:
    out = shell.run("proxy", "firewall").stdout
    assert "in   198.51.100.0/24" in out
    assert "tcp 8443" in out
    assert "35.247.0.0/16" in out
    answer = shell.json("proxy", "firewall")
    assert len(answer["egress"]["ranges"]) == 65
    assert {rule["direction"] for rule in answer["rules"]} == {"in", "out"}


def test_what_cannot_be_made_is_said(shell: Shell) -> None:
    assert "host" in shell.run("proxy", "nginx", "--host", "a;b", status=2).stderr
    assert "network" in shell.run("proxy", "nginx", "--allow", "all", status=2).stderr
    (shell.home / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
    assert "--host" in shell.run("proxy", "nginx", status=2).stderr
    free = shell.run("proxy", "nginx", "--host", "a.example.org", status=2)
    assert "fixed" in free.stderr
