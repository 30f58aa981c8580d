"""The keys of S3 destinations: in the keyring, or for this session in memory; never in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.base.errors import RefusedError
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.profile import S3Keys
from tui.engine.transfers.destination_options import wrong
from tui.replicate.secret import Secret
from tui.secrets.keyring import KeyringError, delete_token, read_token, store_token

_NO_KEYRING: Final = ("there is no keyring", "no keyring service")
"""How it is said that no keyring can hold anything, in `keyring_helper`."""


class BucketKeys:
    """Key pairs by the name of their destination, each for one server alone."""

    def __init__(self) -> None:
        self._session: dict[str, S3Keys] = {}
        self._in_keyring: set[str] = set()  # asked once: each look starts a process

    @property
    def in_memory(self) -> Iterable[str]:
        """Destinations whose keys end with this process."""
        return self._session

    async def keep(self, name: str, options: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Take the keys of a request; with `session_only` they stay in memory.

        Raises:
            RefusedError: one is missing, or the keyring cannot keep them (409,
                `keyring_unavailable`).
        """
        access, secret = str(body.get("access_key") or ""), str(body.get("secret_key") or "")
        if not access or not secret:
            raise wrong("access_key" if not access else "secret_key", "must not be empty")
        keys = S3Keys(access, Secret(secret))
        if body.get("session_only"):
            self._session[name] = keys
            return
        value = Secret(json.dumps({"access_key": access, "secret_key": secret}))
        try:
            await store_token(f"s3:{name}", host_of(options), value)
        except KeyringError as error:
            raise RefusedError(
                f"The keyring cannot keep the keys: {error.message}.",
                "Unlock it, or give the keys for this session only (--session-only).",
                status=409,
                code="keyring_unavailable",
            ) from None
        self._session.pop(name, None)

    async def of(self, name: str, options: Mapping[str, Any]) -> S3Keys:
        """The keys of a destination.

        Raises:
            PublishError: there are none.
        """
        if name in self._session:
            return self._session[name]
        stored = await read_token(f"s3:{name}", host_of(options))
        if stored.value is not None:
            try:
                value = json.loads(stored.value.reveal())
                return S3Keys(value["access_key"], Secret(value["secret_key"]))
            except (ValueError, KeyError, TypeError):
                pass  # somebody else's entry: as good as none
        why = f" ({stored.problem})" if stored.problem else ""
        raise PublishError(
            f"There are no keys for the destination {name}{why}.",
            f"Give them again (e on the destination, or simpletuner-tui destinations keys {name}), "
            "then try again (r on the transfer).",
            Trouble.CREDENTIALS,
        )

    async def where(self, name: str, options: Mapping[str, Any]) -> str:
        """Where the keys of a destination are: `keyring`, `session`, or `none`."""
        if name not in self._session and name not in self._in_keyring:
            try:
                await self.of(name, options)
            except PublishError:
                return "none"
            self._in_keyring.add(name)
        return "session" if name in self._session else "keyring"

    async def forget(self, name: str, options: Mapping[str, Any]) -> str:
        """Remove what the keyring has for a server; says what stood in the way."""
        self._in_keyring.discard(name)
        try:
            await delete_token(f"s3:{name}", host_of(options))
        except KeyringError as error:
            return error.message
        return ""

    async def drop(self, name: str, options: Mapping[str, Any]) -> str:
        """Forget the keys of a destination wherever they are; says what stood in the way."""
        in_memory = self._session.pop(name, None) is not None
        problem = await self.forget(name, options)
        # Where there is no keyring, that is why they were in memory.
        return "" if in_memory and problem.startswith(_NO_KEYRING) else problem


def host_of(options: Mapping[str, Any]) -> str:
    """Whose keys they are: keys for one server are never sent to another."""
    endpoint = options.get("endpoint")
    return urlsplit(endpoint).netloc if endpoint else "amazonaws.com"
