"""Repository names on the Hub: what they may be, targets with them, and the rights of a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tui.destinations.common.errors import PublishError, Trouble, clean_line
from tui.simpletuner.request.delivery import clean_repo_id

HUB = "https://huggingface.co"

_WRITE = frozenset({"repo.write", "repo.content.write"})


@dataclass(frozen=True, slots=True)
class Namespace:
    """A user or an organisation that the token's owner belongs to.

    Attributes:
        writable: whether this token may write there; None when the Hub does not say.
    """

    name: str
    kind: Literal["user", "org"]
    writable: bool | None


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a token and its rights.

    Attributes:
        role: `read`, `write` or `fineGrained`.
        repos: repositories that a fine-grained token may write to, by id.
    """

    user: str
    role: str
    namespaces: tuple[Namespace, ...]
    repos: frozenset[str] = frozenset()

    def may_write(self, repo_id: str) -> bool | None:
        """Whether this token can write to a repository; None when unknown before an attempt."""
        if repo_id in self.repos:
            return True
        owner = repo_id.partition("/")[0]
        namespace = next((item for item in self.namespaces if item.name == owner), None)
        return False if namespace is None else namespace.writable


def read_identity(answer: Mapping[str, Any]) -> Identity:
    """Parse the answer of `GET /api/whoami-v2`.

    Raises:
        PublishError: it names nobody (`Trouble.NETWORK`: it says nothing about the token).
    """
    if not isinstance(answer, Mapping) or not answer.get("name"):
        raise PublishError(
            "What answers at the Hub's address does not say whose the token is.",
            "The token itself may be fine. Check HF_ENDPOINT and the network, or try again later.",
            Trouble.NETWORK,
        )
    token = answer.get("auth", {}).get("accessToken", {})
    role = clean_line(token.get("role", ""))
    user = clean_line(answer.get("name", ""))
    scoped = token.get("fineGrained", {}).get("scoped", [])
    allowed = {
        str(item.get("entity", {}).get("name", ""))
        for item in scoped
        if _WRITE & set(item.get("permissions", []))
    }

    def writable(name: str, membership: str) -> bool | None:
        if role == "read" or membership == "read":
            return False
        if role == "fineGrained":
            return name in allowed
        if role == "write":
            return None if membership == "contributor" else True
        return None

    names = [Namespace(user, "user", writable(user, ""))]
    for org in answer.get("orgs", []):
        name = clean_line(org.get("name", ""))
        names.append(Namespace(name, "org", writable(name, str(org.get("roleInOrg", "")))))
    repos = frozenset(name for name in allowed if "/" in name)
    return Identity(user, role, tuple(names), repos)


def check_repo_id(text: str) -> str:
    """Return `owner/name` from typed or pasted text.

    Raises:
        PublishError: it is not a repository's name, names no owner, or is a dataset's address.
    """
    if "/datasets/" in f"/{text}" or "/spaces/" in f"/{text}":
        raise PublishError(
            f"{text} is the address of a dataset or a Space.",
            "Give a model repository, as owner/name.",
            Trouble.NAME,
        )
    repo_id = clean_repo_id(text)
    if repo_id is None:
        raise PublishError(
            f"{text!r} is no name of a repository.",
            "Use owner/name: letters, digits, '-', '_' and '.', at most 96 each, without '--'.",
            Trouble.NAME,
        )
    if "/" not in repo_id:
        raise PublishError(
            f"{text!r} names no owner.", f"Write it as your-name/{repo_id}.", Trouble.NAME
        )
    return repo_id


@dataclass(frozen=True, slots=True)
class HubTarget:
    """The repository and folder that files are published to.

    Attributes:
        repo_id: `owner/name`, or the address of the repository (see `check_repo_id`).
        folder: the folder in the repository; "" is its root.
        private: the visibility of the repository, if it has to be created.
        endpoint: the Hub's address.
        xet: whether large files may be sent by Xet.
    """

    repo_id: str
    folder: str = ""
    private: bool = True
    endpoint: str = HUB
    xet: bool = True
