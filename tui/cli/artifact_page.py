"""What `artifacts` prints."""

from __future__ import annotations

from tui.base import formatting

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.api.artifacts import JobArtifacts, Weights


def artifact_lines(jobs: Iterable[JobArtifacts]) -> list[str]:
    """What jobs produced, where it is published, and what is not here."""
    lines = []
    for job in jobs:
        lines.append(f"{job['name']}  {job['folder']}")
        delivered = job["delivered"]
        if delivered and delivered["state"] != "yes":
            lines.append(f"  delivered  {formatting.delivery(delivered)}")
        for file in job["files"]:
            here = "" if file["here"] else "  missing or changed"
            content = _weights_label(file["weights"])
            size = formatting.size(file["size"])
            lines.append(f"  {file['name']}  {size}  {content}{here}".rstrip())
            lines += [f"    {copy['link'] or copy['target']}" for copy in file["published"]]
            lines += [
                f"    {copy['target']}  {formatting.UNVERIFIED}" for copy in file["unverified"]
            ]
        for item in job["unfetched"]:
            until = f"; deleted there at {item['until']}" if item["until"] else ""
            reason = f"{item['why'] or 'on its way'} {item['advice']}".rstrip()
            lines.append(f"  {item['name']}  not here: {reason}{until}")
    return lines or ["No files: no job left any, or none was fetched yet."]


def _weights_label(weights: Weights | None) -> str:
    """What a weights file holds; empty for other files."""
    if weights is None:
        return ""
    label = weights["problem"] or weights["kind"] or ""
    return f"{label} rank {weights['rank']}" if weights["rank"] else label
