"""Names of facts that belong to one API base, so that a sandbox's never replace the service's.

Standard library only: windows read facts before they show anything.
"""

from __future__ import annotations

from typing import Final

from tui.base.hosts import is_loopback

_SANDBOX: Final = "sandbox"


def scoped(name: str, api_base: str) -> str:
    """Return a fact's name for an API base: `account@https://api.example/v1`.

    All servers on this machine share one name, `account@sandbox`: their ports change at every
    start, and only the newest fact counts.
    """
    return f"{name}@{_SANDBOX if is_loopback(api_base) else api_base}"


def plain(name: str) -> str:
    """Return the name without its API base."""
    return name.partition("@")[0]
