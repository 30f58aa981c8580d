"""Names of facts that are about one account: what a sandbox says never stands in for the service.

Standard library only: windows read facts before they show anything.
"""

from __future__ import annotations

from typing import Final

from tui.base.hosts import is_loopback

_SANDBOX: Final = "sandbox"


def scoped(name: str, api_base: str) -> str:
    """A fact's name for one API: `account@https://api.example/v1`.

    All servers on this machine share one, `account@sandbox`: their ports change at every start, and
    the newest is the one that counts.
    """
    return f"{name}@{_SANDBOX if is_loopback(api_base) else api_base}"


def plain(name: str) -> str:
    """The name without the API it is about."""
    return name.partition("@")[0]
