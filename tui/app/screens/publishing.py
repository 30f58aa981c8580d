"""The Publishing screen: what was collected, job by job, with where it lies and its hash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.widget import Widget

from tui.app.actions import MOVE, PUBLISHING, Action
from tui.app.messages import JobsChanged
from tui.app.model import JobsModel
from tui.app.screens.base import AppScreen
from tui.app.widgets.file_list import CollectedJobs, FileList
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.virtual_list import VirtualList
from tui.formatting import plural
from tui.store.records import FileRecord
from tui.store.schema import StoreError


def desktop_opener() -> str | None:
    """The program that shows a folder on this desktop; None over plain ssh."""
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


class PublishingScreen(AppScreen):
    """Jobs with files above, their files below."""

    ACTIONS: ClassVar = PUBLISHING
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "publishing"
    AUTO_FOCUS = "CollectedJobs"

    def body(self) -> Iterable[Widget]:
        """Two panels."""
        self.model = JobsModel(self.owner.reader)
        self.model.set_filter("files>0")
        self.jobs = CollectedJobs(self.model)
        self.files = FileList()
        self.jobs_title = PanelTitle()
        self.files_title = PanelTitle(joined=True)
        return (self.jobs_title, self.jobs, self.files_title, self.files)

    def on_mount(self) -> None:
        """Follow new files."""
        super().on_mount()
        self.owner.jobs_changed.subscribe(self, self._jobs_changed)
        self._show()

    def _jobs_changed(self, _: JobsChanged) -> None:
        self._reload()

    def on_screen_resume(self) -> None:
        """What came meanwhile."""
        super().on_screen_resume()
        self._reload()

    def _reload(self) -> None:
        job_id = self.jobs.job_id
        self.model.reload()
        place = self.model.position(job_id) if job_id else None
        self.jobs.move_to(self.jobs.index if place is None else place, tell=False)
        self.jobs.refresh()
        self._show()

    @on(VirtualList.Moved)
    def _moved(self, event: VirtualList.Moved) -> None:
        if event.sender is self.jobs:
            self._show()
        self.update_footer()

    def _show(self) -> None:
        """The files of the selected job."""
        job_id = self.jobs.job_id
        try:
            files = self.owner.reader.files(job_id) if job_id else []
        except StoreError as error:
            files = []
            self.owner.tell(error.message, error.advice, "error")
        if list(self.files.files) != files:
            self.files.set(files)
        row = self.model.row(self.jobs.index)
        self.jobs_title.set(("Collected", plural(self.jobs.count, "job")))
        self.files_title.set((row.name if row else "Files", plural(len(files), "file")))
        has_files = bool(files)
        self.files.display = self.files_title.display = has_files
        self.update_footer()

    # -- what can be done ---------------------------------------------------------------------

    @property
    def _file(self) -> FileRecord | None:
        return self.files.file

    def _path(self, item: FileRecord) -> Path:
        return self.owner.outputs / item.path

    def command_job(self) -> str | None:
        """The job under the cursor."""
        return self.jobs.job_id

    def why_not(self, action: Action) -> str:
        """Reasons by action."""
        if action.name in ("copy", "copy_hash", "open", "switch", "copy_command"):
            if self._file is None:
                return "There are no files here yet."
            if action.name == "open" and desktop_opener() is None:
                return "There is no desktop in this session to open a folder on; y copies the path."
        return super().why_not(action)

    def do_switch(self) -> None:
        """To the other panel."""
        (self.jobs if self.files.has_focus else self.files).focus()

    def do_left(self) -> None:
        """To the jobs."""
        self.jobs.focus()

    def do_copy(self) -> None:
        """Copy the path."""
        if self._file is not None:
            self.owner.copy(str(self._path(self._file)))

    def do_copy_hash(self) -> None:
        """Copy the hash."""
        if self._file is not None:
            self.owner.copy(self._file.sha256)

    def do_copy_command(self) -> None:
        """Copy the command line that lists these files."""
        self.owner.copy(f"simpletuner-tui job {self.jobs.job_id} --json")

    def do_open(self) -> None:
        """Show the folder on the desktop."""
        opener = desktop_opener()
        if self._file is None or opener is None:
            return
        folder = self._path(self._file).parent
        if not folder.is_dir():
            self.owner.tell(f"{folder} is not there any more.", "", "warning")
            return
        subprocess.Popen(  # noqa: S603  the desktop's own opener, a folder of ours
            [opener, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.owner.tell(f"Opening {folder}.")

    def do_back(self) -> None:
        """From the files to the jobs, then back."""
        if self.files.has_focus:
            self.jobs.focus()
        else:
            self.owner.pop_screen()
