"""The parts of a running sandbox, which routes and middleware read from the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.clock import Clock
from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import ActiveFaults
from tui.sandbox.files import UploadedFiles
from tui.sandbox.jobs import Jobs
from tui.sandbox.limits import RateLimits
from tui.sandbox.registry import Deployment, Registry
from tui.sandbox.views import Views
from tui.sandbox.webhooks import WebhookSender


@dataclass(slots=True)
class Core:
    """The parts of a running sandbox."""

    config: SandboxConfig
    clock: Clock
    faults: ActiveFaults
    registry: Registry
    views: Views
    files: UploadedFiles
    hooks: WebhookSender
    jobs: Jobs
    limits: RateLimits
    deployments: dict[str, Deployment] = field(default_factory=dict)


CORE: web.AppKey[Core] = web.AppKey("core", Core)


def readable_inputs(files: UploadedFiles, views: Views, given: Mapping[str, Any]) -> JsonObject:
    """The input for a worker, with addresses of the account's files replaced by download addresses.

    A client names a file by its `urls.get`, which answers with the file's description; Replicate
    gives the model the file's bytes.
    """
    prefix = f"{views.base_url}/files/"
    readable = dict(given)
    for name, value in given.items():
        if isinstance(value, str) and value.startswith(prefix):
            stored = files.get(unquote(value.removeprefix(prefix)))
            # The download address of a deleted file answers 404.
            gone = f"{value}/download"
            readable[name] = files.download_url(stored, views.base_url) if stored else gone
    return readable
