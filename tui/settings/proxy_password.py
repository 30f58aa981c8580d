"""The password inside a proxy's address: taken out, put back, hidden."""

from __future__ import annotations

from urllib.parse import unquote

from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import MASK, Secret


def split_password(address: str) -> tuple[str, Secret | None]:
    """A proxy's address without its password, and the password as it stood there."""
    scheme, separator, rest = address.partition("://")
    login, at, host = rest.rpartition("@")
    name, colon, word = login.partition(":")
    if not (separator and at and colon):
        return address, None
    KNOWN.add(word, unquote(word))
    return f"{scheme}://{name}@{host}", Secret(word)


def with_password(address: str, password: Secret) -> str:
    """The opposite of `split_password`."""
    scheme, _, rest = address.partition("://")
    name, at, host = rest.rpartition("@")
    return f"{scheme}://{name}:{password.reveal()}@{host}" if at else address


def mask_password(address: str) -> str:
    """A proxy's address with `***` for its password."""
    bare, password = split_password(address)
    return address if password is None else with_password(bare, Secret(MASK))
