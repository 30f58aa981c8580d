"""The release profile of each version of the trainer, and what jobs have shown about it.

What a job showed is kept as a fact by version id: its next job is checked by it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject
from tui.engine.config.live import LiveSettings
from tui.engine.submission.draft import Draft
from tui.engine.submission.model_catalog import Choice, ModelCatalog
from tui.replicate.errors import ReplicateError
from tui.simpletuner.release.evidence import EndedJob, joined, said_of, traits_of
from tui.simpletuner.release.profile import AFTER_4_8, ReleaseProfile, profile_for
from tui.simpletuner.request.hardware import PROFILES, normalise_profile
from tui.store.fact_names import scoped
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import providers

UNPACKS_MARK: Final = "x-unpacks-archives"
"""Key of schemas of the sandbox; the service has no such key."""
_TAIL_BYTES: Final = 256 * 1024


class ReleaseProfiles:
    """Chooses profiles, and learns from jobs that have ended."""

    def __init__(
        self,
        *,
        live: LiveSettings,
        reader: StoreReader,
        writer: StoreWriter,
        log_file: Callable[[str], Path],
    ) -> None:
        """Take the settings, the store, and the path of a job's log."""
        self._live = live
        self._reader = reader
        self._writer = writer
        self._log_file = log_file

    def choose(self, api_base: str, choice: Choice | None, draft: Draft) -> ReleaseProfile:
        """The profile of the version that a draft would run on.

        The draft's word counts more than the setting `cloud.trainer_release`.
        """
        word = draft.trainer_release or self._live.now.cloud.trainer_release
        if choice is None:
            return profile_for(None, user_word=word)
        return profile_for(choice.created_at, self._observed(api_base, choice), word)

    async def usual(self, catalog: ModelCatalog, api_base: str) -> ReleaseProfile:
        """The profile of the version that a job with the settings as they are would run on."""
        word = self._live.now.cloud.trainer_release
        choice: Choice | None = None
        with contextlib.suppress(ReplicateError, RefusedError, ValueError):
            hardware = PROFILES[normalise_profile(self._live.now.cloud.hardware)]
            choice = await catalog.choose(api_base, hardware)
        if choice is None:
            return profile_for(None, user_word=word)
        return profile_for(choice.created_at, self._observed(api_base, choice), word)

    def describe(self, api_base: str, choice: Choice) -> providers.TrainerRelease:
        """Which SimpleTuner a version holds, and every reason to think so."""
        word = self._live.now.cloud.trainer_release
        profile = profile_for(choice.created_at, self._observed(api_base, choice), word)
        reasons = [_by_date(choice.created_at), *self._by_jobs(api_base, choice)]
        if profile.source == "user":
            reasons.append("you said so, and that counts more than the rest")
        return {
            "version": choice.version,
            "name": profile.name,
            "source": profile.source,
            "title": profile.title,
            "reasons": reasons,
        }

    def _observed(self, api_base: str, choice: Choice) -> JsonObject:
        """What earlier jobs of a version showed; a sandbox's schema tells it at once."""
        fact = self._writer.fact(_fact_name(api_base, choice.version))
        observed: JsonObject = dict(fact) if isinstance(fact, dict) else {}
        if (choice.schema or {}).get(UNPACKS_MARK) is True:
            observed |= {"archive": "unpacks", "final": True}
        return observed

    def _by_jobs(self, api_base: str, choice: Choice) -> list[str]:
        """Sentences about what the jobs of a version showed; none when nothing is known."""
        observed = self._observed(api_base, choice)
        what = " and ".join(said_of(observed))
        if not what:
            return ["no job of it has shown more"]
        if "job_id" not in observed:
            return [f"its schema says that {what}"]
        return [f"job {observed['job_id']} showed on {str(observed.get('at'))[:10]} that {what}"]

    def observe(self, job: JobRecord) -> None:
        """Keep what a job that has ended showed about its version."""
        ended = EndedJob(
            inputs=job.inputs,
            step=job.step or 0,
            failed=job.status is JobStatus.FAILED,
            log=self._log_end(job.job_id) if job.status is JobStatus.FAILED else b"",
            files=[file.path for file in self._reader.files(job.job_id)]
            if job.delivery == "local"
            else [],
            model_type=job.model_type,
        )
        shown = traits_of(ended)
        if not shown or not job.version:
            return
        name = _fact_name(job.api_base, job.version)
        earlier = self._writer.fact(name)
        known = dict(earlier) if isinstance(earlier, dict) else {}
        now = joined(known, shown)
        if any(known.get(one.trait) != now.get(one.trait) for one in shown):
            now |= {"job_id": job.job_id, "at": utc_now().isoformat()}
        if now != known:
            self._writer.set_fact(name, now)

    def _log_end(self, job_id: str) -> bytes:
        try:
            return self._log_file(job_id).read_bytes()[-_TAIL_BYTES:]
        except OSError:
            return b""


def _by_date(created_at: datetime | None) -> str:
    """What the date of a version tells about its release."""
    if created_at is None:
        return "its date is not known"
    limit = "at most 4.8.0" if created_at < AFTER_4_8 else "4.8.0 or later"
    return f"made on {created_at:%Y-%m-%d}: {limit}"


def _fact_name(api_base: str, version: str) -> str:
    return scoped(f"release:{version}", api_base)
