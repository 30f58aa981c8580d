"""The list of the artifacts: jobs, their checkpoints and files, and where each is published."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from rich.cells import cell_len
from textual.message import Message

from tui.app.publishing.state import PublishingState
from tui.app.publishing.text import apart, checkpoint_name, day, loss_words, unfetched, weights
from tui.app.shell.jobs_model import JobsModel
from tui.app.terminal.text_lines import fit, length, linked, plain
from tui.app.terminal.theme import Palette
from tui.app.widgets.entry_list import padded
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.store.records import shared_folder

_SIZE: Final = 9
WITH_RESULTS: Final = "results>0"
"""The filter of the jobs that are listed here."""
Key = tuple[str, str]
"""A job's id, with a checkpoint's name below it, or none for the job itself."""


class ArtifactList(VirtualList):
    """Lists jobs with results; what is unfolded stays so while the list changes.

    Attributes:
        lines: the lines that are shown.
        opened: the keys of the lines that are unfolded.
    """

    HEADER: ClassVar = 1
    SIGNED: ClassVar = False  # ▸ says that a line can be unfolded

    class Folded(Message):
        """The list has other lines than before: the user has shown or hidden some."""

    def __init__(self, model: JobsModel, state: PublishingState) -> None:
        super().__init__(id="artifacts")
        self.model = model
        self.state = state
        self.opened: set[Key] = set()
        self.lines: Sequence[Row] = ()

    # -- lines --------------------------------------------------------------------------------

    def reload(self) -> None:
        """Makes the lines anew; the cursor stays on its line, else on the line's job."""
        before = self.row
        self.lines = lines_of(
            self.model.ids, self.opened, self.state.artifacts, self.state.problems
        )
        place = self._place_of(before)
        self.move_to(self.index if place is None else place, tell=False)
        self.refresh()

    def _place_of(self, before: Row | None) -> int | None:
        if before is None:
            return None
        same = [at for at, row in enumerate(self.lines) if row.job_id == before.job_id]
        for at in same:
            if self.lines[at].key == before.key:
                return at
        return same[0] if same else None

    def unfold(self, row: Row, is_open: bool | None = None) -> None:
        """Shows or hides what is below a line; asks for a job's files the first time."""
        key: Key = (row.job_id, "" if row.kind == "job" else checkpoint_name(row.step))
        wanted = not row.open if is_open is None else is_open
        if wanted:
            self.opened.add(key)
            if row.kind == "job":
                self.state.look_at(row.job_id)
        else:
            self.opened.discard(key)
        self.reload()
        self.post_message(self.Folded())

    def go_up(self) -> bool:
        """Goes to the line that this one belongs to; returns False on a job."""
        row = self.row
        if row is None or not row.depth:
            return False
        for at in range(self.index - 1, -1, -1):
            if self.lines[at].depth < row.depth:
                self.move_to(at)
                return True
        return False

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.lines)

    @property
    def row(self) -> Row | None:
        """The line under the cursor."""
        return self.lines[self.index] if 0 <= self.index < self.count else None

    @property
    def shows_cursor(self) -> bool:
        """Whether the list has the keys."""
        return self.has_focus

    def empty_lines(self) -> list[str]:
        """Returns a message about how to get files."""
        if self.model.filter.text.strip() != WITH_RESULTS:
            return ["No job with files matches.", "", "esc clears the filter."]
        return [
            "No files collected yet.",
            "",
            "Finished jobs deliver them here; on the Jobs screen (2), f fetches a job's files.",
        ]

    # -- drawing ------------------------------------------------------------------------------

    def _columns(self, width: int) -> tuple[int, int, int]:
        """Returns the cells of the columns name, what, and published."""
        what, places = (26, 30) if width >= 110 else (19, 15) if width >= 72 else (16, 8)
        return max(12, width - what - places - _SIZE - 4), what, places

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Returns the headings."""
        name, what, places = self._columns(width)
        words = f"{fit('   JOB, CHECKPOINT, FILE', name)}  {fit('WHAT', what)}{'SIZE':>{_SIZE}}"
        return [(f"{words}  {fit('PUBLISHED', places)}", colors.dim)]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns a line."""
        row = self.lines[index]
        here = index == self.index and self.has_focus
        strong = colors.strong if here else colors.base
        if row.kind in ("note", "missing"):
            return self._aside(row, width, colors, here=here)
        name, what, places = self._columns(width)
        mark = " " if row.kind == "file" else "▾" if row.open else "▸"
        lead = f"{' ' * (2 * row.depth)} {mark} "
        words, tone, size = self._facts(row)
        title = self._title(row)
        if row.kind == "file" and cell_len(title) > name - len(lead):
            title = _middle(title, name - len(lead))
        pieces: list[Piece] = [
            (lead, colors.accent if here else colors.dim),
            (fit(title, name - len(lead)), strong if row.kind != "file" else colors.base),
            (f"  {fit(words, what)}", getattr(colors, tone)),
            (f"{formatting.size(size):>{_SIZE}}  ", colors.base),
        ]
        return padded([*pieces, *self._places(row, places, colors)], width, colors)

    def _aside(self, row: Row, width: int, colors: Palette, *, here: bool) -> list[Piece]:
        """Returns a line that is not a file: something missing, or a note."""
        item, lead = row.item or {}, " " * (2 * row.depth)
        if row.kind == "note":
            return padded([(fit(f"{lead}   {item.get('text', '')}", width), colors.dim)],
                          width, colors)  # fmt: skip
        glyph, words, tone = unfetched(item, self.state.context.clock())
        name = plain(str(item["name"]))
        room = max(12, (width - len(lead) - 6) // 2)
        name = _middle(name, room) if cell_len(name) > room else name
        left = width - len(lead) - cell_len(name) - 5
        pieces: list[Piece] = [
            (f"{lead} {glyph} ", getattr(colors, tone)),
            (name, colors.strong if here else colors.base),
            (f"  {fit(plain(words), left)}", getattr(colors, tone)),
        ]
        return padded(pieces, width, colors)

    def _title(self, row: Row) -> str:
        if row.kind == "job":
            job = self.model.row(self._job_index(row))
            return job.name if job else "(removed)"
        return row.name

    def _job_index(self, row: Row) -> int:
        place = self.model.position(row.job_id)
        return -1 if place is None else place

    def _facts(self, row: Row) -> tuple[str, str, int]:
        """Returns what the line is, the tone of that, and the bytes."""
        if row.kind == "job":
            job = self.model.row(self._job_index(row))
            files, size = (job.file_count, job.file_bytes) if job else (0, 0)
            away = len((self.state.artifacts.get(row.job_id) or {}).get("unfetched") or ())
            if away:
                return f"{formatting.plural(files, 'file')}, {away} not here", "warn", size
            at = job.completed_at if job else None
            when = f" · {day(at)}" if at else ""
            return f"{formatting.plural(files, 'file')}{when}", "dim", size
        item = row.item or {}
        if row.kind == "checkpoint":
            return loss_words(item), "good" if item.get("best") else "dim", int(item["size"])
        if not item.get("here"):
            return "not here", "warn", int(item["size"])
        words, tone = weights(item.get("weights"))
        return words, "dim" if tone == "base" else tone, int(item["size"])

    def _places(self, row: Row, width: int, colors: Palette) -> list[Piece]:
        """Returns where all of it is published, with links; of parts, how many files."""
        if row.kind == "job":
            job = self.model.row(self._job_index(row))
            total = job.file_count if job else 0
            counts = self.state.published_counts(row.job_id)
            spots = [(target, number, total, "") for target, number in counts.items()]
        elif row.kind == "checkpoint":
            spots = self._of_checkpoint(row)
        else:
            published = (row.item or {}).get("published") or []
            latest = {str(copy["target"]): str(copy["link"]) for copy in published}
            spots = [(target, 1, 1, link) for target, link in latest.items()]
        if not spots:
            return [(fit("—", width), colors.dim)]
        names = apart([target for target, _, _, _ in spots], self.state.destinations)
        words = [
            plain(name) + (f" {some}/{total}" if some < total else "")
            for name, (_, some, total, _) in zip(names, spots, strict=True)
        ]
        pieces: list[Piece] = [("✓ ", colors.good)]
        shown = _how_many(words, width - 2)
        for number in range(shown):
            more = 4 if shown < len(words) else 0
            room = width - length(pieces) - (2 if number else 0) - more
            if number:
                pieces.append((", ", colors.dim))
            text = words[number] if cell_len(words[number]) <= room else fit(words[number], room)
            pieces.append((text, linked(colors.base, spots[number][3])))
        if shown < len(words):
            pieces.append((f" +{len(words) - shown}", colors.dim))
        return pieces

    def _of_checkpoint(self, row: Row) -> list[tuple[str, int, int, str]]:
        files = (self.state.artifacts.get(row.job_id) or {}).get("files") or []
        mine = [file for file in files if file.get("checkpoint") == row.step]
        counts: dict[str, int] = {}
        for file in mine:
            for target in dict.fromkeys(str(one["target"]) for one in file.get("published") or ()):
                counts[target] = counts.get(target, 0) + 1
        return [(target, some, len(mine), "") for target, some in counts.items()]


def _middle(text: str, width: int) -> str:
    """Shortens a long name in the middle; its end tells the kind of file."""
    tail = min(14, width // 2)
    return f"{text[: width - tail - 1]}…{text[-tail:]}" if width > 4 else fit(text, width)


def _how_many(words: Sequence[str], width: int) -> int:
    """Returns how many places can be named beside the number of the others; at least one."""
    for count in range(len(words), 1, -1):
        more = len(f" +{len(words) - count}") if count < len(words) else 0
        if cell_len(", ".join(words[:count])) + more <= width:
            return count
    return 1


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list.

    Attributes:
        kind: `job`, `checkpoint`, `file`, `missing` for what is not here, or `note` for words.
        depth: the level of indentation.
        step: of a checkpoint or its files; None for files of no checkpoint.
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
        """Identifies what the line is about, wherever it stands."""
        name = str(self.item.get("name", "")) if self.item else ""
        step = str(self.step) if self.kind in ("checkpoint", "file") else ""
        return (self.kind, self.job_id, step, name)

    @property
    def name(self) -> str:
        """The name of the file or of the checkpoint."""
        if self.kind == "file":
            return self.label
        weights = bool(self.item.get("weights", True)) if self.item else True
        return checkpoint_name(self.step, weights=weights)


def lines_of(
    ids: Sequence[str],
    opened: Collection[Key],
    artifacts: Mapping[str, Mapping[str, Any]],
    problems: Mapping[str, str],
) -> list[Row]:
    """Returns all lines: each job, and below those that are unfolded what they have.

    Args:
        ids: jobs in their order.
        opened: the keys of the lines that are unfolded.
        artifacts: the engine's answer by job; missing while it is being asked.
        problems: why it could not say it.
    """
    lines: list[Row] = []
    for job_id in ids:
        is_open = (job_id, "") in opened
        lines.append(Row("job", job_id, open=is_open))
        if not is_open:
            continue
        known = artifacts.get(job_id)
        if known is None:
            text = problems.get(job_id) or "looking at the files…"
            lines.append(Row("note", job_id, 1, item={"text": text}))
        else:
            lines += _below(job_id, known, opened)
    return lines


def _below(job_id: str, known: Mapping[str, Any], opened: Collection[Key]) -> list[Row]:
    checkpoints, files = known.get("checkpoints") or [], known.get("files") or []
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
    for one in known.get("unfetched") or ():
        lines.append(Row("missing", job_id, 1, item=one))
    return lines or [Row("note", job_id, 1, item={"text": "nothing is here"})]


def _label(file: Mapping[str, Any], shared: str) -> str:
    """Returns a file's name without the folder of its checkpoint."""
    name = str(file["name"]).removeprefix(shared)
    return name if file.get("checkpoint") is None else name.rpartition("/")[2]


def files_of(row: Row, known: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Returns the files that a line is about."""
    files = list((known or {}).get("files") or [])
    if row.kind == "file" and row.item is not None:
        return [row.item]
    if row.kind == "checkpoint":
        return [file for file in files if file.get("checkpoint") == row.step]
    return files
