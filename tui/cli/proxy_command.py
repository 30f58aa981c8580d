"""`proxy`: the configuration of a reverse proxy, or a firewall's rules, for the listener."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Final

from tui.base import firewall
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback_host
from tui.base.listener_address import bind_for, public_base
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.listener.proxy_config import KINDS, ProxySite, configuration, host_and_port
from tui.settings import ListenerSettings

FIREWALL: Final = "firewall"
CHOICES: Final = (*KINDS, FIREWALL)
_EXPLAINED: Final = "The whole of it: REVERSE-PROXIES.md in the program's repository."


def proxy(options: argparse.Namespace) -> int:
    """Print a configuration made for the user's own host, port and ranges."""
    settings = context.settings().listener
    try:
        if options.kind == FIREWALL:
            _firewall(options, settings)
        else:
            _proxy(options, settings)
    except RefusedError as error:
        raise wrong_usage(error.message, error.advice) from None
    return exit_codes.FINE


def _proxy(options: argparse.Namespace, settings: ListenerSettings) -> None:
    host, port = _public(options, settings)
    site = ProxySite(
        host=host,
        port=options.port or port,
        upstream=options.upstream or _upstream(settings),
        webhook_ranges=_listed(options.allow) or settings.allowed_ips or firewall.WEBHOOK_RANGES,
        internal_ranges=_listed(options.internal) or firewall.INTERNAL_RANGES,
        certificate=options.cert or "",
        key=options.key or "",
    )
    text = configuration(options.kind, site)
    notes = _notes(site, settings)
    if options.json:
        say_json({"kind": options.kind, "configuration": text, "notes": notes, **asdict(site)})
        return
    say(text.rstrip("\n"))
    for note in notes:
        tell(note)


def _public(options: argparse.Namespace, settings: ListenerSettings) -> tuple[str, int]:
    """The host and port that the world uses: of the options, else of the public URL."""
    if options.host:
        return options.host, firewall.HTTPS
    url = public_base(settings.public_url)
    if not url:
        raise wrong_usage(
            "For which host?", "Give --host NAME, or set listener.public_url to its https address."
        )
    return host_and_port(url)


def _upstream(settings: ListenerSettings) -> str:
    """The listener's address as a proxy on this machine reaches it."""
    bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
    if not bind.port:
        raise wrong_usage(
            "The listener takes any free port, so a proxy cannot know it.",
            "Set listener.listen to a fixed one, such as 127.0.0.1:8080, or give --upstream.",
        )
    everywhere = bind.host in ("0.0.0.0", "::", "[::]")  # noqa: S104 - compared, not bound
    host = "127.0.0.1" if everywhere else bind.host
    return f"[{host}]:{bind.port}" if ":" in host and "[" not in host else f"{host}:{bind.port}"


def _notes(site: ProxySite, settings: ListenerSettings) -> list[str]:
    """What the program's own settings lack for this proxy."""
    notes = []
    here = is_loopback_host(site.upstream.rpartition(":")[0])
    if here and "127.0.0.1" not in settings.trusted_proxies:
        notes.append(
            "So that the program sees the callers' addresses: "
            "simpletuner-tui settings set listener.trusted_proxies 127.0.0.1"
        )
    url = f"https://{site.host}{'' if site.port == firewall.HTTPS else f':{site.port}'}"
    if settings.public_url.rstrip("/") != url:
        notes.append(f"And its address: simpletuner-tui settings set listener.public_url {url}")
    if settings.tls_cert:
        notes.append("The listener has a certificate of its own: the proxy must speak https to it.")
    if not site.certificate:
        notes.append("Put the paths of your certificate in, or give --cert and --key.")
    return [*notes, _EXPLAINED]


def _firewall(options: argparse.Namespace, settings: ListenerSettings) -> None:
    url = public_base(settings.public_url)
    port = options.port or (host_and_port(url)[1] if url and not options.host else firewall.HTTPS)
    ranges = tuple(_listed(options.allow) or settings.allowed_ips or firewall.WEBHOOK_RANGES)
    rules = firewall.rules(port, ranges)
    if options.json:
        say_json(
            {
                "rules": [asdict(rule) for rule in rules],
                "egress": {
                    "names": list(firewall.EGRESS_NAMES), "ranges": list(firewall.EGRESS_RANGES),
                    "port": firewall.HTTPS,
                },
            }
        )  # fmt: skip
        return
    rows = [["", "PEER", "PORT", "FOR"]]
    rows += [[rule.direction, rule.peer, f"tcp {rule.port}", rule.purpose] for rule in rules]
    for line in table(rows):
        say(line)
    say()
    say(f"out, by name (the simpler way): {' '.join(firewall.EGRESS_NAMES)}")
    say("out, by address (Replicate runs on Google Cloud, us-west1):")
    for network in firewall.EGRESS_RANGES:
        say(f"  {network}")


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").replace(",", " ").split())
