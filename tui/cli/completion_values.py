"""What a shell may complete a word to, from the store and the folder, with few imports.

A shell asks at each press of the tab key, so nothing here starts an engine or builds the grammar.
Whatever is wrong, there is nothing to complete, and nothing is said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

MOST = 200
CARDS = ("l40s", "h100", "a100")
"""Of `tui.simpletuner.request.hardware.PROFILES`, and below names of `tui.store.filter`, which
would take longer to load than to complete. A test compares them."""
FILTER_WORDS = (
    "account", "config", "delivery", "error", "family", "flavour", "hardware", "has", "hw", "id",
    "model", "name", "since", "state", "status", "sweep", "tag", "tags",
)  # fmt: skip
FILTER_NUMBERS = (
    "age", "best", "cost", "files", "loss", "percent", "results", "step", "steps",
)  # fmt: skip
STATES = ("pending", "uploading", "queued", "running", "completed", "done", "failed", "cancelled")
HAS = ("note", "tag", "pin", "warning")
_QUERIES = {
    "job": "SELECT name FROM (SELECT name, created_at FROM jobs UNION ALL "
    "SELECT job_id, created_at FROM jobs) WHERE substr(name, 1, length(?1)) = ?1 "
    "ORDER BY created_at DESC LIMIT 200",
    "destination": "SELECT name FROM destinations WHERE substr(name, 1, length(?1)) = ?1 "
    "ORDER BY name",
    "transfer": "SELECT transfer_id FROM transfers WHERE substr(transfer_id, 1, length(?1)) = ?1",
}
_OPTIONS = (
    "SELECT DISTINCT 'config.' || replace(ltrim(key, '-'), '-', '_') || sign FROM ("
    "SELECT config FROM jobs ORDER BY created_at DESC LIMIT 50), json_each(config), "
    "(SELECT ':' AS sign UNION ALL SELECT '<' UNION ALL SELECT '>') "
    "WHERE (sign = ':' OR type IN ('integer', 'real')) AND ?1 = '' ORDER BY 1"
)
"""Options that the newest jobs set; those of all jobs would take long to read."""


def complete(arguments: Sequence[str]) -> int:
    """Print the values of a kind that begin with a text, one a line; the exit status is 0."""
    kind, beginning = (*arguments, "", "")[:2]
    try:
        found = dict.fromkeys(
            value for value in _values(kind, beginning)
            if value.startswith(beginning) and value.isprintable()
        )  # fmt: skip
        sys.stdout.write("".join(f"{value}\n" for value in list(found)[:MOST]))
        sys.stdout.flush()
    except Exception:  # noqa: BLE001  a shell that completes has no place for a message
        return 0
    return 0


def _values(kind: str, beginning: str) -> Iterable[str]:
    if kind == "config":
        return _configs()
    if kind == "hardware":
        return [f"{card}{many}" for card in CARDS for many in ("", "-x2", "-x4", "-x8")]
    if kind == "filter":
        return _filters(beginning)
    if kind == "job" and len(beginning) > 100:
        return ()
    return _stored(_QUERIES[kind], beginning)


def _filters(beginning: str) -> Iterable[str]:
    """Terms of a filter line: fields, then values of the field that is there."""
    field, colon, _ = beginning.partition(":")
    if not colon and field.startswith("config."):
        return _stored(_OPTIONS, "")
    if not colon:
        return (
            [f"{name}:" for name in FILTER_WORDS]
            + ["config."]
            + [f"{name}{sign}" for name in FILTER_NUMBERS for sign in "<>"]
        )
    if field in ("hw", "hardware"):
        return [f"{field}:{value}" for value in _values("hardware", "")]
    if field == "sweep":
        known = _stored("SELECT DISTINCT sweep FROM sweep_members WHERE 1 OR ?1", "")
        return [f"{field}:{value}" for value in known]
    if field in ("tag", "tags"):
        known = _stored("SELECT DISTINCT value FROM annotations, json_each(tags) WHERE 1 OR ?1", "")
        return [f"{field}:{value}" for value in known]
    values = {"state": STATES, "status": STATES, "has": HAS}.get(field, ())
    return [f"{field}:{value}" for value in values]


def _stored(query: str, beginning: str) -> list[str]:
    import sqlite3
    from urllib.parse import quote

    moved = os.environ.get("SIMPLETUNER_TUI_HOME", "").strip()
    base = os.path.abspath(os.path.expanduser(moved or "~/.simpletuner"))  # noqa: PTH100, PTH111
    root = base if moved else f"{base}/tui"
    store = sqlite3.connect(f"file:{quote(root)}/state.db?mode=ro", uri=True, timeout=0.5)
    try:
        return [row[0] for row in store.execute(query, (beginning,))]
    finally:
        store.close()


def _configs() -> list[str]:
    """Names of the configs below `config` of the working folder."""
    names = []
    for entry in os.scandir("config"):
        if entry.is_dir():
            if any(
                os.path.exists(f"{entry.path}/config.{end}")  # noqa: PTH110  pathlib is slow
                for end in ("json", "toml", "env")
            ):
                names.append(entry.name)
        elif entry.name.endswith(".json") and not entry.name.startswith(("multidata", "webhook")):
            names.append(entry.name[:-5])
    return sorted(names)
