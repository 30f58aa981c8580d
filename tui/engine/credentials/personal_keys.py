"""The list of a person's own S3 key pairs: made, listed, used, revoked; no secret is in it.

A pair needs no list to be good (see `storage_keys`), so the list also names the revoked ones until
they would have expired anyway; that is at most seven days, so neither part grows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tui.api.engine import StorageKey
from tui.base.errors import RefusedError
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

_LISTED: Final = "storage_keys"
_REVOKED: Final = "revoked_storage_keys"
_NOTE_USE: Final = timedelta(minutes=1)
"""How much time has to pass before another use of a pair is written down."""


class PersonalKeys:
    """What is known of a person's own key pairs, by their public halves."""

    def __init__(self, writer: StoreWriter, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._now = now

    def add(self, access_key: str, expires_at: datetime) -> None:
        """List a new pair."""
        row: StorageKey = {
            "access_key": access_key,
            "created_at": self._now().isoformat(),
            "expires_at": expires_at.isoformat(),
            "last_used_at": None,
        }
        self._writer.set_fact(_LISTED, [*self.rows(), row])

    def rows(self) -> list[StorageKey]:
        """Return the pairs that are good now, oldest first."""
        rows: list[StorageKey] = self._writer.fact(_LISTED) or []
        now = self._now()
        return [row for row in rows if datetime.fromisoformat(row["expires_at"]) > now]

    def revoke(self, access_key: str, expires_at: datetime) -> None:
        """Revoke a pair, listed or not.

        Raises:
            RefusedError: it has expired already.
        """
        if expires_at <= self._now() or self.is_revoked(access_key):
            raise RefusedError(
                f"There is no storage key {access_key} that works.",
                "simpletuner-tui storage-key list shows them.",
                status=404,
                code="not_found",
            )
        revoked = {**self._still_revoked(), access_key: expires_at.isoformat()}
        self._writer.set_fact(_REVOKED, revoked)
        kept = [row for row in self.rows() if row["access_key"] != access_key]
        self._writer.set_fact(_LISTED, kept)

    def is_revoked(self, access_key: str) -> bool:
        """Whether a pair was revoked."""
        return access_key in (self._writer.fact(_REVOKED) or {})

    def note_use(self, access_key: str) -> None:
        """Note that a pair has signed a request."""
        rows, now = self.rows(), self._now()
        row = next((row for row in rows if row["access_key"] == access_key), None)
        if row is None:
            return
        last = row["last_used_at"]
        if last is None or abs(now - datetime.fromisoformat(last)) >= _NOTE_USE:
            row["last_used_at"] = now.isoformat()
            with contextlib.suppress(StoreError):  # a full disk shuts nobody out
                self._writer.set_fact(_LISTED, rows)

    def _still_revoked(self) -> dict[str, str]:
        revoked: dict[str, str] = self._writer.fact(_REVOKED) or {}
        now = self._now()
        return {key: at for key, at in revoked.items() if datetime.fromisoformat(at) > now}
