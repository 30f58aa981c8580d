"""The proxies of a caller's environment, for its calls and the jobs that they start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote

from tui.client.session_headers import PROXIES
from tui.replicate.environment_proxies import EnvironmentProxies
from tui.settings import NetworkSettings
from tui.settings.proxy_password import split_password


def proxies_from_headers(
    headers: Mapping[str, str], network: NetworkSettings
) -> EnvironmentProxies | None:
    """Read the proxies of a caller that differ from the engine's.

    None also where the settings name a proxy: theirs is everybody's.
    """
    proxies = EnvironmentProxies.from_text(unquote(headers.get(PROXIES, "")))
    if proxies is None or network.proxy or proxies == EnvironmentProxies.of(os.environ):
        return None
    for address in proxies.addresses():
        split_password(address)  # a password in it becomes a known secret, which no log shows
    return proxies
