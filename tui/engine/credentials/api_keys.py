"""API keys for callers over TCP: created and revoked by the user, stored as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tui.api.engine import ApiKey
from tui.base.errors import RefusedError
from tui.store.writer import StoreWriter

HOW_TO_MAKE_ONE: Final = "simpletuner-tui api-key create"
_FACT: Final = "api_keys"
_MARK: Final = "sttui"
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key; later only its hash is known."""

    id: str
    key: str

    def __repr__(self) -> str:
        return f"NewKey({self.id}, ***)"


class _StoredKey(ApiKey):
    """A key as the store has it: its hash in hex, never the key."""

    sha256: str


class ApiKeys:
    """The keys that are valid now.

    A key has 256 random bits, so a guess is hopeless whatever the hash; SHA-256 needs no salt or
    stretching here, as it would for passwords.
    """

    def __init__(self, writer: StoreWriter, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._now = now

    def create(self, name: str = "") -> NewKey:
        """Create a key; the caller gets it once, only its hash is stored.

        Raises:
            RefusedError: the name is too long or unprintable.
        """
        name = name.strip()
        if len(name) > _LONGEST_NAME or not (name.isprintable() or not name):
            raise RefusedError(f"A key's name has at most {_LONGEST_NAME} printable characters.")
        new_id = secrets.token_hex(4)
        key = f"{_MARK}_{new_id}_{secrets.token_urlsafe(32)}"
        row = {
            "id": new_id,
            "name": name,
            "sha256": _hash(key),
            "created_at": self._now().isoformat(),
        }
        self._writer.set_fact(_FACT, [*self._stored(), row])
        return NewKey(new_id, key)

    def rows(self) -> list[ApiKey]:
        """Return `{id, name, created_at}` of each key, oldest first."""
        return [
            {"id": row["id"], "name": row["name"], "created_at": row["created_at"]}
            for row in self._stored()
        ]

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

    def accepts(self, key: str) -> bool:
        """Whether a key is valid; compares with every stored one, in constant time."""
        digest = _hash(key)
        accepted = False
        for row in self._stored():
            accepted |= hmac.compare_digest(digest, row["sha256"])
        return accepted

    def _stored(self) -> list[_StoredKey]:
        stored: list[_StoredKey] = self._writer.fact(_FACT) or []
        return stored


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
