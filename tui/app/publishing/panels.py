"""The three panels of the Publishing screen: their lists, their titles and the room of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.app.publishing.artifact_list import WITH_RESULTS, ArtifactList, files_of
from tui.app.publishing.destination_list import DestinationList
from tui.app.publishing.detail import LEAST, Detail, detail_lines
from tui.app.publishing.speed import sums
from tui.app.publishing.transfer_list import TransferList
from tui.app.shell.jobs_model import JobsModel
from tui.app.terminal.text_lines import fit_end, plain
from tui.app.widgets.panel_title import PanelTitle
from tui.base import formatting
from tui.store.transfer_records import TransferState

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.widget import Widget

    from tui.app.context import AppContext
    from tui.app.publishing.publish_form_model import PublishRequest
    from tui.app.publishing.state import PublishingState
    from tui.app.widgets.virtual_list import VirtualList
    from tui.store.records import JobRow

_WIDE: Final = 100
"""Cells from which the title of the artifacts ends with their folder."""
PANELS: Final = ("artifacts", "transfers", "destinations")


class Panels:
    """Artifacts, transfers and destinations, one below the other.

    Args:
        context: the app.
        state: what the screen knows.
        focused: returns the widget that has the keys.

    Attributes:
        model: the jobs with results, as the filter narrows them.
        artifacts, transfers, destinations: the lists.
        lists: the same by name.
        titles: the line above each list.
        detail: what is under the cursor of the artifacts, in lines that no panel needs.
        filter_text: the filter of the artifacts as typed.
    """

    def __init__(
        self, context: AppContext, state: PublishingState, focused: Callable[[], Widget | None]
    ) -> None:
        self._context = context
        self._state = state
        self._focused = focused
        self.model = JobsModel(context.reader)
        self.model.set_filter(WITH_RESULTS)
        self.artifacts = ArtifactList(self.model, state)
        self.transfers = TransferList(state, self.name_of)
        self.destinations = DestinationList(state)
        self.lists: dict[str, VirtualList] = {
            "artifacts": self.artifacts,
            "transfers": self.transfers,
            "destinations": self.destinations,
        }
        self.titles = {name: PanelTitle(joined=name != "artifacts") for name in PANELS}
        self.detail, self.detail_title = Detail(), PanelTitle(joined=True)
        self.filter_text = ""

    @property
    def widgets(self) -> list[Widget]:
        """Title and list of each panel, from top to bottom."""
        first, *others = ([self.titles[name], self.lists[name]] for name in PANELS)
        parts: list[list[Widget]] = [first, [self.detail_title, self.detail], *others]
        return [widget for part in parts for widget in part]

    # -- content ------------------------------------------------------------------------------

    def reload(self, name: str) -> None:
        """Fills the list of a panel again."""
        if name == "artifacts":
            self.artifacts.reload()
        elif name == "transfers":
            self.transfers.reload()
        else:
            self.destinations.reload()
            self.artifacts.refresh()  # its lines show the names of destinations

    def filter_by(self, text: str) -> None:
        """Narrows the jobs among the artifacts."""
        self.filter_text = text.strip()
        self.model.set_filter(f"{WITH_RESULTS} {self.filter_text}".strip())

    def draw_ages(self) -> None:
        """Draws anew how long ago transfers ended and destinations were tested."""
        self.transfers.refresh()
        self.destinations.refresh()

    def redraw_transfers(self, transfer_ids: set[str]) -> None:
        """Draws the lines of some transfers again, and the sums in the title."""
        for index, transfer in enumerate(self._state.transfers):
            if transfer.transfer_id in transfer_ids:
                self.transfers.refresh_line(index)
        self._title_transfers()

    # -- the panel with the keys --------------------------------------------------------------

    @property
    def current(self) -> str:
        """The name of the panel that has the keys; under a dialog, the one it is about."""
        focused = self._focused()
        return next((name for name, panel in self.lists.items() if panel is focused), PANELS[0])

    def focus_next(self, step: int) -> None:
        """Gives the keys to the panel so many places further down."""
        self.lists[PANELS[(PANELS.index(self.current) + step) % len(PANELS)]].focus()

    # -- what is under the cursor -------------------------------------------------------------

    def job(self, job_id: str) -> JobRow | None:
        """The row of a job in the list; None where the list does not have it."""
        place = self.model.position(job_id)
        return self.model.row(place) if place is not None else None

    def name_of(self, job_id: str) -> str:
        """A job's name; its id where the record is gone."""
        row = self.job(job_id) or self._context.reader.rows([job_id]).get(job_id)
        return row.name if row is not None else job_id

    @property
    def job_id(self) -> str | None:
        """The job under the cursor."""
        if self.current == "transfers" and self.transfers.transfer is not None:
            return self.transfers.transfer.job_id
        row = self.artifacts.row
        return row.job_id if row is not None else None

    @property
    def files(self) -> list[Mapping[str, Any]]:
        """Files of the artifact under the cursor, as far as they are known."""
        row = self.artifacts.row
        if row is None or row.kind == "note":
            return []
        return files_of(row, self._state.known(row.job_id))

    @property
    def links(self) -> list[str]:
        """Addresses where what is under the cursor is published, the newest first."""
        if self.current == "transfers":
            transfer = self.transfers.transfer
            return [transfer.link] if transfer is not None and transfer.link else []
        copies = [copy for file in self.files for copy in file.get("published") or ()]
        return list(dict.fromkeys(str(copy["link"]) for copy in reversed(copies) if copy["link"]))

    def copy_text(self) -> str:
        """Returns the path of a file, or the address or name of what is under the cursor."""
        transfer, destination = self.transfers.transfer, self.destinations.destination
        row = self.artifacts.row
        if self.current == "transfers" and transfer is not None:
            return transfer.link or transfer.target
        if self.current == "destinations" and destination is not None:
            return destination.name
        if row is None:
            return ""
        if row.kind == "file" and row.item is not None:
            return str(row.item["path"])
        return str(self._state.known(row.job_id).get("folder") or row.job_id)

    def command_line(self) -> str:
        """Returns the command line that shows what is under the cursor."""
        destination = self.destinations.destination
        if self.current == "transfers":
            return "simpletuner-tui transfers"
        if self.current == "destinations" and destination is not None:
            return f"simpletuner-tui destinations test {destination.name}"
        return f"simpletuner-tui artifacts {self.job_id or ''}".strip()

    def publish_request(self, job: JobRow, what: str) -> PublishRequest:
        """Returns what the publish form begins with.

        Args:
            job: the job under the cursor.
            what: `best`, or empty for the file or checkpoint under the cursor.
        """
        from tui.app.publishing.publish_form_model import PublishRequest

        row, destination = self.artifacts.row, self.destinations.destination
        file, wanted = "", what or "all"
        if self.current == "artifacts" and row is not None and not what:
            if row.kind == "file" and row.item is not None:
                file = str(row.item["name"])
            elif row.kind == "checkpoint":
                wanted = "final" if row.step is None else str(row.step)
        to = ""
        if self.current == "destinations" and destination is not None:
            to = destination.name
        return PublishRequest((job,), wanted, file, to)

    # -- room and titles ----------------------------------------------------------------------

    def arrange(self, size: Size, lines_above: int) -> None:
        """Gives the panel with the keys the room it needs, the others their first lines.

        Args:
            size: of the screen.
            lines_above: lines that other widgets take between the panels.
        """
        most = 1 if size.height < 20 else 3 if size.height < 32 else 8
        needs = {name: max(1, panel.count) for name, panel in self.lists.items()}
        around = 2 + len(self.titles) + lines_above + self.artifacts.HEADER
        shared = share_room(needs, self.current, size.height - around, most)
        spare = shared[self.current] - needs[self.current] >= LEAST and bool(self.artifacts.count)
        self.detail.display = self.detail_title.display = spare
        for name, panel in self.lists.items():
            lines = needs[name] if spare else shared[name]
            grows = name == self.current and not spare
            height: int | str = "1fr" if grows else lines + panel.HEADER
            if str(panel.styles.height) != str(height):
                panel.styles.height = height
        self._title_artifacts(size.width)
        self._title_transfers()
        self._title_destinations()
        self.show_detail()

    def show_detail(self) -> None:
        """Shows more of what is under the cursor of the artifacts, where there is room for it."""
        row = self.artifacts.row
        if row is None or not self.detail.display:
            return
        name, known = self.name_of(row.job_id), self._state.known(row.job_id)
        own = row.item["name"] if row.kind == "missing" and row.item is not None else row.name
        parts = [name] if row.kind in ("job", "note") else [name, str(own)]
        self.detail_title.set(tuple(plain(part) for part in parts), ())
        width = max(40, self._context.screen.size.width - 8)
        now = self._context.clock()
        self.detail.show(detail_lines(row, known, self.files, width=width, now=now))

    def _title(self, name: str, summary: str, *right: str) -> None:
        mark = "▸ " if self.current == name else ""
        left = (f"{mark}{name.capitalize()}", *filter(None, [summary]))
        self.titles[name].set(left, tuple(filter(None, right)))

    def _title_artifacts(self, width: int) -> None:
        jobs = formatting.plural(len(self.model.ids), "job")
        outputs, home = str(self._context.outputs), str(Path.home())
        if outputs.startswith(f"{home}/"):
            outputs = f"~{outputs.removeprefix(home)}"
        matches = f"/ {self.filter_text} · {jobs} found" if self.filter_text else jobs
        used = ""
        if self._state.disk_use[0]:
            here, elsewhere = map(formatting.size, self._state.disk_use)
            used = (
                f"{here} here · {elsewhere} safe elsewhere"
                if self._state.disk_use[1]
                else f"{here} here"
            )
        right = (used, fit_end(outputs, max(12, width // 3)))
        if width < _WIDE:  # the first ones give way: where the files are is known, how much is not
            right = right[::-1]
        self._title("artifacts", matches, *right)

    def _title_destinations(self) -> None:
        tests = [self._state.tested.get(record.name) for record in self._state.destinations]
        failing = sum(1 for test in tests if test and not test.get("ok"))
        count = formatting.plural(len(tests), "place") if tests else ""
        self._title("destinations", f"{count} · {failing} failing" if failing else count)

    def _title_transfers(self) -> None:
        rows = self._state.transfers
        counts = {
            "sending": sum(row.state is TransferState.RUNNING for row in rows),
            "waiting": sum(row.state is TransferState.QUEUED for row in rows),
            "paused": sum(row.state is TransferState.PAUSED for row in rows),
            "failed": sum(row.state is TransferState.FAILED for row in rows),
            "not verified": sum(row.state is TransferState.UNVERIFIED for row in rows),
        }
        summary = " · ".join(f"{count} {word}" for word, count in counts.items() if count)
        moves = [self._state.moves(row) for row in rows if row.state.is_active]
        limit = self._context.settings.publishing.bandwidth
        total = sums(moves, limit) if moves else ""
        self._title(
            "transfers", summary, total, f"limit {formatting.size(limit)}/s" if limit else ""
        )


def share_room(needs: Mapping[str, int], current: str, space: int, most: int) -> dict[str, int]:
    """Shares the lines of a screen among its panels.

    The panel with the keys comes first; the others have at least a few of their lines. What it does
    not need goes to the others, and what nobody needs stays with it.

    Args:
        needs: how many lines each panel could fill.
        current: the panel with the keys.
        space: lines of all panels together.
        most: the lines that each other panel has at the least, where it could fill them.

    Returns:
        Lines by panel.
    """
    shares = {name: min(need, most) for name, need in needs.items() if name != current}
    free = space - sum(shares.values()) - needs[current]
    for name, least in tuple(shares.items()):
        more = max(0, min(free, needs[name] - least))
        shares[name] += more
        free -= more
    shares[current] = space - sum(shares.values())
    return shares
