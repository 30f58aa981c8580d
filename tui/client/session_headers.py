"""The headers by which a client names tokens and proxies of its environment with each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

HEADERS: Final[Mapping[str, str]] = {
    "replicate_token": "X-Replicate-Token",
    "hf_token": "X-Hub-Token",
    "hf_endpoint": "X-Hub-Endpoint",
}
"""The header of each token and its Hub. Read on the socket alone, never over TCP."""
PROXIES: Final = "X-Proxies"
"""The header of `EnvironmentProxies.to_text`; read on the socket alone as well."""
_LONGEST: Final = 8000
"""aiohttp refuses longer headers; a token that was cut is refused by its service."""


def to_headers(session: Mapping[str, str]) -> dict[str, str]:
    """A session's values as headers; percent-encoded, because they may hold any character."""
    values = {header: session.get(name, "") for name, header in HEADERS.items()}
    values[PROXIES] = session.get("proxies", "")
    return {header: quote(text, safe="")[:_LONGEST] for header, text in values.items() if text}
