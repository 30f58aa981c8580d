"""The shapes of what a job's record keeps from its log: why it failed, and how far it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from tui.api.jobs import Evidence
    from tui.base.json_types import JsonObject
    from tui.simpletuner.log.parser import ParserState
    from tui.simpletuner.log.run_health import HealthState


class StoredDiagnosis(TypedDict, total=False):
    """Why a job failed, see `tui.api.jobs.Diagnosis`; without fields for a job that did not."""

    kind: str
    rule: str
    again: Literal["no", "maybe", "yes"]
    title: str
    what: str
    evidence: list[Evidence]
    error: str
    advice: list[str]
    changes: JsonObject
    inputs: dict[str, str]


class LogNotes(TypedDict, total=False):
    """Where the log's parser goes on after a restart; without fields before the first byte.

    Attributes:
        parser: what it knows of the lines so far.
        crc32: checksum of the part that was read.
        health: what is known of the run; earlier versions did not keep it.
    """

    parser: ParserState
    crc32: int
    health: HealthState
