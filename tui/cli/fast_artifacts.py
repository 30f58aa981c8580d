"""`artifacts` from the database and the folder of results, with few imports."""

from __future__ import annotations

import sys

from tui.engine.transfers.artifacts import artifacts_in_store
from tui.store.quick_artifacts import QuickArtifacts
from tui.store.quick_reader import QuickError, open_quickly

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Sequence


def artifacts_text(arguments: Sequence[str], database: str, outputs: str) -> str | None:
    """What the command prints; None for other command lines and unusual states.

    Args:
        arguments: the command line; a job by its whole id.
        database: the store's file.
        outputs: the folder of results.
    """
    as_json = "--json" in arguments
    words = [word for word in arguments[1:] if word != "--json"]
    job_id = words[0] if words else ""
    if len(words) > 1 or job_id.startswith("-") or (as_json and sys.stdout.isatty()):
        return None
    if (query := open_quickly(database)) is None:
        return None
    store = QuickArtifacts(query, with_losses=as_json)
    try:
        jobs = artifacts_in_store(store, job_id, outputs)
    except (QuickError, LookupError):
        return None
    finally:
        query.close()
    if as_json and not job_id:  # of many jobs, the library's encoder is quicker
        import json

        return f"{json.dumps({'jobs': jobs}, ensure_ascii=False)}\n"
    if as_json:
        from tui.base.json_text import json_text

        return f"{json_text({'jobs': jobs})}\n"
    from tui.cli.artifact_page import artifact_lines
    from tui.cli.output import harmless

    return "".join(f"{harmless(line)}\n" for line in artifact_lines(jobs))
