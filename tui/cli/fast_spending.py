"""`spending` from the database, with few imports; the sums are those of the engine."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from tui.engine.spending.rules import Limit
from tui.engine.spending.summary import MAX_DAYS, begin_of, borders_of, standing, summary
from tui.store.billing import read_counted, read_lost
from tui.store.quick_reader import QuickError, open_quickly

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.api.spending import SpendingSummary
    from tui.store.lost_contact import Contacts
    from tui.store.quick_reader import QuickReader

REPLICATE = "https://api.replicate.com/v1"
"""`tui.settings.values.DEFAULT_API_BASE`; with it and `NO_LIMIT`, what an empty file means."""
NO_LIMIT = Limit(amount_micros=50_000_000)
_DEFAULT_DAYS = 30


def spending_text(
    arguments: Sequence[str], root: str, settings: str | None
) -> tuple[str, str, bool] | None:
    """What the command prints, what it says beside that, and whether a job counts that is active.

    The answer is that of an engine that answers: without one, no active job is heard of.

    None for other command lines and unusual states.

    Args:
        arguments: the command line.
        root: the state folder.
        settings: text of the settings file.
    """
    as_json = "--json" in arguments
    days = _days([word for word in arguments[1:] if word != "--json"])
    if days is None or settings is None or (as_json and sys.stdout.isatty()):
        return None
    if (meant := _limit(settings)) is None:
        return None
    if (query := open_quickly(f"{root}/state.db")) is None:
        return None
    try:
        answer = _answer(query, *meant, days)
    except QuickError:
        return None
    finally:
        query.close()
    active = bool(answer["active_jobs"])
    if as_json:
        from tui.base.json_text import json_text

        return f"{json_text(answer)}\n", "", active
    from tui.cli.spending_page import spending_lines

    text = "".join(f"{line}\n" for line in spending_lines(answer))
    return text, f"What Replicate billed: {answer['billing_page']}", active


def _answer(
    query: QuickReader, api_base: str, limit: Limit, stop_running: bool, days: int
) -> SpendingSummary:
    sandbox, now = _is_sandbox(api_base), datetime.now(UTC)
    first, since = begin_of(days, now, None)
    borders = borders_of(days, now, None)

    def is_wanted(base: str) -> bool:
        return _is_sandbox(base) is sandbox

    jobs = read_counted(query, since, is_wanted, borders)
    if any(job.is_active for job in jobs) and (marked := _contacts(query)) is not None:
        jobs = read_counted(query, since, is_wanted, borders, marked)
    lost = read_lost(query, first, is_wanted)
    return summary(standing(limit, jobs, now, stop_running=stop_running), jobs, lost, days, now=now)


def _contacts(query: QuickReader) -> Contacts | None:
    """Which jobs the engine has noted as not heard of; None for no job."""
    from tui.store.job_json_query import CONTACTS

    noted = next((value for name, value, _ in query(*CONTACTS) if name == "unheard"), "{}")
    if noted in ("{}", "null"):
        return None
    import json

    from tui.store.lost_contact import Contacts, read_unheard

    return Contacts(read_unheard(json.loads(noted)))


def _is_sandbox(base: str) -> bool:
    if base == REPLICATE:
        return False
    from tui.base.hosts import is_loopback

    return is_loopback(base)


def _limit(text: str) -> tuple[str, Limit, bool] | None:
    """The API, the limit and whether it stops jobs; None where the settings have a problem."""
    if not text.strip() and not os.environ.get("SIMPLETUNER_TUI_API_BASE", "").strip():
        return REPLICATE, NO_LIMIT, False
    from tui.engine.spending.rules import limit_of
    from tui.settings.errors import SettingsError
    from tui.settings.reading import settings_of, with_environment

    try:
        settings = with_environment(settings_of(text, "settings.toml"), os.environ)
    except SettingsError:
        return None
    if settings.problems:
        return None
    limit = settings.spending
    return settings.cloud.api_base, limit_of(limit), limit.stop_running


def _days(words: Sequence[str]) -> int | None:
    """The number after `--days`, 30 without one, None for any other words."""
    if not words:
        return _DEFAULT_DAYS
    if len(words) == 2 and words[0] == "--days" and words[1].isascii() and words[1].isdecimal():
        days = int(words[1][:4])
        return days if 1 <= days <= MAX_DAYS and len(words[1]) < 4 else None
    return None
