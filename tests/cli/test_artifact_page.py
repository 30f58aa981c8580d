"""What `artifacts` says."""

from __future__ import annotations

from tui.cli.artifact_page import artifact_lines


def test_nothing_is_said_to_be_nothing() -> None:
    assert artifact_lines([]) == ["No files: no job left any, or none was fetched yet."]
