"""The exit status of a transfer: what a script learns of its end."""

from __future__ import annotations

import pytest

from tui.api.transfers import Transfer, TransferState, TroubleKind
from tui.cli import exit_codes
from tui.cli.publish_commands import status_of


def transfer(state: TransferState, kind: TroubleKind, target: str) -> Transfer:
    return {
        "transfer_id": "t", "job_id": "j", "api_base": "", "target": target, "created_at": "",
        "place": "", "state": state, "done_bytes": 0, "total_bytes": 0, "message": "",
        "advice": "", "kind": kind, "attempts": 0, "retry_at": None, "link": "", "notes": [],
        "started_at": None, "ended_at": None, "position": 0, "files": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "kind", "target", "status"),
    [
        ("done", "", "s3:mine", exit_codes.FINE),
        ("unverified", "permission", "s3:mine", exit_codes.UNVERIFIED),
        ("failed", "permission", "s3:mine", exit_codes.NOT_AUTHORISED),
        ("failed", "permission", "dir:/x", exit_codes.FAILED),
        ("failed", "network", "s3:mine", exit_codes.FAILED),
        ("paused", "", "s3:mine", exit_codes.FAILED),
    ],
)
def test_each_end_has_its_status(
    state: TransferState, kind: TroubleKind, target: str, status: int
) -> None:
    assert status_of(transfer(state, kind, target), waited=True) == status
