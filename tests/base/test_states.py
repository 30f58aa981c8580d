"""The words of a state."""

from __future__ import annotations

from pathlib import Path

import tui
from tui.base.formatting import ended
from tui.base.job_status import UNDELIVERED, JobStatus


def test_a_tick_is_written_where_the_delivery_is_minded_alone() -> None:
    """A label by the state alone has a tick for every job that is done."""
    assert ended(JobStatus.COMPLETED, f"{UNDELIVERED}no") == "! done"
    assert ended(JobStatus.COMPLETED, "5 files") == "✓ done"
    root = Path(tui.__file__).parent
    used = [path for path in root.rglob("*.py") if "status_label(" in path.read_text("utf-8")]
    assert {str(path.relative_to(root)) for path in used} == {
        "base/formatting.py", "base/job_status.py",
    }  # fmt: skip
