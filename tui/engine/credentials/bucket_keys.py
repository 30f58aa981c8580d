"""Key pairs of S3 destinations, in the keyring or for this session in memory; never in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.base.doors import Door
from tui.base.errors import RefusedError
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.profile import S3Keys
from tui.engine.transfers.destination_options import wrong
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret
from tui.secrets.keyring import KeyringError, delete_token, read_token, store_token

_NO_KEYRING: Final = ("there is no keyring", "no keyring service")
"""How the messages of `tui.secrets` begin when this machine has no keyring."""


class BucketKeys:
    """Key pairs by destination, each bound to one server."""

    def __init__(self) -> None:
        self._session: dict[str, S3Keys] = {}
        self._in_keyring: set[str] = set()  # remembered, as each look-up starts a process

    @property
    def in_memory(self) -> Iterable[str]:
        """Destinations whose keys are lost when this process ends."""
        return self._session

    async def keep(self, name: str, options: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Store the keys of a request; with `session_only` they stay in memory.

        Raises:
            RefusedError: a key is missing, or the keyring cannot store them (409,
                `keyring_unavailable`).
        """
        access, secret = str(body.get("access_key") or ""), str(body.get("secret_key") or "")
        if not access or not secret:
            raise wrong("access_key" if not access else "secret_key", "must not be empty")
        KNOWN.add(secret)  # the access key is a name
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
        """Return the keys of a destination.

        Raises:
            PublishError: there are none.
        """
        if name in self._session:
            return self._session[name]
        stored = await read_token(f"s3:{name}", host_of(options))
        if stored.value is not None:
            try:
                value = json.loads(stored.value.reveal())
                KNOWN.add(value["secret_key"])
                return S3Keys(value["access_key"], Secret(value["secret_key"]))
            except (ValueError, KeyError, TypeError):
                pass  # an entry of another program: treated as missing
        why = f" ({stored.problem})" if stored.problem else ""
        raise PublishError(
            f"There are no keys for the destination {name}{why}.",
            f"Give them again (e on the destination, or simpletuner-tui destinations keys {name}), "
            "then try again (r on the transfer).",
            Trouble.CREDENTIALS,
        )

    async def where(self, name: str, options: Mapping[str, Any]) -> str:
        """Return where the keys of a destination are: `keyring`, `session`, or `none`."""
        if name not in self._session and name not in self._in_keyring:
            try:
                await self.of(name, options)
            except PublishError:
                return "none"
            self._in_keyring.add(name)
        return "session" if name in self._session else "keyring"

    async def forget(self, name: str, options: Mapping[str, Any]) -> str:
        """Delete a destination's keys from the keyring; returns the problem, or ""."""
        self._in_keyring.discard(name)
        try:
            await delete_token(f"s3:{name}", host_of(options))
        except KeyringError as error:
            return error.message
        return ""

    async def drop(self, name: str, options: Mapping[str, Any]) -> str:
        """Delete the keys of a destination from memory and keyring; returns the problem, or ""."""
        in_memory = self._session.pop(name, None) is not None
        problem = await self.forget(name, options)
        # Keys in memory and no keyring: there was nothing else to delete.
        return "" if in_memory and problem.startswith(_NO_KEYRING) else problem


def same_server(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the keys of one destination may be used for another: scheme, host, port and path."""
    first, second = (options.get("endpoint") or "" for options in (one, other))
    return first == second or (Door.below(first) or first) == (Door.below(second) or second)


def host_of(options: Mapping[str, Any]) -> str:
    """Return the server that keys belong to: they are never sent to another one."""
    endpoint = options.get("endpoint")
    return urlsplit(endpoint).netloc if endpoint else "amazonaws.com"
