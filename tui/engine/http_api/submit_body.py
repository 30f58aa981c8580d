"""A submit as SimpleTuner's own clients send it, turned into a draft of ours."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.engine.submission.confinement import Confinement
from tui.settings import Home, write_atomically

_FOLDER: Final = "submitted"
_OURS: Final = (
    "data", "staging", "keep_staged", "leave_out_uncaptioned", "delivery", "accept_data",
    "accept_delivery", "fix_delivery", "trainer_release",
)  # fmt: skip
"""Fields of a draft that a SimpleTuner body may have as well: its own form has no such choice."""
_NAMES: Final = frozenset(
    {
        "config_name_to_load", "dataloader_config", "config_name", "webhook_url", "snapshot_name",
        "snapshot_message", "tracker_run_name", "upload_id", "hardware_profile",
    }
)  # fmt: skip


def is_simpletuner_body(body: Mapping[str, Any]) -> bool:
    """Whether a submit has SimpleTuner's form: it names a config to load, or holds a whole one."""
    return "config" not in body or isinstance(body["config"], dict) or bool(_NAMES & body.keys())


def draft_of(body: Mapping[str, Any], home: Home, places: Confinement | None = None) -> JsonObject:
    """The draft that a SimpleTuner body means. Blocking.

    A config that came inside the body is kept as files, as if it had been in a config folder; so
    the job can be made again from it. `consent` is our addition: this API enforces it.
    The fields of `_OURS` are additions, too.

    Args:
        body: the request.
        home: the state folder.
        places: the files that are open to the caller; None for all.

    Raises:
        RefusedError: there is no config in it, a field is of the wrong kind, or a path leads to
            where the caller may not have files read.
        ConfigError: the config cannot be read.
    """
    config = body.get("config")
    path = body.get("config_name_to_load") or None
    if config:
        path = str(_keep(config, body.get("dataloader_config"), home, places))
    elif path and places is not None:
        path = str(places.config_file(path))
    if not path:
        raise RefusedError("No configuration provided.", "Send config_name_to_load or config.")
    draft: JsonObject = {"config": path, "consent": body.get("consent") is True}
    wanted = {
        "name": body.get("tracker_run_name") or body.get("config_name"),
        "hardware": body.get("hardware_profile"),
        "idempotency_key": body.get("idempotency_key"),
        **{name: body.get(name) for name in _OURS},
    }
    return draft | {key: value for key, value in wanted.items() if value}


def _keep(
    config: JsonObject, dataloader: list[Any] | None, home: Home, places: Confinement | None
) -> Path:
    text = json.dumps([config, dataloader], sort_keys=True)
    folder = home.root / _FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]
    is_new = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if dataloader is not None:
        data = folder / "multidatabackend.json"
        write_atomically(data, json.dumps(dataloader, indent=2))
        plain = {name: value for name, value in config.items() if not _names_dataloader(name)}
        config = {**plain, "data_backend_config": str(data)}
    path = folder / "config.json"
    write_atomically(path, json.dumps(config, indent=2))
    try:
        if places is not None:
            places.admit_content(path)
    except Exception:
        if is_new:  # what is refused leaves nothing behind
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return path


def _names_dataloader(name: str) -> bool:
    return name.lstrip("-") == "data_backend_config"
