"""The webhook route: events are believed only when proven, and answered before they are used."""

from __future__ import annotations

from tui.listener.webhooks.events import HookEvent
from tui.listener.webhooks.receiver import WEBHOOK_PATH, WebhookReceiver
from tui.listener.webhooks.secrets import WebhookSecrets
from tui.listener.webhooks.settings import HookJob, JobKeys, WebhookSettings

__all__ = [
    "WEBHOOK_PATH",
    "HookEvent",
    "HookJob",
    "JobKeys",
    "WebhookReceiver",
    "WebhookSecrets",
    "WebhookSettings",
]
