"""The config of a draft as its file has it, or as it ran: both are on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.errors import ConfigError
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.new_job.submission import DraftSubmission


async def read_config(context: AppContext, flow: DraftSubmission) -> TrainingConfig | None:
    """Returns the config of a draft without the draft's changes; None after saying why not."""
    try:
        if job_id := str(flow.draft.get("rerun_of") or ""):
            return _as_it_ran(context, job_id)
        return await asyncio.to_thread(_load, flow, context.settings.cloud.config_roots)
    except ConfigError as error:
        context.tell(f"{error.message}.", error.advice, "error")
    except StoreError as error:
        context.tell(str(error), level="error")
    return None


def _load(flow: DraftSubmission, roots: tuple[str, ...]) -> TrainingConfig:
    from tui.simpletuner.config.load import load_config

    draft = flow.draft
    found = ((flow.answer or {}).get("config") or {}).get("path") if not flow.checking else None
    folders = [Path(str(draft.get("cwd") or ".")), *(Path(root).expanduser() for root in roots)]
    return load_config(Path(str(found or draft.get("config") or "")), roots=folders)


def _as_it_ran(context: AppContext, job_id: str) -> TrainingConfig | None:
    from tui.simpletuner.config.load import path_bases

    job = context.reader.job(job_id)
    if job is None:
        context.tell("The job that is to run again is not on the list any more.", level="error")
        return None
    entries = list(job.dataloader)
    return TrainingConfig(
        name=job.config_name,
        path=Path(job.config_path),
        values=dict(job.config),
        datasets=read_entries(entries, path_bases(Path(job.config_path))),
        dataloader=tuple(entries),
    )
