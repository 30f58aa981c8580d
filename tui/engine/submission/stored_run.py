"""An earlier job as a source: its config as it ran, and what of it is different today.

A config file, a folder and a trainer's version change after a job was sent. What the job ran with
is in its record, so the same run is built from the record and compared with today.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.base.json_types import JsonObject
from tui.engine.submission.draft import Draft
from tui.engine.submission.run_names import sent_settings
from tui.engine.tracking.redaction import redact_settings
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.load import path_bases
from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.config.values import as_text
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import RerunDifference, RerunPart

_CODED: Final = "data:application/json;base64,"
_OWN: Final = frozenset({"tracker_run_name", "publishing_config"})
"""Options that every job has for itself: its mark, and the address that its results go to."""
_LONGEST: Final = 80


def stored_config(job: JobRecord, roots: Sequence[Path] = ()) -> TrainingConfig:
    """Return the config that a job was made from, whatever its files say today.

    Args:
        job: a job with its config in its record. Credentials are not in it: they are never sent.
        roots: folders that relative paths of datasets are resolved against, after the project.
    """
    path = Path(job.config_path)
    values = dict(job.config)
    cwd = (job.submit.get("draft") or {}).get("cwd")
    roots = [*roots, Path(cwd)] if isinstance(cwd, str) and cwd else roots
    strategy = (as_text(values.get("caption_strategy")) or "filename").lower()
    return TrainingConfig(
        name=job.config_name,
        path=path,
        values=values,
        datasets=read_entries(job.dataloader, path_bases(path, roots), strategy),
        dataloader=tuple(job.dataloader),
        lycoris=_object(job.inputs.get("lycoris_config")),
    )


def config_differences(job: JobRecord, config: TrainingConfig) -> list[RerunDifference]:
    """Return how a config as read today differs from the one that a job ran with.

    Args:
        job: the job.
        config: today's config, with the job's own options applied.
    """
    now = redact_settings(dict(config.values))
    lycoris = _object(job.inputs.get("lycoris_config"))
    inlined = set() if lycoris is None else {"lycoris_config"}  # compared by what its file says
    found = [_changed("config", name, job.config.get(name), now.get(name))
             for name in sorted({*job.config, *now} - inlined)
             if _plain(job.config.get(name)) != _plain(now.get(name))]  # fmt: skip
    then_sets, now_sets = _by_id(job.dataloader), _by_id(redact_settings(config.dataloader))
    for name in sorted({*then_sets, *now_sets}):
        then, today = then_sets.get(name), now_sets.get(name)
        if then is None or today is None:
            found.append(_changed("dataset", name, _there(then), _there(today)))
            continue
        found += [_changed("dataset", f"{name}.{key}", then.get(key), today.get(key))
                  for key in sorted({*then, *today})
                  if _plain(then.get(key)) != _plain(today.get(key))]  # fmt: skip
    if lycoris is not None and _plain(lycoris) != _plain(config.lycoris):
        found.append(_changed("config", "lycoris_config", lycoris, config.lycoris))
    return found


def request_differences(job: JobRecord, values: Mapping[str, Any]) -> list[str]:
    """Return in words how the inputs of a request differ from those that a job was sent with.

    What every job has for itself is left out: its mark, the addresses of its archive and of its
    results, and the commits and keys of staged data (their content is compared elsewhere).
    """
    then, now = sent_settings(job.inputs), sent_settings(values)
    found = [
        _changed("config", name, then.get(name), now.get(name))["words"]
        for name in sorted({*then, *now} - _OWN)
        if _plain(then.get(name)) != _plain(now.get(name))
    ]
    if not job.submit.get("staging"):
        found += _dataloader_differences(job.inputs, values)
    others = {
        name
        for name in (*job.inputs, *values)
        if name not in ("config_json", "dataloader_json", "images")
        and not name.startswith(("s3_", "hf_token"))
    }
    found += [
        _changed("config", name, job.inputs.get(name), values.get(name))["words"]
        for name in sorted(others)
        if job.inputs.get(name) != values.get(name)
    ]
    return list(dict.fromkeys(found))  # an option can be an input besides


def _dataloader_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before, after = _decoded(then.get("dataloader_json")), _decoded(now.get("dataloader_json"))
    return [] if before == after else ["the dataloader is written in another way"]


def _changed(what: RerunPart, name: str, then: Any, now: Any) -> RerunDifference:
    before, after = _text(then), _text(now)
    words = f"{name} {before or 'not set'} → {after or 'not set'}"
    return {"what": what, "name": name, "then": before, "now": after, "words": words}


def _there(entry: Any) -> str | None:
    return None if entry is None else "in the dataloader"


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(value: Any) -> Any:
    """A value as the store keeps it, so that a tuple equals a list."""
    return json.loads(json.dumps(value, default=str))


def _by_id(entries: Sequence[Any]) -> dict[str, JsonObject]:
    return {
        str(entry.get("id") or f"dataset-{number}"): dict(entry)
        for number, entry in enumerate(entries, start=1)
        if isinstance(entry, Mapping)
    }


def _decoded(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        if text.startswith(_CODED):
            text = base64.b64decode(text.removeprefix(_CODED), validate=True).decode()
        return json.loads(text)
    except ValueError:
        return text


def _object(text: Any) -> Mapping[str, Any] | None:
    value = _decoded(text)
    return value if isinstance(value, dict) else None


def staged_key(job: JobRecord | None) -> str:
    """The record of the staged data that a job read; "" for none."""
    return str(((job.submit.get("staging") or {}) if job else {}).get("key") or "")


def same_request(job: JobRecord, values: Mapping[str, Any], draft: Draft) -> Check:
    """The finding whether a request is the one that an earlier job was sent with."""
    found = request_differences(job, values)
    if not found:
        return Check("rerun-request", "ok", f"the same settings as {job.name} ({job.job_id})")
    before = job.submit.get("draft") or {}
    unset = before.get("unset")
    asked = draft.overrides.given() != before.get("overrides", {}) or list(draft.unset) != (
        unset if isinstance(unset, list) else []
    )
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    words = "; ".join(found[:_MOST_NAMED])
    return Check(
        "rerun-request", "ok" if asked else "warn",
        f"other settings than {job.name}: {words}{more}",
        "" if asked else "This version of the program or of the trainer asks for it.",
    )  # fmt: skip


_MOST_NAMED: Final = 3
