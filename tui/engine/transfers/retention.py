"""Enforces `[retention]`: deletes old local files of ended runs whose copies elsewhere are proven.

Off unless the settings say otherwise. What may go is decided as for the user's own `free`; each
copy is looked at again right before its local file is deleted, by the same code. Nothing that
matters is remembered between two looks: an engine that was killed in the middle looks again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.base.clock import Clock
from tui.base.formatting import plural, size
from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner, set_within
from tui.engine.transfers.artifacts import name_of
from tui.settings import Home, RetentionSettings, Settings
from tui.store.published_names import is_called
from tui.store.reader import StoreReader
from tui.store.retention import FACT, Freeable, freeable, limits_of, needed_runs
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.artifacts import FilesCleared

LOG = logging.getLogger(__name__)
INTERVAL: Final = 3600.0
"""Seconds between two looks, and until a file is tried again whose copy could not be verified."""
_SOON: Final = 5.0
"""Seconds after an event, so that many at once are one look."""
_BY: Final = "[retention]"
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})

Clear = Callable[[str, list[str], Callable[[], str], str], Awaitable["FilesCleared"]]


class Retention:
    """Looks at intervals, when the settings change, and when a run or a transfer has ended.

    It owns its tasks, because a look must not keep the engine alive.
    """

    def __init__(
        self,
        *,
        home: Home,
        outputs: Path,
        live: LiveSettings,
        bus: EventBus,
        writer: StoreWriter,
        clear: Clear,
        now: Clock,
    ) -> None:
        """Take the services it works with.

        Args:
            home: whose store.
            outputs: the folder of results.
            live: the settings.
            bus: says what has ended; notices are published on it.
            writer: keeps what was done last.
            clear: deletes files of a job once their copies were verified: `clear_files`.
            now: the clock.
        """
        self._home, self._outputs, self._live, self._bus = home, outputs, live, bus
        self._writer, self._clear, self._now = writer, clear, now
        self._tasks = TaskOwner()
        self._due = asyncio.Event()
        self._kept: dict[tuple[str, str], float] = {}
        """Files that were not deleted, and when they are tried again."""
        self._said: set[tuple[str, str]] = set()
        live.on_change(self._changed)

    def start(self) -> None:
        """Start the tasks; the first look comes at once."""
        self._tasks.start(self._listen(), "retention: listen")
        self._tasks.start(self._watch(), "retention: watch")

    async def aclose(self) -> None:
        """Stop the tasks."""
        await self._tasks.aclose()

    def _changed(self, before: Settings, after: Settings) -> None:
        if before.retention != after.retention:
            self._kept.clear()
            self._due.set()

    async def _listen(self) -> None:
        with self._bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                status, state = data.get("status"), data.get("state")
                ended = kind == "job" and status in _ENDED
                if ended or kind == "resync" or (kind == "transfer" and state == "done"):
                    await asyncio.sleep(_SOON)
                    self._due.set()

    async def _watch(self) -> None:
        while True:
            self._due.clear()
            try:
                await self.look()
            except Exception:  # such as a full disk: it is tried again
                LOG.exception("retention: the look failed")
            await set_within(self._due, INTERVAL)

    async def look(self) -> None:
        """Delete what the settings say; does nothing while they say nothing.

        Raises:
            StoreError: the store cannot be read or written; the next look makes up for it.
        """
        done = _Done()
        try:
            while chosen := await self._chosen(self._live.now.retention):
                for one in chosen:
                    answer = await self._clear(
                        one.row.job_id, list(one.names), self._refusal(one.row.job_id), _BY
                    )
                    gone = {file["name"] for file in answer["deleted"]}
                    for name in set(one.names) - gone:
                        self._kept[one.row.job_id, name] = time.monotonic() + INTERVAL
                    done.add(one, answer)
        finally:  # what was done is said, whatever ended it
            self._say(done)

    async def _chosen(self, wanted: RetentionSettings) -> list[Freeable]:
        """What goes now, without what was kept at an earlier try."""
        if not wanted.days and not wanted.gib:
            return []
        skip = {key for key, until in self._kept.items() if until > time.monotonic()}

        def choose() -> list[Freeable]:
            reader = StoreReader(self._home.database)
            try:
                return chosen_by(reader, self._outputs, wanted, self._now, skip)
            finally:
                reader.close()

        return await asyncio.to_thread(choose)

    def _refusal(self, job_id: str) -> Callable[[], str]:
        """Why a job's files stay after all, asked right before each is deleted."""

        def refusal() -> str:
            wanted = self._live.now.retention
            if not wanted.days and not wanted.gib:
                return "[retention] was switched off"
            if self._writer.annotation(job_id).pinned:
                return "it is pinned"
            return ""

        return refusal

    def _say(self, done: _Done) -> None:
        deleted = f"{plural(done.files, 'file')} of {plural(done.runs, 'run')}, {size(done.bytes)}"
        if done.files:
            fact = {"files": done.files, "runs": done.runs, "bytes": done.bytes,
                    "at": self._now().isoformat()}  # fmt: skip
            self._writer.set_fact(FACT, fact)
            self._bus.publish("fact", name=FACT)
            self._bus.publish(
                "notice", level="info", message=f"{_BY} deleted {deleted} here.",
                advice="Each has a verified copy elsewhere; Events of a run say where.",
            )  # fmt: skip
            LOG.info("%s deleted %s", _BY, deleted)
        news = [one for one in done.kept if one not in self._said]
        self._said.update(news)
        if news:
            name, why = news[0]
            more = f" {len(news) - 1} more stay as well." if len(news) > 1 else ""
            self._bus.publish(
                "notice", level="warning", message=f"{_BY} kept {name}: {why}",
                advice=f"Nothing is lost: it is still here, and tried again in an hour.{more}",
            )  # fmt: skip


@dataclass(slots=True)
class _Done:
    """What a look did: sums, and what was kept, with the reasons."""

    files: int = 0
    runs: int = 0
    bytes: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)

    def add(self, one: Freeable, answer: FilesCleared) -> None:
        gone = {file["name"] for file in answer["deleted"]}
        self.files += len(gone)
        self.runs += bool(gone)
        self.bytes += sum(
            count for name, count in zip(one.names, one.sizes, strict=True) if name in gone
        )
        self.kept += [(f"{one.row.name}: {left['name']}", left["why"]) for left in answer["kept"]]


def chosen_by(
    reader: StoreReader,
    outputs: Path,
    wanted: RetentionSettings,
    now: Clock,
    skip: Collection[tuple[str, str]] = (),
) -> list[Freeable]:
    """Return what `[retention]` lets go now. Blocking: it reads the files' state.

    Args:
        reader: of the store.
        outputs: the folder of results.
        wanted: the settings.
        now: the clock.
        skip: job and name of files that stay.
    """
    rows = list(reader.rows(reader.job_ids()).values())

    def safe_files(job_id: str) -> list[tuple[str, int]]:
        copies = reader.published(job_id)
        job = reader.job(job_id) if copies else None
        if job is None:
            return []
        found = [(name_of(job, file), file) for file in reader.files(job_id) if not file.missing]
        return [
            (name, file.size)
            for name, file in found
            if (job_id, name) not in skip
            and any(copy.sha256 == file.sha256 and is_called(name, copy.name) for copy in copies)
            and _is_as_sent_or_gone(outputs / file.path, file.size)
        ]

    older_than, most_bytes = limits_of(wanted.days, wanted.gib)
    return freeable(
        rows, safe_files, now(), needed=needed_runs(reader, rows), older_than=older_than,
        most_bytes=most_bytes,
    )  # fmt: skip


def _is_as_sent_or_gone(path: Path, size: int) -> bool:
    """Whether a file has its size; one that is gone was deleted by an engine that was killed."""
    try:
        return path.lstat().st_size == size
    except FileNotFoundError:
        return True
    except OSError:
        return False
