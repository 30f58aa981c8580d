"""The tables of sweeps: groups of jobs that the engine starts a few at a time.

A member is a job from the moment of the consent: its row holds what is sent. The line here says
whether its turn has come, and is written before anything of it is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from tui.store.columns import Query, Tables
from tui.store.moments import from_micros, to_micros

SweepState = Literal["running", "paused", "cancelled"]
_SWEEP: Final = "name, api_base, state, reason, advice, at_once, created_at, resumed_at"
_MEMBER: Final = "job_id, sweep, position, released_at, changes"


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep.

    Attributes:
        name: unique.
        api_base: where its jobs run.
        state: `running` also when all of it is over; `paused` starts no more runs until it is
            resumed; `cancelled` never does.
        reason: why it is paused; "" otherwise.
        advice: what the user can do about it.
        at_once: how many of its jobs may be under way at a time.
        created_at: when it was agreed to.
        resumed_at: from when on failures count.
    """

    name: str
    api_base: str
    state: SweepState
    reason: str
    advice: str
    at_once: int
    created_at: datetime
    resumed_at: datetime


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A job's place in its sweep.

    Attributes:
        job_id: the job.
        sweep: the sweep's name.
        position: its turn, from 0.
        released_at: when its turn came; None while it waits.
        changes: what tells it from the others, by option, as the trainer reads it.
    """

    job_id: str
    sweep: str
    position: int
    released_at: datetime | None
    changes: Mapping[str, str]


class SweepTables(Tables):
    """Writes and reads the tables."""

    def insert(self, sweep: SweepRecord, members: Iterable[MemberRecord]) -> None:
        """Insert a sweep with its members.

        Raises:
            DuplicateError: there is one of its name.
        """
        with self._transaction():
            self._execute(
                f"INSERT INTO sweeps ({_SWEEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (sweep.name, sweep.api_base, sweep.state, sweep.reason, sweep.advice,
                 sweep.at_once, to_micros(sweep.created_at), to_micros(sweep.resumed_at)),
            )  # fmt: skip
            for one in members:
                self._execute(
                    f"INSERT INTO sweep_members ({_MEMBER}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
                    (one.job_id, one.sweep, one.position,
                     None if one.released_at is None else to_micros(one.released_at),
                     json.dumps(dict(one.changes), ensure_ascii=False)),
                )  # fmt: skip

    def set_state(
        self, name: str, state: SweepState, reason: str = "", advice: str = "",
        resumed_at: datetime | None = None,
    ) -> None:  # fmt: skip
        """Change a sweep's state, and from when on failures count where that is given."""
        resumed = None if resumed_at is None else to_micros(resumed_at)
        with self._transaction():
            self._execute(
                "UPDATE sweeps SET state = ?, reason = ?, advice = ?, "
                "resumed_at = COALESCE(?, resumed_at) WHERE name = ?",
                (state, reason, advice, resumed, name),
            )

    def release(self, job_id: str, at: datetime) -> None:
        """Write down that a member's turn has come, before anything is done for it."""
        with self._transaction():
            self._execute(
                "UPDATE sweep_members SET released_at = ? WHERE job_id = ?",
                (to_micros(at), job_id),
            )

    def all(self) -> list[SweepRecord]:
        """Return all sweeps that have members, the newest first."""
        return read_sweeps(self._query)

    def find(self, name: str) -> SweepRecord | None:
        """Return the sweep of a name; None where there is none."""
        return next((one for one in read_sweeps(self._query) if one.name == name), None)

    def with_waiting(self) -> list[str]:
        """Return the names of sweeps with members whose turn has not come."""
        rows = self._query(
            "SELECT DISTINCT sweep FROM sweep_members WHERE released_at IS NULL ORDER BY sweep", ()
        )
        return [str(row[0]) for row in rows]

    def members(self, name: str | None = None) -> list[MemberRecord]:
        """Return the members of a sweep, or of all, in their order."""
        return read_members(self._query, name)

    def holds(self, job_id: str) -> bool:
        """Whether a job is a member whose turn has not come."""
        return bool(
            self._query(
                "SELECT 1 FROM sweep_members WHERE job_id = ? AND released_at IS NULL", (job_id,)
            )
        )


def read_sweeps(query: Query) -> list[SweepRecord]:
    """Return all sweeps that have members, the newest first."""
    rows = query(
        f"SELECT {_SWEEP} FROM sweeps WHERE EXISTS "  # noqa: S608  constants
        "(SELECT 1 FROM sweep_members WHERE sweep = name) ORDER BY created_at DESC, name",
        (),
    )
    return [
        SweepRecord(
            row[0], row[1], row[2], row[3], row[4], row[5], from_micros(row[6]), from_micros(row[7])
        )
        for row in rows
    ]


def read_members(query: Query, name: str | None = None) -> list[MemberRecord]:
    """Return the members of a sweep, or of all sweeps, in their order."""
    where, values = ("WHERE sweep = ?", (name,)) if name is not None else ("", ())
    rows: Sequence[Any] = query(
        f"SELECT {_MEMBER} FROM sweep_members {where} ORDER BY sweep, position",  # noqa: S608
        values,
    )
    return [_member(*row) for row in rows]


def _member(
    job_id: str, sweep: str, position: int, released_at: int | None, changes: str
) -> MemberRecord:
    released = None if released_at is None else from_micros(released_at)
    written = {str(key): str(value) for key, value in json.loads(changes).items()}
    return MemberRecord(job_id, sweep, position, released, written)
