"""The process that talks to the keyring: `python -m tui.secrets.helper ACTION SERVICE USER`.

Prints one JSON object: `{value, backend}`, `{backend}`, `{deleted}` or `{problem}`. A token to
store is read from standard input.
"""

from __future__ import annotations

import json
import sys

from tui.secrets.keyring import NO_COLLECTION, NO_KEYRING, TRUSTED_BACKENDS


def main() -> int:
    """Run one action and print its outcome."""
    action, service, user = sys.argv[1:4]
    value = sys.stdin.read() if action == "set" else ""
    try:
        answer = _act(action, service, user, value)
    except Exception as error:  # noqa: BLE001  backends raise their D-Bus library's own errors
        answer = {"problem": _problem_of(error)}
    sys.stdout.write(json.dumps(answer))
    return 0


def _act(action: str, service: str, user: str, value: str) -> dict[str, str]:
    import keyring
    from keyring.backends import chainer
    from keyring.errors import PasswordDeleteError

    chosen = keyring.get_keyring()
    candidates = chosen.backends if isinstance(chosen, chainer.ChainerBackend) else [chosen]
    trusted = next((item for item in candidates if _name(item) in TRUSTED_BACKENDS), None)
    if trusted is None:
        return {"problem": _missing_keyring_problem()}
    backend = {"backend": str(trusted.name)}
    if action == "get":
        password = trusted.get_password(service, user)
        return {**backend, **({"value": password} if password else {})}
    if action == "set":
        trusted.set_password(service, user, value)
        return backend
    try:
        trusted.delete_password(service, user)
    except PasswordDeleteError:
        return {**backend, "deleted": "no"}
    return {**backend, "deleted": "yes"}


def _missing_keyring_problem() -> str:
    """Tell a D-Bus session that does not answer from a machine without a keyring."""
    from keyring.backends import SecretService

    if not sys.platform.startswith("linux"):
        return NO_KEYRING
    try:
        _ = SecretService.Keyring.priority
    except TimeoutError:
        return "the D-Bus session does not answer, so no keyring can be asked"
    except Exception:  # noqa: BLE001  any other error means that there is no keyring
        return NO_KEYRING
    return NO_KEYRING


def _name(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _problem_of(error: Exception) -> str:
    name = type(error).__name__
    if "Locked" in name:
        return "the keyring is locked"
    if "create the collection" in str(error) and "dismissed" in str(error):
        return NO_COLLECTION
    if "Init" in name or "NoKeyring" in name or "NotAvailable" in name:
        return "no keyring service is running"
    return f"the keyring refused ({name})"


if __name__ == "__main__":
    sys.exit(main())
