"""API keys for callers over TCP: made, listed and revoked by the user, stored as hashes."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NotRequired

from tui.api.base import TypedDict
from tui.api.engine import ApiKey
from tui.api.scopes import Scope
from tui.base.errors import RefusedError
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

HOW_TO_MAKE_ONE: Final = "simpletuner-tui api-key create"
_FACT: Final = "api_keys"
_MARK: Final = "sttui"
_LONGEST_NAME: Final = 100
_NOTE_USE: Final = timedelta(minutes=1)
"""How much time has to pass before another use of a key is written down."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key; later only its hash is known."""

    id: str
    key: str
    scope: Scope
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"NewKey({self.id}, ***)"


class _StoredKey(TypedDict):
    """A key as the store has it: its hash in hex, never the key.

    What is not required was missing before keys had scopes.
    """

    id: str
    name: str
    sha256: str
    created_at: str
    scope: NotRequired[Scope]
    expires_at: NotRequired[str | None]
    last_used_at: NotRequired[str | None]


class ApiKeys:
    """The keys that are valid now.

    A key has 256 random bits, so a guess is hopeless whatever the hash; SHA-256 needs no salt or
    stretching here, as it would for passwords.
    """

    def __init__(
        self,
        writer: StoreWriter,
        now: Callable[[], datetime],
        on_adopted: Callable[[list[str]], None] = lambda _: None,
    ) -> None:
        """Take the store of keys.

        Args:
            writer: the store.
            now: the clock.
            on_adopted: is called once, when the first key is used that was made before there were
                scopes, with the names of all of these. They could do everything, and go on so.
        """
        self._writer = writer
        self._now = now
        self._on_adopted = on_adopted

    def create(
        self, name: str = "", scope: Scope = "read", lifetime: timedelta | None = None
    ) -> NewKey:
        """Create a key; the caller gets it once, only its hash is stored.

        Args:
            name: what it is for.
            scope: what it may do.
            lifetime: how long it is good; None: until it is revoked.

        Raises:
            RefusedError: the name is too long or unprintable.
        """
        name = name.strip()
        if len(name) > _LONGEST_NAME or not (name.isprintable() or not name):
            raise RefusedError(f"A key's name has at most {_LONGEST_NAME} printable characters.")
        new_id = secrets.token_hex(4)
        key = f"{_MARK}_{new_id}_{secrets.token_urlsafe(32)}"
        expires_at = self._now() + lifetime if lifetime is not None else None
        row: _StoredKey = {
            "id": new_id,
            "name": name,
            "sha256": _hash(key),
            "created_at": self._now().isoformat(),
            "scope": scope,
            "expires_at": expires_at.isoformat() if expires_at else None,
            "last_used_at": None,
        }
        self._writer.set_fact(_FACT, [*self._stored(), row])
        return NewKey(new_id, key, scope, expires_at)

    def rows(self) -> list[ApiKey]:
        """Return every key that is not revoked, oldest first; never the key itself."""
        return [self._row(row) for row in self._stored()]

    def revoke(self, key_id: str) -> None:
        """Revoke a key.

        Raises:
            RefusedError: there is no key of that id.
        """
        rows = self._stored()
        kept = [row for row in rows if row["id"] != key_id]
        if len(kept) == len(rows):
            raise RefusedError(
                f"There is no API key {key_id}.",
                "simpletuner-tui api-key list shows them.",
                status=404,
                code="not_found",
            )
        self._writer.set_fact(_FACT, kept)

    def find(self, key: str) -> ApiKey | None:
        """Return the valid key of this text, or None; compares with all, in constant time."""
        digest = _hash(key)
        found = None
        rows = self._stored()
        for row in rows:
            if hmac.compare_digest(digest, row["sha256"]):
                found = row
        if found is None or (known := self._row(found))["expired"]:
            return None
        if "scope" not in found:
            self._adopt(rows)
        self._note_use(rows, found)
        return known

    def _adopt(self, rows: list[_StoredKey]) -> None:
        old = [row for row in rows if "scope" not in row]
        for row in old:
            row["scope"] = "admin"
        with contextlib.suppress(StoreError):
            self._writer.set_fact(_FACT, rows)
            self._on_adopted([row["name"] or row["id"] for row in old])

    def _row(self, row: _StoredKey) -> ApiKey:
        expires_at = row.get("expires_at")
        return {
            "id": row["id"],
            "name": row["name"],
            "scope": row.get("scope", "admin"),
            "created_at": row["created_at"],
            "expires_at": expires_at,
            "last_used_at": row.get("last_used_at"),
            "expired": expires_at is not None and datetime.fromisoformat(expires_at) <= self._now(),
        }

    def _note_use(self, rows: list[_StoredKey], row: _StoredKey) -> None:
        last, now = row.get("last_used_at"), self._now()
        # Also where the clock was set back, so that a use in the future does not stand for ever.
        if last is None or abs(now - datetime.fromisoformat(last)) >= _NOTE_USE:
            row["last_used_at"] = now.isoformat()
            with contextlib.suppress(StoreError):  # a full disk shuts nobody out
                self._writer.set_fact(_FACT, rows)

    def _stored(self) -> list[_StoredKey]:
        stored: list[_StoredKey] = self._writer.fact(_FACT) or []
        return stored


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
