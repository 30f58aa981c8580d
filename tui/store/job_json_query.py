"""Jobs as JSON text or table rows from one SQLite query, for `jobs` and `job ID --json`.

The fields are those of `tui.store.job_json`, without its imports: they would take longer to load
than the query takes to run. A test compares the two. The text of a job that has ended may be in the
store already (`store.job_texts`), which is read in a tenth of the time.
"""

from __future__ import annotations

import time

from tui.store.quick_reader import QuickError, open_quickly, query

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes longer to load than a row to read
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from tui.store.lost_contact import Contacts, LostContact
    from tui.store.shown_cost import ShownCost

    Ask = Callable[[str, Sequence[Any]], list[Any]]

LOST = "lost"
"""`tui.base.job_status.LOST`, which is not imported for the same reason."""


def _members(*fields: tuple[str, str], text: str = "%s") -> str:
    """Members of an object, from the name of each value and the SQL of its text, never NULL.

    SQLite's `json_object` parses what another of its functions made; `printf` takes less time.
    """
    names = text % ",".join(f'"{name}":%s' for name, _ in fields)
    return f"printf('{names}', {', '.join(sql for _, sql in fields)})"


def _object(*fields: tuple[str, str]) -> str:
    return _members(*fields, text="{%s}")


def _text(column: str) -> tuple[str, str]:
    return column, f"json_quote({column})"


def _text_or_null(column: str) -> str:
    return f"CASE {column} WHEN '' THEN 'null' ELSE json_quote({column}) END"


def _count(column: str) -> tuple[str, str]:
    return column, f"COALESCE({column}, 'null')"


def _iso(column: str) -> tuple[str, str]:
    return column, (
        f"CASE WHEN {column} IS NULL THEN 'null' ELSE "
        f"strftime('\"%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') || "
        f"CASE WHEN {column} % 1000000 THEN printf('.%06dZ\"', {column} % 1000000) "
        "ELSE 'Z\"' END END"
    )


def _number(column: str) -> tuple[str, str]:
    """A number; infinities are null. SQLite's own JSON has 15 digits, a double up to 17."""
    return column, (
        f"CASE WHEN abs({column}) <= 1.7976931348623157e308 "
        f"THEN printf('%!.17g', {column}) ELSE 'null' END"
    )


def _millionth(value: str) -> str:
    """Micro-dollars as dollars, microseconds as seconds: exactly."""
    return (
        f"CASE WHEN {value} IS NULL THEN 'null' ELSE printf('%s%d.%06d', "
        f"CASE WHEN {value} < 0 THEN '-' ELSE '' END, "
        f"abs({value}) / 1000000, abs({value}) % 1000000) END"
    )


def _submit(name: str, absent: str, *, quoted: bool = False) -> tuple[str, str]:
    """A value of the column `submit`, which is looked into where it has the word alone."""
    value = f"json_extract(submit, '$.{name}')"
    if quoted:
        value = f"json_quote(NULLIF({value}, ''))"
    return name, (
        f"CASE WHEN instr(submit, '\"{name}\"') THEN COALESCE({value}, 'null') ELSE '{absent}' END"
    )


def _kept(column: str, empty: str, shown: str) -> tuple[str, str]:
    """A column of JSON; what it has in most rows needs no parsing."""
    return column, f"CASE {column} WHEN '{empty}' THEN '{shown}' ELSE json({column}) END"


def _boolean(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 'true' ELSE 'false' END"


_NULL = "'null'"
_PROGRESS = _object(
    ("stage", _text_or_null("stage")),
    *map(_count, ("step", "total_steps", "epoch", "epochs")),
    *map(_number, ("percent", "seconds_per_step", "loss", "loss_smoothed", "loss_best")),
    _count("best_step"),
    _number("learning_rate"),
    _iso("eta_at"),
    _submit("not_finite", "[]"),
)
_METADATA = _object(
    ("prediction_id", _text_or_null("prediction_id")),
    _text("model"),
    _text("version"),
    ("hardware_profile", "json_quote(hardware)"),
    ("tracker_run_name", "json_quote(name)"),
    *map(_text, ("model_family", "model_flavour", "model_type", "lora_type", "delivery")),
    _text("api_base"),
    _submit("account", "null", quoted=True),
    ("web_url", _text_or_null("web_url")),
)
FOLDER = "\1"
"""Stands before the path of each file in a text, for the folder that it is relative to. In JSON
nothing else contains it: control characters are escaped."""
_FOLDER = FOLDER.encode()
_FILES = """
SELECT job_id, '[' || group_concat(printf('{"path":"%s%s,"size":%d,"sha256":%s}',
    char(1), substr(json_quote(path), 2), size, json_quote(sha256))) || ']'
FROM (SELECT * FROM files WHERE missing = '' AND :which ORDER BY job_id, path) GROUP BY job_id"""
_NOTE = """
SELECT json_quote(COALESCE((SELECT note FROM annotations WHERE job_id = ?), ''))"""
_STOPS = """COALESCE((SELECT json_extract(value, '$.enabled') AND
    json_extract(value, '$.stop_running') FROM facts WHERE name = 'spending'), 0)"""
_ENDED = "status IN ('completed', 'failed', 'cancelled')"
_NAMES = _members(
    _text("job_id"),
    ("job_type", "'\"cloud\"'"),
    ("provider", "'\"replicate\"'"),
    *map(_text, ("status", "name", "config_name")),
)
_MARKS = _members(
    ("pinned", _boolean("pinned")), ("tags", "tags"), ("has_note", _boolean("note IS NOT NULL"))
)
_NO_MARKS = '"pinned":false,"tags":[],"has_note":false'
_WRITTEN = f"""
SELECT job_id, {_MARKS} FROM annotations WHERE :which"""  # noqa: S608  built from constants
_REST = _members(
    *map(_iso, ("created_at", "queued_at", "started_at", "completed_at")),
    ("duration_seconds", _millionth("(COALESCE(completed_at, ?1) - started_at)")),
    ("cost_usd", _millionth("cost_micros")),
    ("cost_is_upper_bound", _boolean(f"provider_status = '{LOST}'")),
    ("cost_at_least_usd", _NULL),
    ("estimated_cost", _millionth("estimate_micros")),
    ("hardware_type", "json_quote(hardware)"),
    ("error_message", _text_or_null("error")),
    ("output_url", _text_or_null("output_url")),
    ("is_terminal", _boolean(_ENDED)),
    ("is_active", _boolean(f"NOT {_ENDED}")),
    ("unheard_since", _NULL),
    ("unheard_reason", _NULL),
    ("stop_running", _boolean(f"NOT {_ENDED} AND {_STOPS}")),
    ("progress", _PROGRESS),
    _kept("warnings", "[]", "[]"),
    ("metadata", _METADATA),
    _submit("delivered", "null"),
    _kept("diagnosis", "{}", "null"),
)
_JOBS = f"""
SELECT {_ENDED}, {_NAMES}, {_REST}, job_id, rate_micros, started_at FROM jobs WHERE :which
"""  # noqa: S608  built from constants
_WHOLE = '{%s,%s,%s%s,"files":%s}'
FORM = 1
"""Number of the text that these statements make; a test says when it has to be raised. A text that
was kept in another form is made anew."""
_KEPT = f"""
SELECT job_id, CASE WHEN form = {FORM} THEN CAST(text AS BLOB) END FROM jobs
LEFT JOIN job_texts USING (job_id) ORDER BY created_at DESC, job_id LIMIT ?
"""  # noqa: S608  built from constants
_MOST_NAMED = 500
"""Jobs that are asked for by their ids; of more, all are."""
_AT_ONCE = 32
"""Jobs in one piece of the text, some 50 kB: memory that is new to the process costs more time
than copying."""

_COLUMNS = f"""
SELECT {_ENDED}, job_id, name, trim(model_family || ' ' || model_flavour), status, stage, step,
    total_steps, CASE WHEN loss IS NULL AND instr(submit, '"not_finite"')
        AND json_extract(submit, '$.not_finite') LIKE '%"loss"%'
        THEN 'nan' ELSE COALESCE(loss_smoothed, loss) END, cost_micros, created_at,
    rate_micros, started_at, provider_status = '{LOST}' FROM jobs
"""  # noqa: S608  built from constants
CONTACTS: tuple[str, tuple[()]] = (
    "SELECT name, value, at FROM facts WHERE name IN ('unheard', 'spending', 'spending:sandbox')",
    (),
)
_SILENT_AFTER = 90_000_000
"""`tui.store.lost_contact.SILENT_AFTER` in microseconds, and its facts above. A test compares."""


def _order(limit: int) -> str:
    """The newest ones, where not all are read. To sort rows is faster than looking each up."""
    return "" if limit < 0 else " ORDER BY created_at DESC, job_id LIMIT ?"


def jobs_json(database: str, outputs: str, limit: int = -1) -> tuple[Iterator[bytes], bool] | None:
    """Return the list of jobs, newest first, as JSON text in UTF-8.

    Args:
        database: the store's file.
        outputs: the folder that the files' paths are relative to.
        limit: most jobs; -1 for all.

    Returns:
        The pieces of the text and whether a job in it is active; None when the database is missing,
        unreadable or of another version, so that the caller uses the full reader.
    """
    ask = open_quickly(database)
    if ask is None:
        return None
    try:
        ask("BEGIN")  # all that is read is of one moment
        return _list(ask, outputs, limit)
    except QuickError:
        return None
    finally:
        ask.close()


def _list(ask: Ask, outputs: str, limit: int) -> tuple[Iterator[bytes], bool]:
    found = ask(_KEPT, (limit,))
    folder = _inside(ask, outputs)
    missing = [job_id for job_id, text in found if text is None]
    active = False
    if missing:
        few = missing if len(missing) <= _MOST_NAMED else None
        made = job_texts(ask, few, folder)
        active = not all(made[job_id][0] for job_id in missing)
        found = [(one, made[one][1].encode() if text is None else text) for one, text in found]
    return _pieces([text for _, text in found], folder.encode()), active


def _pieces(texts: list[bytes], folder: bytes) -> Iterator[bytes]:
    if not texts:
        yield b"[]\n"
        return
    before = b"[\n"
    for first in range(0, len(texts), _AT_ONCE):
        piece = b",\n".join(texts[first : first + _AT_ONCE])
        yield before + piece.replace(_FOLDER, folder)
        before = b",\n"
    yield b"\n]\n"


def job_texts(
    ask: Ask,
    job_ids: Sequence[str] | None,
    folder: str = FOLDER,
    note: str = "",
) -> dict[str, tuple[bool, str]]:
    """Return whether each job has ended, and its JSON text, by its id.

    Args:
        ask: runs a statement on the store.
        job_ids: of which jobs; None for all.
        folder: what stands before the path of each file, as in JSON.
        note: the member of the note; empty for none.
    """
    which = "1" if job_ids is None else f"job_id IN ({','.join('?' * len(job_ids))})"
    values = () if job_ids is None else tuple(job_ids)
    files = dict(ask(_FILES.replace(":which", which), values))
    written = dict(ask(_WRITTEN.replace(":which", which), values))
    rows = ask(_JOBS.replace(":which", which), (time.time_ns() // 1000, *values))
    contacts = None
    if not all(row[0] for row in rows):  # else nothing has to be heard of, as without an engine
        contacts = contacts_of(ask(*CONTACTS))
    texts = {}
    for ended, names, rest, job_id, rate, started in rows:
        marks, kept = written.get(job_id, _NO_MARKS), files.get(job_id, "[]")
        text = _WHOLE % (names, marks, rest, note, kept.replace(FOLDER, folder))
        if contacts is not None and not ended:
            text = _as_heard(text, contacts, (job_id, rate, started))
        texts[job_id] = bool(ended), text
    return texts


def _inside(ask: Ask, folder: str) -> str:
    """A folder as the beginning of a JSON text."""
    return str(ask("SELECT json_quote(? || '/')", (folder,))[0][0][1:-1])


def job_json(database: str, outputs: str, job_id: str) -> tuple[str, bool] | None:
    """Return one job as a line of JSON text, and whether it is active; None as in `jobs_json`.

    Args:
        database: the store's file.
        outputs: the folder that the files' paths are relative to.
        job_id: the whole id. For any other name of a job the answer is None.
    """
    ask = open_quickly(database)
    if ask is None:
        return None
    try:
        ask("BEGIN")
        note = f',"note":{ask(_NOTE, (job_id,))[0][0]}'
        found = job_texts(ask, [job_id], _inside(ask, outputs), note)
        if job_id not in found:
            return None
    except QuickError:
        return None
    finally:
        ask.close()
    ended, text = found[job_id]
    return f"{text}\n", not ended


def job_rows(database: str, limit: int = -1) -> tuple[list[tuple[Any, ...]], bool] | None:
    """Return the columns of `jobs`, newest job first.

    Returns:
        Rows of id, name, model, status, stage, step, steps in all, loss, microseconds since 1970,
        the cost as shown and the contact that was lost, and whether a job is active; None as in
        `jobs_json`.
    """
    found = query(database, (_COLUMNS + _order(limit), () if limit < 0 else (limit,)), CONTACTS)
    if found is None:
        return None
    found[0].sort(key=lambda row: (-row[10], row[1]))
    over = all(row[0] for row in found[0])
    contacts, rows = None if over else contacts_of(found[1]), []
    for ended, *shown, cost, created, rate, started, lost in found[0]:
        contact = least = None
        if contacts is not None and not ended:
            contact, least = _contact(contacts, _Seen(shown[0], shown[3], rate, started))
        bounded = least if cost is None else (cost, "at most" if lost else "")
        rows.append((*shown, created, bounded, contact))
    return rows, not over


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


def _as_heard(text: str, contacts: Contacts, job: tuple[str, int, int | None]) -> str:
    """An active job's JSON text, with what is known of it if it is not heard of."""
    import json

    from tui.store.job_json import unheard_json

    data = json.loads(text)
    contact, cost = _contact(contacts, _Seen(job[0], data["status"], *job[1:]))
    if contact is None:
        return text
    whole = unheard_json(data, contact, cost)
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
