"""Stores tokens in the operating system's keyring, and nowhere else.

Every keyring call runs in a process of its own with a time limit: a locked keyring may open a
prompt on a desktop where nobody is, and a hung one never answers. A thread could not be stopped
then and would keep the program from exiting. Only backends that encrypt what they store are
trusted: the automatic choice of the `keyring` library may be a plain file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret

SERVICE: Final = "simpletuner-tui"
"""Service name of our entries; the user name is `<kind>@<host>`, such as
`replicate@api.replicate.com`."""
_LIMIT: Final = 4.0  # seconds
NO_KEYRING: Final = "there is no keyring that can be trusted with a token on this machine"
NO_COLLECTION: Final = (
    "the keyring has no collection to store a token in, and no screen to ask for its password"
)
"""gnome-keyring makes its first collection by a prompt, which needs a desktop."""
MAKE_COLLECTION: Final = (
    'Make one in this session: read -rs PASSWORD; printf %s "$PASSWORD" | '
    "gnome-keyring-daemon --replace --unlock --daemonize --components=secrets"
)
VARIABLES: Final = {"replicate": "REPLICATE_API_TOKEN", "huggingface": "HF_TOKEN"}
"""The environment variable of each token; a shell's alone, when no keyring keeps it."""
TRUSTED_BACKENDS: Final = (
    "keyring.backends.SecretService.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.kwallet.DBusKeyringKWallet4",
    "keyring.backends.macOS.Keyring",
    "keyring.backends.Windows.WinVaultKeyring",
)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """The answer of the keyring to a look-up.

    Attributes:
        value: the token, or None.
        problem: why the keyring could not be read; "" when it has no such entry.
        backend: the keyring's name.
    """

    value: Secret | None
    problem: str = ""
    backend: str = ""


class KeyringError(Exception):
    """The keyring did not carry out a request.

    Attributes:
        message: the reason, for the screen.
        advice: what the user can do.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = "Start and unlock a keyring; what is secret is never written to a file."
        if message == NO_COLLECTION:
            self.advice = MAKE_COLLECTION
        elif kind in VARIABLES:
            self.advice = f"Start and unlock a keyring, or {for_this_shell(kind)}"


def for_this_shell(kind: str) -> str:
    """How a token is given to one shell: typed there, so that no file and no history has it."""
    name = VARIABLES[kind]
    return f"give the token to this shell alone: read -rs {name} && export {name}"


async def read_token(kind: str, host: str) -> StoredToken:
    """Look a token up; never raises, and takes at most `_LIMIT` seconds."""
    try:
        answer = await _call("get", f"{kind}@{host}")
    except KeyringError as error:
        return StoredToken(None, error.message)
    value = answer.get("value")
    KNOWN.add(value)
    return StoredToken(Secret(value) if value else None, "", answer.get("backend") or "")


async def store_token(kind: str, host: str, value: Secret) -> str:
    """Store a token; returns the keyring's name.

    Raises:
        KeyringError: it was not stored.
    """
    KNOWN.add(value)
    answer = await _call("set", f"{kind}@{host}", value.reveal())
    return answer.get("backend") or ""


async def delete_token(kind: str, host: str) -> bool:
    """Delete a token; False when there was none.

    Raises:
        KeyringError: the keyring cannot be reached.
    """
    answer = await _call("delete", f"{kind}@{host}")
    return answer.get("deleted") == "yes"


def has_session_bus(platform: str, environ: Mapping[str, str]) -> bool:
    """Whether a keyring can be reached: both of Linux's need the D-Bus of the session.

    The order follows the D-Bus specification: the variable DBUS_SESSION_BUS_ADDRESS, else the
    socket in the runtime directory, else the address that the X display holds.
    """
    if not platform.startswith("linux"):
        return True
    runtime = environ.get("XDG_RUNTIME_DIR")
    return bool(
        environ.get("DBUS_SESSION_BUS_ADDRESS")
        or environ.get("DISPLAY")
        or (runtime and Path(runtime, "bus").exists())
    )


async def _call(action: str, user: str, value: str = "") -> dict[str, str]:
    """Ask the helper process; the token goes to its input, as arguments are visible to others."""
    if not has_session_bus(sys.platform, os.environ):  # saves starting a process
        raise KeyringError(NO_KEYRING, user.partition("@")[0])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tui.secrets.helper", action, SERVICE, user,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LIMIT):
            output, _ = await process.communicate(value.encode())
    except TimeoutError:
        raise KeyringError(
            "the keyring does not answer; it may be locked and waiting for a prompt elsewhere",
            user.partition("@")[0],
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer: dict[str, str] = json.loads(output)
    except ValueError:
        raise KeyringError("the keyring could not be used") from None
    if answer.get("problem"):
        raise KeyringError(answer["problem"], user.partition("@")[0])
    return answer
