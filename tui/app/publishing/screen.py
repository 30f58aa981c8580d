"""The Publishing screen: what jobs left and where it is, what is on its way, and the places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import on

from tui.app.keys.actions import PUBLISHING, Action
from tui.app.publishing import pages
from tui.app.publishing.artifact_list import WITH_RESULTS
from tui.app.publishing.reasons import NO_CHECKPOINTS, Here, for_panel, why_not
from tui.app.publishing.screen_actions import PublishingDeeds
from tui.app.publishing.text import is_safe
from tui.app.terminal.control import desktop_opener, show_folder
from tui.app.widgets.virtual_list import VirtualList
from tui.store.transfer_records import TransferState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.app.publishing.artifact_list import Row
    from tui.app.widgets.filter_line import FilterLine
    from tui.app.widgets.picker import Offers
    from tui.app.widgets.piece_list import Entry


_ON_FILE: Final = ("publish", "delete", "fetch", "show", "copy_link", "copy_hash")
_ON_TRANSFER: Final = ("pause", "cancel", "retry", "copy_link")


class PublishingScreen(PublishingDeeds):
    """Its panels with what can be done on them."""

    ACTIONS: ClassVar = PUBLISHING
    _looked: tuple[str, tuple[object, ...], Here] | None = None

    def _here(self) -> Here:
        """What is under the cursor; the footer asks for each key, so it is looked up once."""
        row = self.artifacts.row
        found = self.data.known(row.job_id) if row is not None else {}
        things = (row, found, self.transfers.transfer, self.destinations.destination,
                  self.context.control)  # fmt: skip
        if self._looked is not None:
            panel, before, here = self._looked
            if panel == self.panel and all(a is b for a, b in zip(things, before, strict=True)):
                return here
        here = self._look(row, found)
        self._looked = (self.panel, things, here)
        return here

    def _look(self, row: Row | None, found: Mapping[str, Any]) -> Here:
        files, told = self.files, found.get("checkpoints")
        return Here(
            panel=self.panel,
            row=row,
            transfer=self.transfers.transfer,
            destination=self.destinations.destination,
            engine=self.context.control is not None,
            desktop=desktop_opener() is not None,
            links=tuple(self.links),
            safe=sum(map(is_safe, files)),
            bare=self._is_bare(row),
            gone=any(not file.get("here") for file in files) or bool(found.get("unfetched")),
            checkpoints=None if told is None else len(told),
            places=self.destinations.count,
        )

    def _is_bare(self, row: Row | None) -> bool:
        """Whether nothing of the job under the cursor has come here."""
        place = self.model.position(row.job_id) if row is not None else None
        job = self.model.row(place) if place is not None else None
        return job is not None and not job.file_count

    def actions(self) -> tuple[Action, ...]:
        """What can be done here; the footer begins with what this panel is for."""
        one = self.transfers.transfer
        paused = one is not None and one.state is TransferState.PAUSED
        return tuple(for_panel(action, self.panel, paused=paused) for action in super().actions())

    def why_not(self, action: Action) -> str:
        """Reasons by action."""
        if action.group != "publishing":
            return super().why_not(action)
        return why_not(action.name, self._here())

    # -- between the panels -------------------------------------------------------------------

    def do_next(self) -> None:
        """The panel below."""
        self._step(1)

    def do_previous(self) -> None:
        """The panel above."""
        self._step(-1)

    def _step(self, step: int) -> None:
        names = list(self.lists)
        self.lists[names[(names.index(self.panel) + step) % len(names)]].focus()

    def do_left(self) -> None:
        """Fold it, or go to what it belongs to."""
        row = self.artifacts.row
        if row is not None and row.open:
            self.artifacts.unfold(row, False)
        else:
            self.artifacts.go_up()

    async def do_back(self) -> None:
        """One step back: the filter, the panel, the screen."""
        if self.filter_text:
            self.filter_by("")
        elif self.panel != "artifacts":
            self.artifacts.focus()
        else:
            self.context.pop_screen()

    @on(VirtualList.Opened)
    def do_open(self) -> None:
        """Unfold, or show everything about what is under the cursor."""
        if self.panel == "transfers":
            self._open_transfer()
        elif self.panel == "destinations":
            self._open_destination()
        else:
            self._open_artifact()

    @property
    def _page_width(self) -> int:
        """Cells of a page's lines."""
        from tui.app.widgets.picker import page_width

        return page_width(self.size.width)

    def _page(self, title: str, lines: Sequence[Entry], *keys: str) -> None:
        """Show a page, with actions whose keys work on it."""
        from tui.app.widgets.picker import Page

        lines = pages.wrapped(lines, self._page_width)
        self.context.push_screen(Page(title, lines, self._offers(*keys)), self._asked_on_page)

    def _offers(self, *names: str) -> Offers:
        from tui.app.widgets.picker import Offers

        wanted = [f"publishing.{name}" for name in names]
        return Offers(lambda: [one for one in self.actions() if one.id in wanted], self.why_not)

    async def _asked_on_page(self, action_id: str | None) -> None:
        if action_id is not None:
            await self.action_perform(action_id)

    def _open_artifact(self) -> None:
        row = self.artifacts.row
        if row is None:
            return
        if row.kind in ("job", "checkpoint"):
            self.artifacts.unfold(row)
        elif row.item is not None and row.kind == "file":
            self._page(row.name, pages.file_page(row.item), *_ON_FILE)
        elif row.item is not None and row.kind == "missing":
            self._page("Not here", pages.missing_page(row.item, self.context.clock()), "fetch")

    def _open_transfer(self) -> None:
        from tui.app.publishing.transfer_list import TransferPage

        one = self.transfers.transfer
        if one is not None:
            page = TransferPage(
                self.context, one, self.name_of(one.job_id), self._offers(*_ON_TRANSFER)
            )
            self.context.push_screen(page, self._asked_on_page)

    def _open_destination(self) -> None:
        one = self.destinations.destination
        if one is None:
            return
        tested = self.data.tested.get(one.name)
        if tested is None:
            self._form(one)
        else:
            self._page(f"Test of {one.name}", pages.test_page(tested), "test", "edit")

    # -- publishing ---------------------------------------------------------------------------

    def do_publish(self) -> None:
        """Ask what and where to, beginning with what is under the cursor."""
        self._publish("")

    def do_best(self) -> None:
        """The same, beginning with the best checkpoint."""
        self._publish("best")

    def _publish(self, what: str) -> None:
        from tui.app.publishing.publish_form import ask_to_publish
        from tui.app.publishing.publish_form_model import Wish

        job_id = self.command_job()
        job = self.context.reader.rows([job_id]).get(job_id) if job_id else None
        if job is None:
            self.context.tell("This job's record is gone.")
            return
        if not job.file_count:  # from another panel; on its own line the key says so
            self.context.tell("No file of this job is here.", "f fetches what can be had.")
            return
        row, panel = self.artifacts.row, self.panel
        name, step = "", what or "all"
        if panel == "artifacts" and row is not None and not what:
            if row.kind == "file" and row.item is not None:
                name = str(row.item["name"])
            elif row.kind == "checkpoint":
                step = "final" if row.step is None else str(row.step)
        one = self.destinations.destination
        to = one.name if panel == "destinations" and one is not None else ""
        ask_to_publish(self.context, Wish((job,), step, name, to))

    def do_compare(self) -> None:
        """The job's checkpoints beside each other."""
        job_id = self.command_job()
        if job_id:
            self.run_worker(self._compare(job_id), group="compare", exclusive=True)

    async def _compare(self, job_id: str) -> None:
        found = self.data.known(job_id)
        if found.get("checkpoints") is None:
            found = await self.data.ask(job_id)
        checkpoints = found.get("checkpoints") or ()
        if len(checkpoints) > 1:
            title = f"Checkpoints of {self.name_of(job_id)}"
            self._page(title, pages.compare_page(checkpoints, self._page_width))
        else:
            self.context.tell(self.data.problems.get(job_id) or NO_CHECKPOINTS)

    def do_fetch(self) -> None:
        """Fetch what is not here."""
        job_id = self.command_job()
        if job_id:
            self._jobs.collect([job_id])

    def do_delete(self) -> None:
        """Ask, then delete local copies or a destination."""
        one, job_id = self.destinations.destination, self.command_job()
        if self.panel == "destinations" and one is not None:
            self.deeds.remove_destination(one)
        elif job_id:
            self.deeds.delete_files(job_id, self.name_of(job_id), self.files)

    def do_new(self) -> None:
        """To the form for a new job."""
        self.context.new_job()

    # -- copying and the rest -----------------------------------------------------------------

    def do_copy(self) -> None:
        """The path of a file, or the address or name of what is there."""
        row, one = self.artifacts.row, self.destinations.destination
        if self.panel == "transfers" and self.transfers.transfer is not None:
            transfer = self.transfers.transfer
            self.context.copy(transfer.link or transfer.target)
        elif self.panel == "destinations" and one is not None:
            self.context.copy(one.name)
        elif row is not None and row.kind == "file" and row.item is not None:
            self.context.copy(str(row.item["path"]))
        elif row is not None:
            self.context.copy(str(self.data.known(row.job_id).get("folder") or row.job_id))

    def do_copy_link(self) -> None:
        """The newest address."""
        if self.links:
            self.context.copy(self.links[0])

    def do_copy_hash(self) -> None:
        """The hash of the file."""
        row = self.artifacts.row
        if row is not None and row.item is not None:
            self.context.copy(str(row.item["sha256"]))

    def do_copy_command(self) -> None:
        """The command line that shows what is under the cursor."""
        one = self.destinations.destination
        if self.panel == "transfers":
            self.context.copy("simpletuner-tui transfers")
        elif self.panel == "destinations" and one is not None:
            self.context.copy(f"simpletuner-tui destinations test {one.name}")
        else:
            self.context.copy(f"simpletuner-tui artifacts {self.command_job() or ''}".strip())

    def do_show(self) -> None:
        """The folder of the file on the desktop."""
        row = self.artifacts.row
        if row is not None and row.item is not None:
            folder = Path(str(row.item["path"])).parent
            self.context.tell(show_folder(folder) or f"Opening {folder}.")

    # -- filter -------------------------------------------------------------------------------

    async def do_filter(self) -> None:
        """Open the filter line with the current filter."""
        from tui.app.widgets.filter_line import FilterLine

        line = FilterLine(self.filter_text)
        await self.mount(line, after=self.titles["artifacts"])
        line.focus()

    def filter_by(self, text: str) -> None:
        """Narrow the jobs as the text is typed."""
        self.filter_text = text.strip()
        self.model.set_filter(f"{WITH_RESULTS} {self.filter_text}".strip())
        self._changed("artifacts")

    async def close_filter(self, line: FilterLine) -> None:
        """Back to the list; the filter stays."""
        await line.remove()
        self.artifacts.focus()
