"""The scan of folders as a report."""

from __future__ import annotations

from pathlib import Path

from tests.simpletuner.projects import (
    local_entry,
    write_project,
)
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import DataReport, scan


def report_of(root: Path, *folders: Path) -> DataReport:
    entries = [local_entry(folder, id=folder.name) for folder in folders]
    return scan(load_config(write_project(root, entries)))
