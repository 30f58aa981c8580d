"""The Publishing screen: results of jobs, the transfers of them, and the destinations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events, on
from textual.timer import Timer
from textual.widget import Widget

from tui.app.jobs.actions import JobActions
from tui.app.keys.actions import MOVE, PUBLISHING, Action
from tui.app.publishing.actions import PublishingActions
from tui.app.publishing.artifact_list import ArtifactList
from tui.app.publishing.page_opener import PageOpener
from tui.app.publishing.panels import Panels
from tui.app.publishing.reasons import NO_CHECKPOINTS, for_panel, why_not
from tui.app.publishing.selection import SelectionReader
from tui.app.publishing.state import TEST_FACT, PublishingState
from tui.app.shell.copy_list import ask_what_to_copy, scp_line
from tui.app.shell.messages import EngineState, JobsChanged
from tui.app.shell.screen import AppScreen
from tui.app.terminal.control import show_folder
from tui.app.widgets.virtual_list import VirtualList
from tui.store.transfer_records import TransferState

if TYPE_CHECKING:
    from tui.app.publishing.form import FormScreen
    from tui.app.widgets.input_line import FilterLine
    from tui.store.transfer_records import DestinationRecord, TransferRecord

_PERIOD: Final = 0.25
"""Seconds between two drawings of transfers: four a second, however often the engine reports."""


class PublishingScreen(AppScreen):
    """Three panels; the one with the keys takes the room.

    Attributes:
        state: what the store and the engine say.
        panels: the lists and their titles.
    """

    ACTIONS: ClassVar = PUBLISHING
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "publishing"
    AUTO_FOCUS = "ArtifactList"

    def body(self) -> Iterable[Widget]:
        """Makes the panels."""
        self.state = PublishingState(self.context, self, self._state_changed)
        self.panels = Panels(self.context, self.state, lambda: self.focused)
        self._actions = PublishingActions(self.context, self.state, saved=self._destination_saved)
        self._job_actions = JobActions(self.context)
        self._pages = PageOpener(
            self.context, self.state, self.panels, actions=self.actions, why_not=self.why_not,
            perform=self._asked_on_page,
        )  # fmt: skip
        self._selection = SelectionReader(self.context, self.state, self.panels)
        self._due: Timer | None = None
        self._moved_transfers: set[str] = set()
        self._moved_files = False
        return self.panels.widgets

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Shows what the store has, unfolds the newest job, and follows the changes."""
        super().on_mount()
        signals = self.context.signals
        signals.jobs_changed.subscribe(self, self._jobs_changed)
        signals.transfer_changed.subscribe(self, self._transfer_changed)
        signals.fetch_changed.subscribe(self, self._fetch_changed)
        signals.fact_changed.subscribe(self, self._fact_changed)
        signals.engine_changed.subscribe(self, self._engine_changed)
        self.follow_ages(self.panels.draw_ages)
        self.state.read()
        newest = next(iter(self.panels.model.ids), None)
        if newest is not None:
            self.panels.artifacts.opened.add((newest, ""))
            self.state.look_at(newest)
        self._state_changed("artifacts")

    def on_screen_resume(self) -> None:
        """Catches up with what happened while another screen was on top."""
        super().on_screen_resume()
        self.state.read()
        self._reload_jobs()

    def _jobs_changed(self, change: JobsChanged) -> None:
        self._reload_jobs()
        for job_id in change.job_ids:
            self.state.published_changed(job_id)
        self.state.read_disk_use()

    def _reload_jobs(self) -> None:
        self.panels.model.reload()
        self._state_changed("artifacts")

    def _fact_changed(self, name: str) -> None:
        if name.startswith(TEST_FACT):
            self.state.read_destinations()

    def _engine_changed(self, state: EngineState) -> None:
        if state.state == "ready":
            self.state.read()
            self.state.look_again()
            for job_id, name in self.panels.artifacts.opened:
                if not name and job_id not in self.state.artifacts:
                    self.state.look_at(job_id)
        self.update_footer()

    def _state_changed(self, panel: str) -> None:
        """Fills a panel again."""
        if self.is_attached and self.is_mounted:
            self.panels.reload(panel)
            self._arrange()

    @on(ArtifactList.Folded)
    def _arrange(self) -> None:
        self.panels.arrange(self.size, lines_above=len(self.query("FilterLine")))
        self.update_footer()

    def on_resize(self, event: events.Resize) -> None:
        """Shares the new room among the panels."""
        super().on_resize(event)
        self._arrange()

    def on_descendant_focus(self) -> None:
        """Gives the room to the panel that has the keys now."""
        super().on_descendant_focus()
        self._arrange()

    @on(VirtualList.Moved)
    def _cursor_moved(self) -> None:
        self.panels.transfers.remember()
        self.panels.show_detail()
        self.update_footer()

    # -- progress -----------------------------------------------------------------------------

    def _transfer_changed(self, report: Mapping[str, Any]) -> None:
        """Collects the lines that move; they are drawn together, a few times a second."""
        if not report:
            self.state.read_transfers()
            return
        transfer_id = self.state.apply_transfer(report)
        if transfer_id is not None:
            self._moved_transfers.add(transfer_id)
            self._draw_soon()

    def _fetch_changed(self, report: Mapping[str, Any]) -> None:
        is_new = str(report.get("job_id")) not in self.panels.model.ids
        if is_new or self.state.apply_fetch(report):
            self._moved_files = True
            self._draw_soon()

    def _draw_soon(self) -> None:
        if self._due is None:
            self._due = self.set_timer(_PERIOD, self._draw_moved)

    def _draw_moved(self) -> None:
        self._due = None
        files, self._moved_files = self._moved_files, False
        transfers, self._moved_transfers = self._moved_transfers, set()
        if not self.is_active:
            return
        if files:
            self._reload_jobs()
        if transfers:
            self.panels.redraw_transfers(transfers)

    # -- which actions are possible -----------------------------------------------------------

    @property
    def _transfer(self) -> TransferRecord | None:
        """The transfer under the cursor."""
        return self.panels.transfers.transfer

    @property
    def _destination(self) -> DestinationRecord | None:
        """The destination under the cursor."""
        return self.panels.destinations.destination

    def actions(self) -> tuple[Action, ...]:
        """The actions of the screen; the footer begins with those of the panel with the keys."""
        transfer, panel = self._transfer, self.panels.current
        paused = transfer is not None and transfer.state is TransferState.PAUSED
        return tuple(for_panel(action, panel, paused=paused) for action in super().actions())

    def why_not(self, action: Action) -> str:
        """Why an action cannot be done now; empty when it can."""
        if action.group != "publishing":
            return super().why_not(action)
        return why_not(action.name, self._selection.now())

    def command_job(self) -> str | None:
        """The job under the cursor."""
        return self.panels.job_id

    # -- moving about -------------------------------------------------------------------------

    def do_next(self) -> None:
        """Goes to the panel below."""
        self.panels.focus_next(1)

    def do_previous(self) -> None:
        """Goes to the panel above."""
        self.panels.focus_next(-1)

    def do_left(self) -> None:
        """Folds the line, or goes to the one that it belongs to."""
        artifacts = self.panels.artifacts
        if artifacts.row is not None and artifacts.row.open:
            artifacts.unfold(artifacts.row, False)
        else:
            artifacts.go_up()

    async def do_back(self) -> None:
        """Clears the filter, else goes to the artifacts, else leaves the screen."""
        if self.filter_text:
            self.filter_by("")
        elif self.panels.current != "artifacts":
            self.panels.artifacts.focus()
        else:
            self.context.pop_screen()

    # -- pages over the screen ----------------------------------------------------------------

    @on(VirtualList.Opened)
    def do_open(self) -> None:
        """Unfolds the line under the cursor, or shows everything about it."""
        destination = self._destination
        if self.panels.current == "transfers":
            self._pages.open_transfer()
        elif self.panels.current == "artifacts":
            self._pages.open_artifact()
        elif destination is not None and not self._pages.open_test(destination):
            self._edit(destination)

    async def _asked_on_page(self, action_id: str | None) -> None:
        if action_id is not None:
            await self.action_perform(action_id)

    # -- artifacts ----------------------------------------------------------------------------

    def do_publish(self) -> None:
        """Asks what to publish and where to, beginning with what is under the cursor."""
        self._publish("")

    def do_best(self) -> None:
        """Asks the same, beginning with the best checkpoint."""
        self._publish("best")

    def _publish(self, what: str) -> None:
        from tui.app.publishing.publish_form import ask_to_publish

        job_id = self.command_job()
        job = self.context.reader.rows([job_id]).get(job_id) if job_id else None
        if job is None:
            self.context.tell("This job's record is gone.")
            return
        if not job.file_count:  # from another panel; on its own line the key says so
            self.context.tell("No file of this job is here.", "f fetches what can be had.")
            return
        ask_to_publish(self.context, self.panels.publish_request(job, what))

    def do_compare(self) -> None:
        """Shows the job's checkpoints beside each other."""
        job_id = self.command_job()
        if job_id:
            self.run_worker(self._compare(job_id), group="compare", exclusive=True)

    async def _compare(self, job_id: str) -> None:
        known = self.state.known(job_id)
        if known.get("checkpoints") is None:
            known = await self.state.ask(job_id)
        checkpoints = known.get("checkpoints") or ()
        if len(checkpoints) > 1:
            self._pages.open_checkpoints(self.panels.name_of(job_id), checkpoints)
        else:
            self.context.tell(self.state.problems.get(job_id) or NO_CHECKPOINTS)

    def do_fetch(self) -> None:
        """Fetches the files that are not here."""
        job_id = self.command_job()
        if job_id:
            self._job_actions.collect([job_id])

    def do_delete(self) -> None:
        """Asks, then deletes local copies or a destination; takes a transfer off the list."""
        destination, job_id = self._destination, self.command_job()
        if self.panels.current == "transfers":
            self.do_clear()
        elif self.panels.current == "destinations" and destination is not None:
            self._actions.remove_destination(destination)
        elif job_id:
            self._actions.delete_files(job_id, self.panels.name_of(job_id), self.panels.files)

    def do_free(self) -> None:
        """Asks which runs' local files may go, by age or size."""
        self._actions.space.choose()

    def do_new(self) -> None:
        """Opens the form for one more of what the panel lists."""
        if self.panels.current == "transfers":
            self.do_publish()
        elif self.panels.current == "destinations":
            self.do_add()
        else:
            self.context.new_job()

    # -- transfers ----------------------------------------------------------------------------

    def do_pause(self) -> None:
        """Pauses the transfer, or goes on with it."""
        transfer = self._transfer
        if transfer is not None:
            paused = transfer.state is TransferState.PAUSED
            self._actions.act(transfer, "resume" if paused else "pause")

    def do_cancel(self) -> None:
        """Asks, then cancels the transfer."""
        transfer = self._transfer
        if transfer is not None:
            self._actions.cancel(transfer, self.panels.name_of(transfer.job_id))

    def do_retry(self) -> None:
        """Tries the transfer again."""
        if self._transfer is not None:
            self._actions.act(self._transfer, "retry")

    def do_sooner(self) -> None:
        """Moves the transfer up in the queue."""
        if self._transfer is not None:
            self._actions.act(self._transfer, "up")

    def do_later(self) -> None:
        """Moves the transfer down in the queue."""
        if self._transfer is not None:
            self._actions.act(self._transfer, "down")

    def do_clear(self) -> None:
        """Takes the ended transfer off the list."""
        if self._transfer is not None:
            self._actions.clear_list(self._transfer)

    def do_clear_all(self) -> None:
        """Takes all ended transfers off the list."""
        self._actions.clear_list(None)

    def do_limit(self) -> None:
        """Asks how fast all transfers together may be."""
        self._actions.ask_limit(self._limit_changed)

    def _limit_changed(self) -> None:
        self.context.reload_settings()
        self._state_changed("transfers")

    # -- destinations -------------------------------------------------------------------------

    def do_add(self) -> None:
        """Opens the form for a new destination."""
        self._edit(None)

    def do_edit(self) -> None:
        """Opens the form of the destination under the cursor; on transfers, of their limit."""
        if self.panels.current == "transfers":
            self.do_limit()
        elif self._destination is not None:
            self._edit(self._destination)

    def _edit(self, record: DestinationRecord | None) -> None:
        form = self._actions.edit_destination(record)
        self.run_worker(self._read_hub_token(form), group="token", exit_on_error=False)

    async def _read_hub_token(self, form: FormScreen) -> None:
        await self.state.ask_hub()
        if form.is_mounted and form.is_attached:
            form.update()

    def _destination_saved(self, name: str) -> None:
        """Puts the cursor on a destination that was saved, and tests it."""
        self.state.read_destinations()
        names = [record.name for record in self.state.destinations]
        if name in names:
            self.panels.destinations.move_to(names.index(name), tell=False)
        self.state.test([name])

    def do_test(self) -> None:
        """Tests the destination under the cursor."""
        if self._destination is not None:
            self.state.test([self._destination.name])

    def do_test_all(self) -> None:
        """Tests all destinations."""
        self.state.test([record.name for record in self.state.destinations])

    # -- copying and the rest -----------------------------------------------------------------

    def do_copy(self) -> None:
        """Copies the path of a file, or the address or name of what is under the cursor."""
        text = self.panels.copy_text()
        if text:
            self.context.copy(text)

    def do_copy_link(self) -> None:
        """Copies the newest address."""
        links = self.panels.links
        if links:
            self.context.copy(links[0])

    def do_copy_hash(self) -> None:
        """Copies the hash of the file."""
        row = self.panels.artifacts.row
        if row is not None and row.item is not None:
            self.context.copy(str(row.item["sha256"]))

    def do_copy_command(self) -> None:
        """Asks what to copy of what is under the cursor."""
        row = self.panels.artifacts.row if self.panels.current == "artifacts" else None
        item = row.item if row is not None and row.kind == "file" else None
        links, text = self.panels.links, self.panels.copy_text()
        names = ["link", *(f"link {number}" for number in range(2, len(links) + 1))]
        ask_what_to_copy(
            self.context,
            [
                ("command", self.panels.command_line()),
                ("path" if item else "name", "" if text in links else text),
                *zip(names, links, strict=False),
                ("SHA-256", str(item["sha256"]) if item else ""),
                ("scp", scp_line(text) if item else ""),
            ],
        )

    def do_show(self) -> None:
        """Opens the folder of the file on the desktop."""
        row = self.panels.artifacts.row
        if row is not None and row.item is not None:
            folder = Path(str(row.item["path"])).parent
            self.context.tell(show_folder(folder) or f"Opening {folder}.")

    # -- filter -------------------------------------------------------------------------------

    @property
    def filter_text(self) -> str:
        """What the artifacts are narrowed by."""
        return self.panels.filter_text

    async def do_filter(self) -> None:
        """Opens the filter line with the present filter."""
        from tui.app.widgets.input_line import FilterLine

        line = FilterLine(self.filter_text)
        await self.mount(line, after=self.panels.titles["artifacts"])
        line.focus()

    def filter_by(self, text: str) -> None:
        """Narrows the artifacts as the text is typed."""
        self.panels.filter_by(text)
        self._state_changed("artifacts")

    async def close_filter(self, line: FilterLine) -> None:
        """Goes back to the list; the filter stays."""
        await line.remove()
        self.panels.artifacts.focus()
