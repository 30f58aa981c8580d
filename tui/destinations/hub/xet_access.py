"""What opens the Xet storage of a repository: where it is, and a token for it that soon ends.

`hf_xet` would ask the Hub for it with the user's token, follow redirects, and go wherever the Hub
says, by rules of its own. So the Hub is asked here, behind the doors that hold for every other
request, and `hf_xet` gets no token but that of the storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from tui.base.addresses import AddressError, Purpose, read_address
from tui.base.hosts import is_loopback
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_STORAGE: Final = Purpose("https://cas.example.org", longest=2000)
_STORAGES: Final = {"huggingface.co": (".hf.co", ".huggingface.co")}
"""Where the storage of a Hub may be: below these names. Another Hub's may be anywhere by https."""


class StrangeStorageError(Exception):
    """The Hub named a storage to which no token may go."""


@dataclass(frozen=True, slots=True)
class XetAccess:
    """Access to the storage of a repository.

    Attributes:
        endpoint: address of the storage.
        token: opens it.
        ends_at: when the token ends, in seconds since 1970.
    """

    endpoint: str
    token: Secret
    ends_at: int


def ask_for_access(api: HfApi, repo_id: str) -> XetAccess:
    """Ask the Hub for access to write to a repository.

    Raises:
        StrangeStorageError: no token may go to the storage that it named.
        Exception: any error of the library.
    """
    from huggingface_hub import get_session

    url = f"{api.endpoint}/api/models/{quote(repo_id)}/xet-write-token/main"
    headers = {"authorization": f"Bearer {api.token}"} if api.token else {}
    answer = get_session().get(url, headers=headers)
    answer.raise_for_status()
    access = _read(answer.json())
    if not may_be_storage(str(api.endpoint), access.endpoint):
        raise StrangeStorageError(f"The Hub names {access.endpoint!r} as its storage.")
    KNOWN.add(access.token)
    return access


def may_be_storage(hub: str, storage: str) -> bool:
    """Whether a Hub's token for a storage may go to the address that it names."""
    if storage.startswith("local://"):  # a folder, which the sandbox names
        return is_loopback(hub)
    try:
        address = read_address(storage, _STORAGE)
    except AddressError:
        return False
    if address.scheme != "https":
        return is_loopback(hub) and is_loopback(storage)
    host = urlsplit(address.url).hostname or ""
    below = _STORAGES.get(urlsplit(hub).hostname or "")
    return below is None or host.endswith(below)


def _read(data: Any) -> XetAccess:
    try:
        return XetAccess(
            str(data["casUrl"]).rstrip("/"), Secret(str(data["accessToken"])), int(data["exp"])
        )
    except (KeyError, TypeError, ValueError):
        raise StrangeStorageError("The Hub's answer names no storage.") from None
