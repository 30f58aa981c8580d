"""What the Publishing screen shows: three panels that follow the store and the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import events, on
from textual.timer import Timer
from textual.widget import Widget

from tui.app.keys.actions import MOVE
from tui.app.publishing.artifact_list import WITH_RESULTS, ArtifactList, files_of
from tui.app.publishing.destination_list import DestinationList
from tui.app.publishing.speed import sums
from tui.app.publishing.state import TEST_FACT, ShelfData
from tui.app.publishing.transfer_list import TransferList
from tui.app.shell.jobs_model import JobsModel
from tui.app.shell.messages import EngineState, JobsChanged
from tui.app.shell.screen import AppScreen
from tui.app.terminal.text_lines import fit_end
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.virtual_list import VirtualList
from tui.base import formatting
from tui.store.transfer_records import TransferState

_PANELS: Final = ("artifacts", "transfers", "destinations")
_PERIOD: Final = 0.25
"""Seconds between two drawings of transfers: four a second, whatever the engine tells."""


class PublishingView(AppScreen):
    """Three panels, one below the other; the one with the keys takes the room."""

    MOVES: ClassVar = MOVE
    HERE: ClassVar = "publishing"
    AUTO_FOCUS = "ArtifactList"

    def body(self) -> Iterable[Widget]:
        """Title and list of each panel."""
        self.data = ShelfData(self.context, self, self._changed)
        self.model = JobsModel(self.context.reader)
        self.model.set_filter(WITH_RESULTS)
        self.artifacts = ArtifactList(self.model, self.data)
        self.transfers = TransferList(self.data, self.name_of)
        self.destinations = DestinationList(self.data)
        self.lists: dict[str, VirtualList] = dict(
            zip(_PANELS, (self.artifacts, self.transfers, self.destinations), strict=True)
        )
        self.titles = {name: PanelTitle(joined=name != "artifacts") for name in _PANELS}
        self.filter_text = ""
        self._due: Timer | None = None
        self._moved_transfers: set[str] = set()
        self._moved_files = False
        return [part for name in _PANELS for part in (self.titles[name], self.lists[name])]

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show what the store has, unfold the newest job, follow the rest."""
        super().on_mount()
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self.context.signals.transfer_changed.subscribe(self, self._transfer_changed)
        self.context.signals.fetch_changed.subscribe(self, self._fetch_changed)
        self.context.signals.fact_changed.subscribe(self, self._fact_changed)
        self.context.signals.engine_changed.subscribe(self, self._engine_changed)
        self.data.read()
        if self.model.ids:
            self.artifacts.opened.add((self.model.ids[0], ""))
            self.data.look_at(self.model.ids[0])
        self._changed("artifacts")

    def on_screen_resume(self) -> None:
        """What came meanwhile."""
        super().on_screen_resume()
        self.data.read()
        self._reload_jobs()

    def _jobs_changed(self, change: JobsChanged) -> None:
        self._reload_jobs()
        for job_id in change.job_ids:
            self.data.published_changed(job_id)

    def _reload_jobs(self) -> None:
        self.model.reload()
        self._changed("artifacts")

    def _fact_changed(self, name: str) -> None:
        if name.startswith(TEST_FACT):
            self.data.read_destinations()

    def _engine_changed(self, state: EngineState) -> None:
        if state.state == "ready":
            self.data.read()
            self.data.look_again()
            for job_id, name in self.artifacts.opened:
                if not name and job_id not in self.data.artifacts:
                    self.data.look_at(job_id)
        self.update_footer()

    def _changed(self, what: str) -> None:
        """Something else is known about the things of a panel."""
        if not self.is_attached or not self.is_mounted:
            return
        if what == "artifacts":
            self.artifacts.reload()
        elif what == "transfers":
            self.transfers.reload()
        else:
            self.destinations.reload()
            self.artifacts.refresh()  # places are called by destinations' names
        self._arrange()

    # -- transfers on the move ----------------------------------------------------------------

    def _transfer_changed(self, told: Mapping[str, Any]) -> None:
        """Remember which lines move; they are drawn together, a few times a second."""
        if not told:
            self.data.read_transfers()
            return
        name = self.data.transfer_told(told)
        if name is not None:
            self._moved_transfers.add(name)
            self._draw_soon()

    def _fetch_changed(self, told: Mapping[str, Any]) -> None:
        """A file is coming from where its job left it."""
        if str(told.get("job_id")) not in self.model.ids or self.data.fetch_told(told):
            self._moved_files = True
            self._draw_soon()

    def _draw_soon(self) -> None:
        if self._due is None:
            self._due = self.set_timer(_PERIOD, self._draw_moved)

    def _draw_moved(self) -> None:
        self._due = None
        files, self._moved_files = self._moved_files, False
        names, self._moved_transfers = self._moved_transfers, set()
        if not self.is_active:
            return
        if files:
            self._reload_jobs()
        if not names:
            return
        for index, one in enumerate(self.data.transfers):
            if one.transfer_id in names:
                self.transfers.refresh_line(index)
        self._title_transfers()

    # -- arrangement --------------------------------------------------------------------------

    @property
    def panel(self) -> str:
        """The panel that has the keys."""
        focused = self.focused  # a page over the screen has the keys, and is about this panel
        return next((name for name, one in self.lists.items() if one is focused), "artifacts")

    def _arrange(self) -> None:
        """The panel with the keys has the room it needs; the others show their first lines."""
        here, height = self.panel, self.size.height
        most = 1 if height < 20 else 3 if height < 32 else 8
        needs = {name: max(1, one.count) for name, one in self.lists.items()}
        around = 2 + len(self.titles) + len(self.query("FilterLine")) + self.artifacts.HEADER
        shared = rooms(needs, here, height - around, most)
        for name, one in self.lists.items():
            wanted: int | str = "1fr" if name == here else shared[name] + one.HEADER
            if str(one.styles.height) != str(wanted):
                one.styles.height = wanted
        self._title_all()
        self.update_footer()

    def _title_all(self) -> None:
        text = self.filter_text
        jobs = formatting.plural(len(self.model.ids), "job")
        found = f"/ {text} · {jobs} found" if text else jobs
        self._title("artifacts", found, self._disk())
        self._title_transfers()
        tested = [self.data.tested.get(one.name) for one in self.data.destinations]
        bad = sum(1 for one in tested if one and not one.get("ok"))
        words = formatting.plural(len(tested), "place") if tested else ""
        self._title("destinations", f"{words} · {bad} failing" if bad else words)

    def _title(self, name: str, words: str, *right: str) -> None:
        mark = "▸ " if self.panel == name else ""
        left = (f"{mark}{name.capitalize()}", *filter(None, [words]))
        self.titles[name].set(left, tuple(filter(None, right)))

    def _disk(self) -> str:
        outputs = str(self.context.outputs)
        home = str(Path.home())
        if outputs.startswith(f"{home}/"):
            outputs = f"~{outputs.removeprefix(home)}"
        room = max(12, self.size.width // 3)
        return fit_end(outputs, room)

    def _title_transfers(self) -> None:
        rows = self.data.transfers
        running = [one for one in rows if one.state is TransferState.RUNNING]
        counts = {
            "sending": len(running),
            "waiting": sum(one.state is TransferState.QUEUED for one in rows),
            "paused": sum(one.state is TransferState.PAUSED for one in rows),
            "failed": sum(one.state is TransferState.FAILED for one in rows),
        }
        words = " · ".join(f"{count} {word}" for word, count in counts.items() if count)
        moves = [self.data.moves(one) for one in rows if one.state.is_active]
        limit = self.context.settings.publishing.bandwidth
        right = sums(moves, limit) if moves else ""
        most = f"limit {formatting.size(limit)}/s" if limit else ""
        self._title("transfers", words, right, most)

    def on_resize(self, event: events.Resize) -> None:
        """Other room, other heights."""
        super().on_resize(event)
        self._arrange()

    def on_descendant_focus(self) -> None:
        """Another panel takes the room."""
        super().on_descendant_focus()
        self._arrange()

    @on(VirtualList.Moved)
    def _cursor_moved(self) -> None:
        self.transfers.remember()
        self.update_footer()

    # -- what is under the cursor -------------------------------------------------------------

    def name_of(self, job_id: str) -> str:
        """A job's name; its id where the record is gone."""
        place = self.model.position(job_id)
        row = self.model.row(place) if place is not None else None
        if row is None:
            row = self.context.reader.rows([job_id]).get(job_id)
        return row.name if row is not None else job_id

    @property
    def files(self) -> list[Mapping[str, Any]]:
        """Files of the line under the cursor, as far as they are known."""
        row = self.artifacts.row
        if row is None or row.kind == "note":
            return []
        return files_of(row, self.data.known(row.job_id))

    @property
    def links(self) -> list[str]:
        """Addresses of what is under the cursor, the newest first."""
        if self.panel == "transfers":
            one = self.transfers.transfer
            return [one.link] if one is not None and one.link else []
        found = [one for file in self.files for one in file.get("published") or ()]
        return list(dict.fromkeys(str(one["link"]) for one in reversed(found) if one["link"]))

    def command_job(self) -> str | None:
        """The job under the cursor."""
        if self.panel == "transfers" and self.transfers.transfer is not None:
            return self.transfers.transfer.job_id
        row = self.artifacts.row
        return row.job_id if row is not None else None


def rooms(needs: Mapping[str, int], here: str, space: int, most: int) -> dict[str, int]:
    """Lines for each panel.

    The one with the keys comes first, the others have at least a few of theirs. What it does not
    need goes to the others, and what nobody needs stays with it.

    Args:
        needs: how many lines each could fill.
        here: the one with the keys.
        space: lines of all together.
        most: what the others have at the least, where they could fill it.
    """
    found = {name: min(need, most) for name, need in needs.items() if name != here}
    free = space - sum(found.values()) - needs[here]
    for name, least in tuple(found.items()):
        more = max(0, min(free, needs[name] - least))
        found[name] += more
        free -= more
    found[here] = space - sum(found.values())
    return found
