"""Whether the data of an earlier job can be had again, compared by content.

Staged data are compared by the key of their record, which is a digest over names, contents and
captions. An archive is packed again and compared by its SHA-256: its bytes depend on nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tui.base import formatting
from tui.engine.staging.records import record_key
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import CancelledByUser, SimpleTunerError

if TYPE_CHECKING:
    from tui.engine.staging.planning import StagingPlan
    from tui.store.records import JobRecord

State = Literal["none", "there", "again", "kept", "gone"]
_TODAY: Final = "Run it as it is today, or put the files back as they were."
_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class DataVerdict:
    """Whether a job's data can be had again; see `tui.api.jobs.RerunData`."""

    state: State
    words: str
    advice: str = ""
    bytes: int = 0

    def check(self) -> Check:
        """The finding about it."""
        return Check(
            "rerun-data", "error" if self.state == "gone" else "ok", self.words, self.advice
        )


class SameData:
    """Compares the data of drafts with those that an earlier job ran with."""

    def __init__(self, archives: Path) -> None:
        """Take the folder that archives are packed in."""
        self._archives = archives
        self._digests: dict[Hashable, str] = {}

    async def verdict(
        self, job: JobRecord, plan: StagingPlan | None, report: DataReport, *, packs: bool
    ) -> DataVerdict:
        """Compare what a draft would send with what a job was sent with.

        Args:
            job: the earlier job.
            plan: how the draft's datasets are staged; None when they are not.
            report: the scan of its datasets.
            packs: whether an archive is packed.
        """
        if staging := job.submit.get("staging"):
            return _staged_verdict(job, str(staging.get("key") or ""), plan)
        if job.submit.get("pack"):
            if not packs:
                return DataVerdict("gone", "the data would not be sent as an archive", _TODAY)
            return await self._archive_verdict(job, report)
        if plan is not None or packs:
            return DataVerdict(
                "gone",
                f"no data of this machine are recorded for {job.name}, "
                "and this run would send some",
                _TODAY,
            )
        if "images" in (job.submit.get("secret_names") or ()):
            return DataVerdict(
                "gone",
                "the address of the archive held a secret, which is not kept",
                "Open the form (e) and give the address again.",
            )
        return DataVerdict("none", "no data of this machine are part of it")

    async def _archive_verdict(self, job: JobRecord, report: DataReport) -> DataVerdict:
        then = str(job.submit.get("sha256") or "")
        if not then:
            return DataVerdict(
                "gone", f"{job.name} was never packed, so its data are not known", _TODAY
            )
        try:
            now = await self._digest(report)
        except SimpleTunerError as error:
            return DataVerdict("gone", f"the data cannot be packed as they were: {error.message}",
                               error.advice)  # fmt: skip
        if now != then:
            return DataVerdict(
                "gone",
                f"the images or captions are not those that {job.name} ran with, "
                "and its archive is not kept",
                _TODAY,
            )
        size = int(job.submit.get("size") or 0)
        return DataVerdict(
            "again",
            f"{formatting.size(size)} are packed and sent again; the content is the same",
            bytes=size,
        )

    async def _digest(self, report: DataReport) -> str:
        """SHA-256 of the archive that a scan makes. It is at most as large as one upload may be.

        Raises:
            SimpleTunerError: it cannot be packed.
        """
        key = tuple(
            (name, file.path, file.size, file.mtime_ns)
            for name, file in report.archive_files.items()
        )
        if key in self._digests:
            return self._digests[key]
        cancel = threading.Event()
        try:
            digest = await asyncio.to_thread(self._pack, report, cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise
        while len(self._digests) >= _REMEMBERED:
            self._digests.pop(next(iter(self._digests)))
        self._digests[key] = digest
        return digest

    def _pack(self, report: DataReport, cancel: threading.Event) -> str:
        self._archives.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._archives / f"compare-{secrets.token_hex(4)}.zip"
        try:
            return pack(report, path, cancel=cancel).sha256
        except CancelledByUser as error:
            raise SimpleTunerError(error.message, error.advice) from None
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _staged_verdict(job: JobRecord, key: str, plan: StagingPlan | None) -> DataVerdict:
    if plan is None:
        return DataVerdict("gone", "its staged data cannot be planned for", _TODAY)
    bare = record_key(plan.place.name, job.api_base, plan.manifest.digest)  # of earlier versions
    if key not in (plan.key(job.api_base), bare):
        return DataVerdict(
            "gone",
            f"the images or captions are not those that {job.name} ran with, "
            "and its staged copy is removed",
            _TODAY,
        )
    missing = plan.missing.bytes if plan.missing else plan.manifest.bytes
    if plan.kept:
        return DataVerdict(
            "kept", f"the files here are others now; the copy that {job.name} read is still there"
        )
    if plan.missing is not None and not plan.missing.files:
        return DataVerdict("there", "its data are still there: nothing is sent")
    return DataVerdict(
        "again",
        f"{formatting.size(missing)} are sent again; the content is the same",
        bytes=missing,
    )
