"""The listener inside the engine: receives webhooks, delivered files and API calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.listener_address import STORAGE_PATH, WEBHOOK_PATH, public_base
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.listener.binding import Binding
from tui.engine.listener.sightings import Sightings
from tui.engine.listener.webhook_events import WebhookEvents
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.recorder import JobRecorder
from tui.listener.app import Part
from tui.listener.client_address import Network, parse_networks
from tui.listener.stats import ListenerStats, RecentWebhook
from tui.listener.storage import (
    ReceivedObject,
    RefusedObject,
    StorageLimits,
    StorageReceiver,
)
from tui.listener.storage.overlay import StagedView
from tui.listener.webhooks import WebhookReceiver, WebhookSettings
from tui.replicate.known_secrets import KNOWN
from tui.settings import Settings
from tui.store.records import FileRecord, JobRecord
from tui.store.schema import StoreError
from tui.store.submit_state import Refusal, SubmitState

if TYPE_CHECKING:
    from tui.api import webhooks
    from tui.api.engine import ListenerState, WebhookCounters

LOG = logging.getLogger(__name__)

_FACT: Final = "listener"
_PUBLISH_SECONDS: Final = 0.5
_REFUSED_KEPT: Final = 200
"""Refused files that a job's record names at most."""
_NAMES_KEPT: Final = 200
"""Files with another name than they were sent with that a job's record names at most."""
_LOCAL_HOST: Final = "127.0.0.1"
_LOST_ADVICE: Final = "The trainer goes on; what it cannot send is lost when it ends."
_REFUSAL_ADVICE: Final = {
    "InsufficientStorage": "Make room on that disk now: the trainer sends everything again at its "
    "next validation. What it cannot send before its end is lost.",
    "QuotaExceeded": "If the job is right, raise listener.storage_gib now: the trainer sends "
    "everything again at its next validation. What it cannot send before its end is lost.",
}


class ListenerService:
    """Runs the listener, knows its addresses and applies changed settings without a restart.

    Attributes:
        outputs: the folder of delivered files.
        binding: the sockets and the settings of their address.
        sightings: the callers from outside.
        on_address: is called after the listener has opened, moved or failed to open.
    """

    def __init__(
        self,
        *,
        live: LiveSettings,
        outputs: Path,
        recorder: JobRecorder,
        keys: StorageKeys,
        bus: EventBus,
        webhook_events: WebhookEvents,
    ) -> None:
        self.sightings = Sightings(recorder.writer, utc_now, lambda: self.public_url)
        webhook_events.on_verified = lambda address: self.sightings.note("webhook", address)
        self.outputs = outputs
        self._live = live
        self._recorder = recorder
        self._keys = keys
        self._bus = bus
        self._storage = StorageReceiver(
            outputs,
            keys,
            on_object=self._received,
            on_refused=self._refused,
            on_used=keys.personal.note_use,
            limits=StorageLimits(),
        )
        self._webhooks = WebhookReceiver(
            webhook_events.secrets_for, webhook_events.take, jobs=webhook_events
        )
        stored = recorder.writer.fact(_FACT)
        self._webhooks.stats.restore(stored.get("webhooks") if isinstance(stored, dict) else None)
        self._webhooks.stats.on_change = self._publish_soon
        self.on_address: Callable[[], None] = lambda: None
        self.binding = Binding(live, recorder.writer, self._bound)
        self._publish_timer: asyncio.TimerHandle | None = None
        self._apply(live.now)
        live.on_change(self._changed)

    async def share_checkpoint(self, source: JobRecord, target: JobRecord, key: str) -> int:
        """Let a job read a checkpoint that another one delivered here.

        Args:
            source: the job that delivered it.
            target: the job that goes on from it.
            key: the checkpoint's key in the source's folder.

        Returns:
            The number of its files.

        Raises:
            OSError: they cannot be linked or copied.
        """
        grant_of = self._keys.grant_of
        return await self._storage.share(grant_of(source), grant_of(target), f"{key}/")

    # -- life ---------------------------------------------------------------------------------

    async def start(self, parts: Sequence[Part] = ()) -> None:
        """Serve the receivers and `parts` on the address in the settings."""
        await self.binding.start([self._storage, self._webhooks, *parts])

    async def aclose(self) -> None:
        """Stop listening; request bodies in progress get a moment to finish."""
        await self.binding.aclose()
        if self._publish_timer is not None:
            self._publish_timer.cancel()
            self._publish()  # the counters go on from here after a restart

    # -- settings -----------------------------------------------------------------------------

    def _apply(self, settings: Settings) -> None:
        """Apply the settings that need no new socket; an unreadable allow list admits nobody."""
        listener = settings.listener
        allowed = _networks("listener.allowed_ips", listener.allowed_ips)
        trusted = _networks("listener.trusted_proxies", listener.trusted_proxies)
        if allowed is None or settings.wrong("listener.allowed_ips"):
            allowed = parse_networks(("255.255.255.255",))
        self._webhooks.settings = WebhookSettings(
            verify=listener.verify_signatures, allowed=allowed, trusted_proxies=trusted or ()
        )
        host = urlsplit(self.public_url).netloc
        self._storage.public_hosts = (host,) if host else ()
        self._storage.trusted_proxies = trusted or ()

    def _changed(self, before: Settings, after: Settings) -> None:
        if (before.listener, before.problems) == (after.listener, after.problems):
            return
        self._apply(after)
        self.binding.follow()
        self._publish()

    # -- addresses and state ------------------------------------------------------------------

    @property
    def address(self) -> str:
        """`host:port` of the open socket, or "" without one."""
        return self.binding.sockets.address

    @property
    def problem(self) -> str:
        """Why the listener does not listen as the settings say, or ""."""
        return self.binding.problem

    @property
    def warning(self) -> str:
        """A risk of the address that it listens on, or ""."""
        return self.binding.warning

    async def settled(self) -> None:
        """Wait for a change of the address that is in progress, if any."""
        await self.binding.settled()

    @property
    def public_url(self) -> str:
        """The public base URL, without path; "" when the settings name no usable one."""
        try:
            return public_base(self._live.now.listener.public_url)
        except RefusedError:
            return ""

    @property
    def stats(self) -> WebhookCounters:
        """Counters of accepted and rejected webhooks, as JSON data."""
        return stats_row(self._webhooks.stats)

    def recent(self) -> list[webhooks.WebhookEvent]:
        """The last webhooks, newest first; in memory only, the store keeps the counters."""
        return [recent_row(webhook) for webhook in self._webhooks.stats.recent()]

    def state(self) -> ListenerState:
        """The state of the listener for the screen, as JSON data."""
        settings = self._live.now.listener
        return {
            "address": self.address,
            "state": "listening" if self.address else "off",
            "problem": self.problem,
            "warning": self.warning,
            "tls": self.binding.sockets.tls,
            "listen": settings.listen,
            "allow_public_bind": settings.allow_public_bind,
            "tls_cert": settings.tls_cert,
            "tls_key": settings.tls_key,
            "public_url": settings.public_url,
            "webhook_url": f"{self.public_url}{WEBHOOK_PATH}" if self.public_url else "",
            "verify_signatures": settings.verify_signatures,
            "allowed_ips": list(settings.allowed_ips),
            "trusted_proxies": list(settings.trusted_proxies),
            "outputs": str(self.outputs),
            "webhooks": self.stats,
        }

    @property
    def reachable_at(self) -> str:
        """The base URL for a person's own tools: the public URL, or an address of this machine."""
        local_url = (
            f"http://{_LOCAL_HOST}:{self.binding.sockets.plain_port}" if self.address else ""
        )
        return self.public_url or local_url

    def base_for(self, api_base: str) -> str | None:
        """The base URL by which a service at an API base reaches the listener, or None.

        A sandbox on this machine uses the public URL as well when there is one, so that it
        exercises the same route as Replicate.
        """
        if is_loopback(api_base):
            return self.reachable_at or None
        return self.public_url if self.public_url.startswith("https://") else None

    def storage_url(self, api_base: str) -> str | None:
        """The S3 endpoint for trainers of an API base, or None when they cannot reach us."""
        base = self.base_for(api_base)
        return f"{base}{STORAGE_PATH}" if base else None

    def webhook_url(self, job: JobRecord) -> str | None:
        """A job's webhook URL, with the job's own key, or None when Replicate cannot reach us."""
        base = self.base_for(job.api_base)
        if not base:
            return None
        key = self._keys.hook_key(job.job_id)
        KNOWN.add(key)
        return f"{base}{WEBHOOK_PATH}?key={key}"

    def forget_view(self, view: StagedView) -> None:
        """Drop what the storage receiver remembers of a staged dataset that has changed."""
        self._storage.forget(view)

    # -- received files -----------------------------------------------------------------------

    async def _received(self, item: ReceivedObject) -> None:
        """Add a completely received file to its job's record."""
        if not item.job_id:  # from a person's own tools, or a test of the delivery
            self.sightings.arrived(item.key, item.address)
            return
        self.sightings.note("storage", item.address)
        self._forget_refusal(item.job_id, item.key)
        path = item.path.relative_to(self.outputs).as_posix()
        self._note_other_name(item, path)
        self._recorder.add_file(
            item.job_id,
            FileRecord(
                path=path,
                size=item.size,
                sha256=item.sha256,
                source="delivered",
                received_at=item.received_at,
            ),
        )

    def _note_other_name(self, item: ReceivedObject, path: str) -> None:
        """Note in its job's record the name that a file was sent with, when it has another here."""
        if path.endswith(f"/{item.key}"):
            return
        job = self._recorder.writer.job(item.job_id)
        known = job.submit.get("sent_as") or {}
        if path in known or len(known) >= _NAMES_KEPT:
            return
        self._recorder.note(
            job.job_id, "storage", "renamed",
            f"A file is stored as {path}: the name that it was sent with is not safe in a folder.",
            submit={**job.submit, "sent_as": {**known, path: item.key}},
        )  # fmt: skip

    def _refused(self, item: RefusedObject) -> None:
        """Note a refused file in its job's record, each file and reason once, and announce it.

        The first file that is refused for a reason is announced; the others are in the history.
        """
        if not item.job_id:
            return
        job = self._recorder.writer.job(item.job_id)
        submit = job.submit
        known = (submit.get("refused") if item.is_result else submit.get("data_refused")) or {}
        earlier = known.get(item.key)
        if (earlier and earlier.get("code") == item.code) or len(known) >= _REFUSED_KEPT:
            return
        refused = {**known, item.key: Refusal(code=item.code, why=item.message)}
        what = item.key if item.is_result else f"{item.key}, which the trainer keeps with the data,"
        changed: SubmitState = {**submit}
        changed["refused" if item.is_result else "data_refused"] = refused
        self._recorder.note(
            job.job_id, "storage", "refused", f"{what} was refused: {item.message}",
            submit=changed,
        )  # fmt: skip
        if any(refusal.get("code") == item.code for refusal in known.values()):
            return
        self._bus.publish(
            "notice", level="error", job_id=job.job_id,
            message=f"{job.name}: a file of its results was refused here: {item.message}",
            advice=_REFUSAL_ADVICE.get(item.code, _LOST_ADVICE),
        )  # fmt: skip

    def _forget_refusal(self, job_id: str, key: str) -> None:
        """Note that a refused file has come after all, so that it is no longer missing."""
        job = self._recorder.writer.job(job_id)
        refused = job.submit.get("refused") or {}
        if key not in refused:
            return
        remaining = {name: refusal for name, refusal in refused.items() if name != key}
        self._recorder.note(
            job_id, "storage", "accepted", f"{key} was refused before, and has come now.",
            submit={**job.submit, "refused": remaining},
        )  # fmt: skip

    def _publish_soon(self) -> None:
        """Publish changed counters, at most twice a second: webhooks may come in floods."""
        if self._publish_timer is None:
            loop = asyncio.get_running_loop()
            self._publish_timer = loop.call_later(_PUBLISH_SECONDS, self._publish)

    def _bound(self) -> None:
        self._publish()
        self.on_address()

    def _publish(self) -> None:
        self._publish_timer = None
        with contextlib.suppress(StoreError):  # the next change writes the state again
            self._recorder.writer.set_fact(_FACT, self.state())
        self._bus.publish("fact", name=_FACT)


def _networks(name: str, texts: Sequence[str]) -> tuple[Network, ...] | None:
    try:
        return parse_networks(texts)
    except ValueError as error:
        LOG.warning("%s: %s", name, error)
        return None


def stats_row(stats: ListenerStats) -> WebhookCounters:
    """The counters as JSON data."""
    rejection = stats.last_rejection
    return {
        "accepted": stats.accepted,
        "duplicates": stats.duplicates,
        "failed": stats.failed,
        "rejected": dict(stats.rejected),
        "rejected_total": sum(stats.rejected.values()),
        "last_accepted_at": stats.last_accepted_at.isoformat() if stats.last_accepted_at else None,
        "last_rejection": {
            "reason": rejection.reason,
            "message": rejection.message,
            "address": rejection.address,
            "at": rejection.at.isoformat(),
        }
        if rejection
        else None,
    }


def recent_row(webhook: RecentWebhook) -> webhooks.WebhookEvent:
    """A received webhook as JSON data."""
    row = {
        "outcome": webhook.outcome,
        "at": webhook.at.isoformat(),
        "address": webhook.address,
        "job": webhook.job,
        "event": webhook.event,
        "reason": webhook.reason,
        "message": webhook.message,
    }
    return cast("webhooks.WebhookEvent", row)
