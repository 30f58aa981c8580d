"""Reads addresses, networks and paths as people type them, above all for the listener."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tui.base.errors import RefusedError, refused_fields
from tui.base.listener_address import bind_for, public_base
from tui.base.text_fields import FieldError
from tui.settings.values import ListenerSettings

_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_LONGEST: Final = 255
_LONGEST_PATH: Final = 4096
_MOST: Final = 500
_LIKE: Final = "must be host:port, such as 127.0.0.1:8080"


def read_listen(value: Any) -> str:
    """Where to listen, as `host:port`; a port alone means this machine.

    Raises:
        FieldError: it cannot be listened on.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _LONGEST:
        raise FieldError(_LIKE)
    if "://" in text:
        raise FieldError(f"{_LIKE}; without {text.partition('://')[0]}://")
    if "@" in text or "/" in text:
        raise FieldError(f"{_LIKE}; without a user name or a path")
    if text.isascii() and text.isdecimal():
        text = f":{text}"
    host, colon, port = text.rpartition(":")
    if not colon:
        raise FieldError(f"has no port; {_LIKE}")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5):
        raise FieldError(f"has a port that is none; {_LIKE}")
    if not 0 < int(port) <= 65535:
        raise FieldError("must have a port from 1 to 65535: with 0 it would be another each time")
    return f"{_host(host)}:{int(port)}"


def _host(host: str) -> str:
    bare = host.removeprefix("[").removesuffix("]")
    if "%" in bare:
        raise FieldError(f"must not have a zone (%{bare.partition('%')[2]})")
    if not bare:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if ":" in bare:
            raise FieldError("is no IPv6 address; write [::1]:8080") from None
        if re.fullmatch(r"[\d.]+", bare):
            raise FieldError("is no IP address") from None
        if not _NAME.fullmatch(bare):
            raise FieldError("names no host; give an address of this machine") from None
        return bare.lower()
    if address.version == 4:
        return str(address)
    if not (host.startswith("[") and host.endswith("]")):
        raise FieldError(f"is not clear; write an IPv6 address in brackets: [{bare}]:8080")
    return f"[{address}]"


def read_public_url(value: Any) -> str:
    """The listener as the world reaches it, without our path; empty for none.

    Raises:
        FieldError: webhooks cannot be sent there.
    """
    if not isinstance(value, str):
        raise FieldError("must be an https address")
    try:
        return public_base(value)
    except RefusedError as error:
        raise FieldError(str(error.details["fields"]["webhook_url"])) from None


def read_networks(value: Any) -> tuple[str, ...]:
    """Addresses and networks, as a list or as one text with commas; without duplicates.

    Raises:
        FieldError: an item is neither, or covers all addresses.
    """
    items = value.replace(",", " ").replace(";", " ").split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise FieldError("must be a list of addresses and networks")
    if len(items) > _MOST:
        raise FieldError(f"has {len(items)} entries; {_MOST} are possible")
    return tuple(dict.fromkeys(read_network(item) for item in items))


def read_network(value: str) -> str:
    """One address or network, in its usual form.

    Raises:
        FieldError: it is neither, has bits outside its mask or a zone, or covers all addresses.
    """
    text = value.strip()
    shown = text if len(text) <= 50 else f"{text[:47]}…"
    if not text:
        raise FieldError("must not be empty; write 34.82.0.0/16 or 203.0.113.7")
    if "%" in text:
        zone = shown.partition("%")[2].partition("/")[0]
        raise FieldError(f"{shown} has a zone (%{zone}); write it without")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise FieldError(
            f"{shown} is neither an address nor a network such as 34.82.0.0/16"
        ) from None
    if network.prefixlen == 0:
        raise FieldError(f"{shown} is everybody; name the networks that are meant")
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen == network.max_prefixlen:
        return str(mapped)
    if "/" not in text:
        return str(network.network_address)
    if ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        raise FieldError(f"{shown} has bits outside its mask; write {network}")
    return str(network)


def read_path(value: Any) -> str:
    """A path as typed; whether it can be used is seen when it is.

    Raises:
        FieldError: it is none.
    """
    if not isinstance(value, str):
        raise FieldError("must be a path")
    text = value.strip()
    if len(text) > _LONGEST_PATH or not text.isprintable():
        raise FieldError("is no path")
    return text


def read_folder(value: Any) -> str:
    """A folder's path, whole; it need not exist yet, but where it is to be made must.

    Raises:
        FieldError: it is none, or there is a file, or no folder to make it in.
    """
    text = read_path(value)
    if not text:
        return text
    path = _whole(text)
    try:
        if path.exists() and not path.is_dir():
            raise FieldError("is a file; name a folder")
        if not path.exists() and not path.parent.is_dir():
            raise FieldError(f"cannot be made: there is no folder {text.rpartition('/')[0]}")
    except OSError as error:
        raise FieldError(f"cannot be looked at: {error.strerror or error}") from None
    return text


def read_config_folders(value: Any) -> tuple[str, ...]:
    """Whole paths of folders that are there, as a list or as one text with commas.

    Raises:
        FieldError: an item is no path, or there is no such folder.
    """
    items: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise FieldError("must be a list of paths")
    texts = tuple(dict.fromkeys(path for item in items if (path := read_path(item))))
    for text in texts:
        try:
            _check_folder(_whole(text))
        except FieldError as error:
            raise FieldError(f"names {text}, which {error}") from None
    return texts


def _check_folder(path: Path) -> None:
    """Look whether a folder is there.

    Raises:
        FieldError: it is not.
    """
    try:
        if not path.exists():
            raise FieldError("does not exist; make it first")
        if not path.is_dir():
            raise FieldError("is no folder")
    except OSError as error:
        raise FieldError(f"cannot be looked at: {error.strerror or error}") from None


def _whole(text: str) -> Path:
    """A path that is the same wherever the one who reads it is.

    Raises:
        FieldError: it is none.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # nobody has that home
        raise FieldError("is no path") from None
    if not path.is_absolute():
        raise FieldError("must be a whole path, from / or ~")
    return path


def check_public_bind(after: ListenerSettings, values: Mapping[str, Any]) -> None:
    """Refuse an address that other machines reach without the permission for it.

    `listen` and `allow_public_bind` have to agree before and after each change.

    Args:
        after: as the listener would be.
        values: what is being changed.

    Raises:
        RefusedError: the address and the permission do not agree.
    """
    if not {"listen", "allow_public_bind"} & set(values) or after.allow_public_bind:
        return
    if bind_for(after.listen, allow_public=True).warning:
        if "listen" in values:
            why = "can be reached by other machines; allow that first (allow_public_bind)"
            raise refused("listener.listen", why)
        why = f"is needed for {after.listen}; change that address first"
        raise refused("listener.allow_public_bind", why)


def refused(name: str, why: str) -> RefusedError:
    """The refusal of one setting."""
    return refused_fields({name: why})
