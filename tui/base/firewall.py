"""What a firewall has to let in and out, for Replicate and for the trainers' deliveries.

Source of names and ranges: SimpleTuner's documentation of the Replicate integration (Google Cloud,
us-west1). Replicate publishes no list, so the signature and not the address proves a webhook. The
Hub's hosts are those of its guide to downloads behind a firewall (July 2026), which warns that they
change; https://huggingface.co/.well-known/meta.json has the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

WEBHOOK_RANGES: Final = ("34.82.0.0/16", "35.185.0.0/16")
"""Networks that Replicate sends webhooks from."""
EGRESS_RANGES: Final = (
    "34.82.0.0/16",
    "34.83.0.0/16",
    *(f"35.{number}.0.0/16" for number in range(185, 248)),
)
"""Replicate's addresses, for firewalls that need ranges to let out."""
EGRESS_NAMES: Final = ("*.replicate.com", "*.replicate.delivery")
INTERNAL_RANGES: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Private networks (RFC 1918), from which people use the HTTP API."""
HTTPS: Final = 443
ANYWHERE: Final = "anywhere"


@dataclass(frozen=True, slots=True)
class Rule:
    """One connection to allow.

    Attributes:
        direction: as this machine sees it.
        peer: a host name, a range of addresses, or `anywhere`.
        port: the TCP port at the end that is connected to.
        purpose: what the connection is for.
        required: whether jobs need it.
    """

    direction: Literal["in", "out"]
    peer: str
    port: int
    purpose: str
    required: bool


def rules(port: int, webhook_ranges: tuple[str, ...] = WEBHOOK_RANGES) -> tuple[Rule, ...]:
    """Return the rules, outbound first.

    Args:
        port: the port of the public URL, where the proxy or the listener listens.
        webhook_ranges: the networks that may send webhooks.
    """
    return (
        Rule("out", "api.replicate.com", HTTPS, "API calls", True),
        Rule("out", "*.replicate.delivery", HTTPS, "file uploads and downloads", True),
        Rule("out", "replicate.com", HTTPS, "model pages", False),
        Rule("out", "www.replicatestatus.com", HTTPS, "status page", False),
        Rule("out", "huggingface.co", HTTPS, "datasets and results on the Hub", False),
        Rule("out", "*.hf.co", HTTPS, "contents of files on the Hub (Xet, LFS)", False),
        *(Rule("in", network, port, "webhooks", False) for network in webhook_ranges),
        Rule(
            "in", ANYWHERE, port, "delivery to this machine (path /api/cloud/storage only)", False
        ),
    )
