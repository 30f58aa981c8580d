"""Jobs as JSON text or table rows from one SQLite query, for `jobs` and `job ID --json`.

The fields are those of `tui.store.job_json`, without its imports: they would take longer to load
than the query takes to run. A test compares the two.
"""

from __future__ import annotations

import time

from tui.store.quick_reader import query

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes longer to load than a row to read
    from typing import Any

    from tui.store.lost_contact import Contacts, LostContact
    from tui.store.shown_cost import ShownCost

LOST = "lost"
"""`tui.base.job_status.LOST`, which is not imported for the same reason."""


def _iso(column: str) -> str:
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') || "
        f"CASE WHEN {column} % 1000000 THEN printf('.%06d', {column} % 1000000) ELSE '' END || 'Z'"
    )


def _number(value: str) -> str:
    """A number as JSON; infinities are null. SQLite's own JSON has 15 digits, a double up to 17."""
    return (
        f"CASE WHEN abs({value}) <= 1.7976931348623157e308 THEN json(printf('%!.17g', {value})) END"
    )


_PROGRESS = f"""json_object(
    'stage', NULLIF(stage, ''), 'step', step, 'total_steps', total_steps, 'epoch', epoch,
    'epochs', epochs, 'percent', {_number("percent")},
    'seconds_per_step', {_number("seconds_per_step")},
    'loss', {_number("loss")}, 'loss_smoothed', {_number("loss_smoothed")},
    'loss_best', {_number("loss_best")}, 'best_step', best_step,
    'learning_rate', {_number("learning_rate")},
    'eta_at', {_iso("eta_at")},
    'not_finite', CASE WHEN instr(submit, '"not_finite"')
        THEN json(json_extract(submit, '$.not_finite')) ELSE json('[]') END)"""
_METADATA = """json_object(
    'prediction_id', NULLIF(prediction_id, ''), 'model', model, 'version', version,
    'hardware_profile', hardware, 'tracker_run_name', name, 'model_family', model_family,
    'model_flavour', model_flavour, 'model_type', model_type, 'lora_type', lora_type,
    'delivery', delivery, 'api_base', api_base,
    'account', CASE WHEN instr(submit, '"account"')
        THEN NULLIF(json_extract(submit, '$.account'), '') END,
    'web_url', NULLIF(web_url, ''))"""
_FILES = """
SELECT job_id, json_group_array(json_object(
    'path', :outputs || '/' || path, 'size', size, 'sha256', sha256))
FROM (SELECT * FROM files WHERE missing = '' AND :only ORDER BY job_id, path) GROUP BY job_id"""
_NOTE = """
SELECT json_quote(COALESCE((SELECT note FROM annotations WHERE job_id = :id), ''))"""
_STOPS = """COALESCE((SELECT json_extract(value, '$.enabled') AND
    json_extract(value, '$.stop_running') FROM facts WHERE name = 'spending'), 0)"""
_ENDED = "status IN ('completed', 'failed', 'cancelled')"
_JOBS = f"""
SELECT {_ENDED}, json_object(
    'job_id', job_id, 'job_type', 'cloud', 'provider', 'replicate', 'status', status,
    'name', name, 'config_name', config_name,
    'pinned', json(CASE WHEN pinned THEN 'true' ELSE 'false' END),
    'tags', json(COALESCE(tags, '[]')),
    'has_note', json(CASE WHEN note IS NULL THEN 'false' ELSE 'true' END),
    'created_at', {_iso("created_at")}, 'queued_at', {_iso("queued_at")},
    'started_at', {_iso("started_at")}, 'completed_at', {_iso("completed_at")},
    'duration_seconds', {_number("((COALESCE(completed_at, :now) - started_at) / 1e6)")},
    'cost_usd', {_number("(cost_micros / 1e6)")},
    'cost_is_upper_bound', json(CASE provider_status WHEN '{LOST}' THEN 'true' ELSE 'false' END),
    'cost_at_least_usd', NULL, 'estimated_cost', {_number("(estimate_micros / 1e6)")},
    'hardware_type', hardware, 'error_message', NULLIF(error, ''),
    'output_url', NULLIF(output_url, ''),
    'is_terminal', json(CASE WHEN {_ENDED} THEN 'true' ELSE 'false' END),
    'is_active', json(CASE WHEN {_ENDED} THEN 'false' ELSE 'true' END),
    'unheard_since', NULL, 'unheard_reason', NULL,
    'stop_running', json(CASE WHEN NOT {_ENDED} AND {_STOPS} THEN 'true' ELSE 'false' END),
    'progress', {_PROGRESS}, 'warnings', json(warnings), 'metadata', {_METADATA},
    'delivered',
    CASE WHEN instr(submit, '"delivered"') THEN json_extract(submit, '$.delivered') END,
    'diagnosis', CASE WHEN diagnosis <> '{{}}' THEN json(diagnosis) END),
    -created_at, job_id, rate_micros, started_at
FROM jobs LEFT JOIN annotations USING (job_id)
"""  # noqa: S608  built from constants


_COLUMNS = f"""
SELECT {_ENDED}, job_id, name, trim(model_family || ' ' || model_flavour), status, stage, step,
    total_steps, CASE WHEN loss IS NULL AND instr(submit, '"not_finite"')
        AND json_extract(submit, '$.not_finite') LIKE '%"loss"%'
        THEN 'nan' ELSE COALESCE(loss_smoothed, loss) END, cost_micros, created_at,
    rate_micros, started_at, provider_status = '{LOST}' FROM jobs
"""  # noqa: S608  built from constants
CONTACTS: tuple[str, dict[str, Any]] = (
    "SELECT name, value, at FROM facts WHERE name IN ('unheard', 'spending', 'spending:sandbox')",
    {},
)
_SILENT_AFTER = 90_000_000
"""`tui.store.lost_contact.SILENT_AFTER` in microseconds, and its facts above. A test compares."""
_NEWEST = " ORDER BY created_at DESC, job_id LIMIT :limit"


def jobs_json(database: str, outputs: str, limit: int = -1) -> tuple[str, bool] | None:
    """Return the list of jobs, newest first, as JSON text.

    Args:
        database: the store's file.
        outputs: the folder that the files' paths are relative to.
        limit: most jobs; -1 for all.

    Returns:
        The text and whether a job in it is active; None when the database is missing, unreadable
        or of another version, so that the caller uses the full reader.
    """
    order = "" if limit < 0 else _NEWEST
    found = query(
        database,
        (_JOBS + order, {"limit": limit, "now": time.time_ns() // 1000}),
        (_FILES.replace(":only", "1"), {"outputs": outputs}),
        CONTACTS,
    )
    if found is None:
        return None
    rows, files, contacts = found[0], dict(found[1]), contacts_of(found[2])
    rows.sort(key=lambda row: row[2:4])  # faster than ORDER BY, which looks rows up one by one
    text = ",\n".join(
        f'{_as_heard(row, contacts)[:-1]},"files":{files.get(row[3], "[]")}}}' for row in rows
    )
    return f"[\n{text}\n]\n" if rows else "[]\n", not all(row[0] for row in rows)


def job_json(database: str, outputs: str, job_id: str) -> tuple[str, bool] | None:
    """Return one job as a line of JSON text; otherwise like `jobs_json`.

    Args:
        database: the store's file.
        outputs: the folder that the files' paths are relative to.
        job_id: the whole id. For any other name of a job the answer is None.
    """
    values = {"id": job_id, "now": time.time_ns() // 1000}
    found = query(
        database,
        (f"{_JOBS} WHERE job_id = :id", values),
        (_FILES.replace(":only", "job_id = :id"), {"outputs": outputs, "id": job_id}),
        CONTACTS,
        (_NOTE, values),
    )
    if found is None or not found[0]:
        return None
    row, files = found[0][0], dict(found[1])
    text = _as_heard(row, contacts_of(found[2]))
    note = found[3][0][0]
    return f'{text[:-1]},"note":{note},"files":{files.get(job_id, "[]")}}}\n', not row[0]


def job_rows(database: str, limit: int = -1) -> tuple[list[tuple[Any, ...]], bool] | None:
    """Return the columns of `jobs`, newest job first.

    Returns:
        Rows of id, name, model, status, stage, step, steps in all, loss, microseconds since 1970,
        the cost as shown and the contact that was lost, and whether a job is active; None as in
        `jobs_json`.
    """
    found = query(database, (_COLUMNS + _NEWEST, {"limit": limit}), CONTACTS)
    if found is None:
        return None
    contacts, rows = contacts_of(found[1]), []
    for ended, *shown, cost, created, rate, started, lost in found[0]:
        contact = least = None
        if contacts is not None and not ended:
            contact, least = _contact(contacts, _Seen(shown[0], shown[3], rate, started))
        bounded = least if cost is None else (cost, "at most" if lost else "")
        rows.append((*shown, created, bounded, contact))
    return rows, not all(row[0] for row in found[0])


def contacts_of(facts: list[tuple[Any, ...]]) -> Contacts | None:
    """What is known of jobs that are not heard of; None, without an import, while all are."""
    rows = {name: (value, at) for name, value, at in facts}
    marks = rows.pop("unheard", ("{}", 0))[0]
    last = max((at for _, at in rows.values()), default=None)
    silent = last is not None and time.time_ns() // 1000 - last > _SILENT_AFTER
    if marks == "{}" and not silent:
        return None
    import json

    from tui.store.lost_contact import Contacts, read_unheard
    from tui.store.moments import from_micros

    return Contacts(read_unheard(json.loads(marks)), None if last is None else from_micros(last))


class _Seen:
    """An active job, as far as its contact and its cost follow from it."""

    cost_micros = completed_at = None
    is_lost = False

    def __init__(self, job_id: str, status: str, rate_micros: int, started: int | None) -> None:
        from tui.base.job_status import JobStatus
        from tui.store.moments import from_micros

        self.job_id, self.status, self.rate_micros = job_id, JobStatus(status), rate_micros
        self.started_at = None if started is None else from_micros(started)


def _contact(contacts: Contacts, job: _Seen) -> tuple[LostContact | None, ShownCost | None]:
    """Since when a job is not heard of, and what it cost until then."""
    from datetime import UTC, datetime

    from tui.store.shown_cost import shown_cost

    now = datetime.now(UTC)
    contact = contacts.of(job, now)
    return contact, None if contact is None else shown_cost(job, now, contact)


def _as_heard(row: tuple[Any, ...], contacts: Contacts | None) -> str:
    """A job's JSON text, with what is known of it if it is not heard of."""
    ended, text, _, job_id, rate, started = row
    if contacts is None or ended:
        return str(text)
    import json

    from tui.store.job_json import unheard_json

    data = json.loads(text)
    contact, cost = _contact(contacts, _Seen(job_id, data["status"], rate, started))
    if contact is None:
        return str(text)
    return json.dumps(unheard_json(data, contact, cost), ensure_ascii=False, separators=(",", ":"))
