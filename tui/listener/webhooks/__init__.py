"""The webhook route: verifies events and answers them before they are handled."""

from __future__ import annotations

from tui.base.listener_address import WEBHOOK_PATH
from tui.listener.webhooks.events import WebhookEvent
from tui.listener.webhooks.receiver import WebhookReceiver
from tui.listener.webhooks.secrets import WebhookSecrets
from tui.listener.webhooks.settings import JobKeys, WebhookJob, WebhookSettings

__all__ = [
    "WEBHOOK_PATH",
    "JobKeys",
    "WebhookEvent",
    "WebhookJob",
    "WebhookReceiver",
    "WebhookSecrets",
    "WebhookSettings",
]
