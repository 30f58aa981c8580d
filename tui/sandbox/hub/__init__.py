"""A simulated Hugging Face Hub for the real `huggingface_hub` library.

It covers what publishing uses: whoami, creating repositories, uploads (LFS whole, LFS in parts, and
Xet through a local folder), commits, listing and downloads. Nothing leaves the machine.
"""

from __future__ import annotations

from tui.sandbox.hub.accounts import HUB_TOKEN, Accounts, HubToken, Role, Scope
from tui.sandbox.hub.repos import HubRepo, Repos
from tui.sandbox.hub.server import Hub, HubConfig, HubFaults, RunningHub, serve_hub

__all__ = [
    "HUB_TOKEN",
    "Accounts",
    "Hub",
    "HubConfig",
    "HubFaults",
    "HubRepo",
    "HubToken",
    "Repos",
    "Role",
    "RunningHub",
    "Scope",
    "serve_hub",
]
