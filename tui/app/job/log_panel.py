"""The Log tab: the log view, its title, its prompts, and other programs that read the log."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Vertical
from textual.css.query import NoMatches

from tui.app.job.tab_bar import TabStatus
from tui.app.log.filter import step_of
from tui.app.log.view import LogView
from tui.app.terminal.handover import lend, pager_command, pipe
from tui.app.terminal.text_lines import plain
from tui.app.widgets.input_line import PromptLine
from tui.base.formatting import plural, size
from tui.base.new_files import create

if TYPE_CHECKING:
    from tui.app.context import AppContext

_AT_ONCE: Final = 1_000
"""Lines that are read together."""


class LogPanel(Vertical):
    """Shows a job's log; searches, saves and pipes it.

    Args:
        path: the log file.
        name_hint: the name of a saved copy, without its suffix.
    """

    def __init__(self, path: Path, name_hint: str) -> None:
        super().__init__()
        self.path = path
        self.view = LogView(path)
        self._name = name_hint
        self._piped_to = "less -R"

    def compose(self) -> ComposeResult:
        """Yields the view; a prompt is mounted when it is needed."""
        yield self.view

    def on_mount(self) -> None:
        """Shows the title from the first frame on."""
        self.refresh_title()

    def focus_content(self) -> None:
        """Gives the keys to the view, at once: more of them may have been typed already."""
        self.screen.set_focus(self.view)

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    # -- title --------------------------------------------------------------------------------

    @on(LogView.Changed)
    def refresh_title(self) -> None:
        """Shows position, following, filter and hits; on a narrow screen the last stays longest."""
        view = self.view
        document, window = view.document, view.window
        special: list[str] = []
        if document.between is not None and view.steps is not None:
            first, last = view.steps
            special.append(f"steps {first:,}–{last:,}")
        if document.shown != "all" or document.only_hits:
            special.append("only hits" if document.only_hits else f"show: {document.shown}")
        if window.anchor is not None:
            special.append(f"{plural(len(window.selected()), 'line')} selected")
        if document.query is not None:
            special.append(self._hits())
        if window.follow:
            state = "following"
        else:
            new = f" · {plural(view.unseen, 'new line')}" if view.unseen else ""
            state = f"paused{new}{'' if special else ' · G follows'}"
        self.post_message(TabStatus(self, [*self._place(), state, *special]))

    def _place(self) -> list[str]:
        log, window = self.view.document.log, self.view.window
        if not window.rows():
            return []
        number, total = log.row_of(window.cursor), log.line_count
        if number is None or total is None:
            return [size(log.size)]
        return [f"line {number + 1:,} of {total:,}"]

    def _hits(self) -> str:
        view = self.view
        document = view.document
        text = document.query.text if document.query else ""
        if view.busy == "hits":
            return f"/{text} …"
        if document.gave_up is not None:
            return f"/{text}: takes too long"
        if not document.hits or document.search is None:
            return f"/{text}: nothing found"
        here = document.search.ordinal(view.window.span[1])
        return f"/{text} {f'{here:,} of ' if here is not None else ''}{document.hits:,}"

    # -- the step of the page -----------------------------------------------------------------

    def step_now(self) -> int | None:
        """Returns the training step at the cursor; None while the newest lines are followed."""
        window = self.view.window
        line = None if window.follow else self.view.document.lines.at(window.cursor)
        return None if line is None else step_of(line.raw)

    def show_step(self, step: int, *, asked: bool) -> None:
        """Goes to the line about a step; not while a running job is followed, unless asked."""
        if asked or not (self.view.window.follow and self.view.is_live):
            self.view.go_to_step(step)

    def zoomed(self, steps: tuple[int, int] | None) -> None:
        """Takes the steps that the charts are zoomed to, which `&` shows alone."""
        if steps != self.view.steps:
            if self.view.document.between is not None:  # of another zoom
                self.view.do_only()
            self.view.steps = steps

    # -- prompts ------------------------------------------------------------------------------

    @on(LogView.Wanted)
    async def _wanted(self, event: LogView.Wanted) -> None:
        what = event.what
        query, given_up = self.view.document.query, self.view.document.gave_up
        if what == "search":
            value, regex = (query.text, query.regex) if query else ("", False)
            await self._ask(PromptLine("search", "/", value, regex=regex))
        elif what == "step":
            await self._ask(PromptLine("step", "Go to step"))
        elif what == "save":
            await self._ask(PromptLine("save", "Save a copy as", f"~/{self._name}.log"))
        elif what == "pipe":
            await self._ask(PromptLine("pipe", "Pipe what is shown to", self._piped_to))
        elif what == "pager":
            self._open_pager()
        elif what == "copy":
            self._copy()
        elif what == "no hit" and query is None:
            self.context.tell("Search for something first (/).")
        elif what == "no hit":
            self.context.tell(f"No hits for “{plain(query.text if query else '')}”.")
        elif what == "gave up" and given_up is not None:
            self.context.tell(given_up.message, given_up.advice, "warning")
        elif what in ("from the top", "from the end"):
            self.context.tell(f"The search went on {what}.")
        elif what == "no step":
            self.context.tell("The log has no line about that step or a later one.")

    async def _ask(self, prompt: PromptLine) -> None:
        await self.query(PromptLine).remove()
        await self.mount(prompt)

    @on(PromptLine.Answered)
    async def _answered(self, event: PromptLine.Answered) -> None:
        event.stop()
        problem = self._act(event)
        if problem:
            self.context.tell(problem, level="warning")
            return
        await self.query(PromptLine).remove()
        self.view.focus()

    def _act(self, event: PromptLine.Answered) -> str:
        """Carries out an answer; returns what is wrong with it, else an empty text."""
        value = event.value.strip()
        if event.purpose == "search":
            return self.view.look_for(event.value, regex=event.regex)
        if event.purpose == "step" and value:
            if not value.replace(",", "").isdigit():
                return "A step is a whole number."
            self.view.go_to_step(int(value.replace(",", "")))
        elif event.purpose == "save" and value:
            self.run_worker(self._save(Path(value).expanduser()), group="log-save")
        elif event.purpose == "pipe" and value:
            self._pipe(value)
        return ""

    @property
    def prompting(self) -> bool:
        """Whether a prompt is open."""
        try:
            self.query_one(PromptLine)
        except NoMatches:
            return False
        return True

    # -- out of the app -----------------------------------------------------------------------

    def _copy(self) -> None:
        lines = self.view.window.selected()
        if not lines:
            return
        self.view.window.anchor = None
        self.view.changed()
        self.context.copy("\n".join(lines), plural(len(lines), "line"))

    async def _save(self, target: Path) -> None:
        def copy(file: BinaryIO) -> int:
            with self.path.open("rb") as source:
                shutil.copyfileobj(source, file)
            return file.tell()

        try:
            written = await asyncio.to_thread(create, target, copy)
        except OSError as error:
            self.context.tell(f"{target}: {error.strerror or error}.", "Choose another name.",
                             "error")  # fmt: skip
        else:
            self.context.tell(f"Saved {size(written)} as {target}.")

    def _pipe(self, command: str) -> None:
        """Pipes the shown lines to a command that has the terminal meanwhile."""
        self._piped_to = command
        document = self.view.document
        try:
            if document.is_filtered:
                pipe(self.app, command, self._shown_text())
            else:
                with self.path.open("rb") as file:
                    pipe(self.app, command, file)
        except SuspendNotSupported:
            self._cannot_lend()
        except OSError as error:
            self.context.tell(f"{self.path}: {error.strerror or error}.", level="error")

    def _open_pager(self) -> None:
        """Opens the log in the user's pager, where the view is."""
        rows = self.view.window.rows()
        offset = rows[0].line.offset if rows else 0
        number = self.view.document.log.row_of(offset)
        command = pager_command(offset, None if number is None else number + 1)
        try:
            ended = lend(self.app, command, self.path)
        except SuspendNotSupported:
            self._cannot_lend()
            return
        if ended.is_failure:
            said = ended.problem or f"{command[0]} ended with exit status {ended.status}"
            self.context.tell(f"{said}.", "PAGER names the program.", "warning")

    def _cannot_lend(self) -> None:
        self.context.tell("This terminal cannot be lent to another program.", level="warning")

    def _shown_text(self) -> bytes:
        document = self.view.document
        pieces: list[bytes] = []
        lines = document.lines.after(0, _AT_ONCE)
        while lines:
            pieces += [document.log.raw(line) if line.cut else line.raw for line in lines]
            lines = document.lines.after(lines[-1].offset + 1, _AT_ONCE)
        return b"\n".join([*pieces, b""])
