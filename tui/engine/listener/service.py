"""The listener inside the engine: where webhooks, deliveries and API calls come in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.listener_address import STORAGE_PATH, WEBHOOK_PATH, public_base
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.listener.binding import Binding
from tui.engine.listener.webhook_events import WebhookEvents
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.recorder import JobRecorder
from tui.listener.app import Part
from tui.listener.client_address import parse_networks
from tui.listener.stats import ListenerStats, Seen
from tui.listener.storage import (
    ReceivedObject,
    RefusedObject,
    StorageLimits,
    StorageReceiver,
)
from tui.listener.webhooks import WebhookReceiver, WebhookSettings
from tui.settings import Settings
from tui.store.records import FileRecord, JobRecord
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api import webhooks
    from tui.api.engine import ListenerState, WebhookCounters

LOG = logging.getLogger(__name__)

_TELL_SECONDS: Final = 0.5
_REFUSED_KEPT: Final = 200
"""So many refused files of a job are named in its record."""
_HERE: Final = "127.0.0.1"


class ListenerService:
    """Runs the listener, knows its addresses, and follows the settings without a restart.

    Attributes:
        outputs: the folder that delivered files come to.
        place: where it listens, and how that is changed.
    """

    def __init__(
        self,
        *,
        live: LiveSettings,
        outputs: Path,
        recorder: JobRecorder,
        keys: StorageKeys,
        bus: EventBus,
        hooks: WebhookEvents,
    ) -> None:
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
            limits=StorageLimits(),
        )
        self._webhooks = WebhookReceiver(hooks.secrets_for, hooks.take, jobs=hooks)
        self._webhooks.stats.on_change = self._tell_soon
        self.place = Binding(live, recorder.writer, self._tell)
        self._telling: asyncio.TimerHandle | None = None
        self._settle(live.now)
        live.on_change(self._changed)

    # -- life ---------------------------------------------------------------------------------

    async def start(self, parts: Sequence[Part] = ()) -> None:
        """Serve the receivers and `parts` on the address in the settings."""
        await self.place.start([self._storage, self._webhooks, *parts])

    async def aclose(self) -> None:
        """Stop listening; bodies on their way get a moment to finish."""
        await self.place.aclose()
        if self._telling is not None:
            self._telling.cancel()

    # -- settings -----------------------------------------------------------------------------

    def _settle(self, settings: Settings) -> None:
        """Put in force what needs no new socket. A list that cannot be read lets nobody in."""
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

    def _changed(self, before: Settings, after: Settings) -> None:
        if (before.listener, before.problems) == (after.listener, after.problems):
            return
        self._settle(after)
        self.place.follow()
        self._tell()

    # -- what others ask ----------------------------------------------------------------------

    @property
    def address(self) -> str:
        """`host:port` it listens on, or "" while it does not."""
        return self.place.doors.address

    @property
    def problem(self) -> str:
        """Why it does not listen as the settings say, or ""."""
        return self.place.problem

    @property
    def warning(self) -> str:
        """What to know about the address it listens on, or ""."""
        return self.place.warning

    async def settled(self) -> None:
        """Wait until a change of the address, if one is under way, is done."""
        await self.place.settled()

    @property
    def public_url(self) -> str:
        """How the world reaches us, without path; "" when the settings name no usable address."""
        try:
            return public_base(self._live.now.listener.public_url)
        except RefusedError:
            return ""

    @property
    def stats(self) -> WebhookCounters:
        """What was let in and turned away, as plain data."""
        return stats_row(self._webhooks.stats)

    def recent(self) -> list[webhooks.WebhookEvent]:
        """The last webhooks, newest first. They are in memory only: the store keeps the counts."""
        return [seen_row(one) for one in self._webhooks.stats.recent()]

    def state(self) -> ListenerState:
        """The listener as windows show it."""
        settings = self._live.now.listener
        return {
            "address": self.address,
            "state": "listening" if self.address else "off",
            "problem": self.problem,
            "warning": self.warning,
            "tls": self.place.doors.tls,
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
        """Where a person's own tools find us: the public URL, or this machine's address."""
        here = f"http://{_HERE}:{self.place.doors.plain_port}" if self.address else ""
        return self.public_url or here

    def base_for(self, api_base: str) -> str | None:
        """How a service at this API base reaches us; None when it cannot.

        A sandbox on this machine goes the public way as well when there is one, so that it
        rehearses the real thing.
        """
        if is_loopback(api_base):
            return self.reachable_at or None
        return self.public_url if self.public_url.startswith("https://") else None

    def storage_url(self, api_base: str) -> str | None:
        """Where a trainer of this API base can deliver to, or None when it cannot reach us."""
        base = self.base_for(api_base)
        return f"{base}{STORAGE_PATH}" if base else None

    def webhook_url(self, job: JobRecord) -> str | None:
        """Where Replicate shall tell about a job, with that job's own key; None if it cannot."""
        base = self.base_for(job.api_base)
        return f"{base}{WEBHOOK_PATH}?key={self._keys.hook_key(job.job_id)}" if base else None

    # -- what comes in ------------------------------------------------------------------------

    async def _received(self, item: ReceivedObject) -> None:
        """A file is complete: into the job's record with it."""
        if not item.job_id:  # from a person's own tools
            return
        self._recorder.add_file(
            item.job_id,
            FileRecord(
                path=item.path.relative_to(self.outputs).as_posix(),
                size=item.size,
                sha256=item.sha256,
                source="delivered",
                received_at=item.received_at,
            ),
        )

    def _refused(self, item: RefusedObject) -> None:
        """A file was not taken: into the job's record, each file and reason once."""
        if not item.job_id:
            return
        job = self._recorder.writer.job(item.job_id)
        known = job.submit.get("refused") or {}
        if known.get(item.key, {}).get("code") == item.code or len(known) >= _REFUSED_KEPT:
            return
        told = {**known, item.key: {"code": item.code, "why": item.message}}
        self._recorder.note(
            job.job_id, "storage", "refused", f"{item.key} was refused: {item.message}",
            submit={**job.submit, "refused": told},
        )  # fmt: skip

    def _tell_soon(self) -> None:
        """Counters have changed: tell the windows, a few times a second at most."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        with contextlib.suppress(StoreError):  # told again with the next change
            self._recorder.writer.set_fact("listener", self.state())
        self._bus.publish("fact", name="listener")


def _networks(name: str, texts: Sequence[str]) -> Any:
    try:
        return parse_networks(texts)
    except ValueError as error:
        LOG.warning("%s: %s", name, error)
        return None


def stats_row(stats: ListenerStats) -> WebhookCounters:
    """The counters as plain data."""
    last = stats.last_rejection
    return {
        "accepted": stats.accepted,
        "duplicates": stats.duplicates,
        "failed": stats.failed,
        "rejected": dict(stats.rejected),
        "rejected_total": sum(stats.rejected.values()),
        "last_accepted_at": stats.last_accepted_at.isoformat() if stats.last_accepted_at else None,
        "last_rejection": {
            "reason": last.reason,
            "message": last.message,
            "address": last.address,
            "at": last.at.isoformat(),
        }
        if last
        else None,
    }


def seen_row(seen: Seen) -> webhooks.WebhookEvent:
    """One event as plain data."""
    row = {
        "outcome": seen.outcome,
        "at": seen.at.isoformat(),
        "address": seen.address,
        "job": seen.job,
        "event": seen.event,
        "reason": seen.reason,
        "message": seen.message,
    }
    return cast("webhooks.WebhookEvent", row)
