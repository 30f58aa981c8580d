"""Copies of results elsewhere, and results that are not here yet, as JSON."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from tui.api.artifacts import PublishedCopy, Unfetched
    from tui.store.quick_artifacts import QuickCopy, QuickFetch
    from tui.store.transfer_records import FetchRecord, PublishedFile


def unfetched_json(record: FetchRecord | QuickFetch) -> Unfetched:
    """Return a file that is not here as JSON data."""
    return {
        "name": record.name,
        "origin": record.origin,
        "size": record.size,
        "done": record.done_bytes,
        "state": record.state,
        "why": record.message,
        "advice": record.advice,
        "until": record.until.isoformat() if record.until else None,
    }


def published_json(file: PublishedFile | QuickCopy) -> PublishedCopy:
    """Return where a file was published, as JSON data."""
    return {
        "target": file.target, "place": file.place, "link": file.link, "at": file.at.isoformat(),
    }  # fmt: skip
