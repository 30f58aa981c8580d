"""Artifacts as lines: jobs, their checkpoints, their files. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tui.app.publishing.text import checkpoint_name
from tui.store.records import shared_folder

Key = tuple[str, str]
"""A job's id, with a checkpoint's name below it, or none for the job itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        kind: `job`, `checkpoint`, `file`, `missing` for what is not here, or `note` for words.
        depth: how far it is indented.
        step: of a checkpoint or its files; None for the final result.
        item: the engine's row of a file, a checkpoint or what is missing, or `{text}` of a note.
        open: whether what is below it is shown.
        label: of a file: its name without the folders that all files of the job share.
    """

    kind: Literal["job", "checkpoint", "file", "missing", "note"]
    job_id: str
    depth: int = 0
    step: int | None = None
    item: Mapping[str, Any] | None = None
    open: bool = False
    label: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is, whatever line it stands on."""
        name = str(self.item.get("name", "")) if self.item else ""
        step = str(self.step) if self.kind in ("checkpoint", "file") else ""
        return (self.kind, self.job_id, step, name)

    @property
    def name(self) -> str:
        """A file's name, or the checkpoint's."""
        if self.kind == "file":
            return self.label
        return checkpoint_name(self.step)


def lines_of(
    ids: Sequence[str],
    opened: Collection[Key],
    artifacts: Mapping[str, Mapping[str, Any]],
    problems: Mapping[str, str],
) -> list[Row]:
    """All lines: every job, and below those that are open what they have.

    Args:
        ids: jobs in their order.
        opened: what is unfolded.
        artifacts: what the engine said of a job; missing while it is being asked.
        problems: why it could not say it.
    """
    lines: list[Row] = []
    for job_id in ids:
        is_open = (job_id, "") in opened
        lines.append(Row("job", job_id, open=is_open))
        if not is_open:
            continue
        found = artifacts.get(job_id)
        if found is None:
            text = problems.get(job_id) or "looking at the files…"
            lines.append(Row("note", job_id, 1, item={"text": text}))
        else:
            lines += _below(job_id, found, opened)
    return lines


def _below(job_id: str, found: Mapping[str, Any], opened: Collection[Key]) -> list[Row]:
    checkpoints, files = found.get("checkpoints") or [], found.get("files") or []
    lines: list[Row] = []
    shared = shared_folder([str(file["name"]) for file in files])
    if len(checkpoints) <= 1:
        lines += [
            Row("file", job_id, 1, file.get("checkpoint"), file,
                label=str(file["name"]).removeprefix(shared))
            for file in files
        ]  # fmt: skip
    else:
        for one in reversed(checkpoints):
            step = one["step"]
            is_open = (job_id, checkpoint_name(step)) in opened
            lines.append(Row("checkpoint", job_id, 1, step, one, is_open))
            if is_open:
                lines += [
                    Row("file", job_id, 2, step, file, label=_label(file, shared)) for file in files
                    if file.get("checkpoint") == step
                ]  # fmt: skip
    for one in found.get("unfetched") or ():
        lines.append(Row("missing", job_id, 1, item=one))
    return lines or [Row("note", job_id, 1, item={"text": "nothing is here"})]


def _label(file: Mapping[str, Any], shared: str) -> str:
    """A file below its checkpoint needs no folder of it."""
    name = str(file["name"]).removeprefix(shared)
    return name if file.get("checkpoint") is None else name.rpartition("/")[2]


def files_of(row: Row, found: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The files that a line is about."""
    files = list((found or {}).get("files") or [])
    if row.kind == "file" and row.item is not None:
        return [row.item]
    if row.kind == "checkpoint":
        return [file for file in files if file.get("checkpoint") == row.step]
    return files
