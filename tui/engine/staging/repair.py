"""Makes a record of staged data again that cannot be read, from its manifest and its jobs.

A record's key is a digest of the place, the API and the manifest, so that a job's word about where
its data lie is proved by the key. What only the record knew is taken at its safest: the data are
looked for again before a job reads them, and stay until the user removes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tui.engine.staging.receiver import receiver_of
from tui.engine.staging.records import DamagedRecord, StagedRecord, StagedRecords, record_key
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.staging import StagedData

_REPAIRED: Final = (
    "its record could not be read and was made again from its list of files. Whether it was to be "
    "kept is not known, so it stays until you remove it."
)


def repair(records: StagedRecords, key: str, jobs: Iterable[JobRecord]) -> StagedRecord | None:
    """Make a damaged record again; None when its list, or the place, is not known.

    Args:
        records: the records.
        key: that of the damaged one.
        jobs: jobs that may have read its data.

    Raises:
        OSError: it cannot be written.
    """
    damaged, manifest = records.damaged().get(key), records.manifest(key)
    if damaged is None or manifest is None:
        return None
    for job in jobs:
        staging = job.submit.get("staging") or {}
        if staging.get("key") != key:
            continue
        receiver = receiver_of(job)
        home = receiver.home if receiver is not None else ""
        place = str(staging.get("place") or "")
        if record_key(place, job.api_base, manifest.digest, home) != key:
            continue
        known = {
            "where": receiver.words if receiver is not None else place,
            "facts": {},
            **damaged.fields,
            "key": key,
            "place": place,
            "api_base": job.api_base,
            "digest": manifest.digest,
            "datasets": tuple(dataset.id for dataset in manifest.datasets),
            "images": manifest.images,
            "bytes": manifest.bytes,
            "created_at": damaged.written_at.isoformat(),
            "home": home,
            "started": True,
            "there": False,
            "keep": True,
            "damage": _REPAIRED,
        }
        return records.put(StagedRecord(**known))
    return None


def damaged_row(damaged: DamagedRecord, readers: list[str]) -> StagedData:
    """How a record that could not be made again is listed."""
    return {
        "key": damaged.key,
        "place": "",
        "where": "",
        "datasets": [],
        "images": 0,
        "bytes": 0,
        "created_at": damaged.written_at.isoformat(),
        "complete": False,
        "keep": True,
        "readers": readers,
        "problem": "",
        "damage": f"its record cannot be read ({damaged.reason}), and no job tells where it lies. "
        "Removing it deletes the record alone.",
    }
