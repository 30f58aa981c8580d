"""A Hugging Face Hub of the sandbox's own, good enough for the real `huggingface_hub`.

It covers what publishing needs: who am I, creating repositories, uploading (plain LFS, LFS in
parts, and Xet through a local folder), committing, listing and downloading. Nothing leaves the
machine.
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
