"""Users, organisations, and the permissions of the three kinds of tokens.

The sandbox accepts any token that begins with `hf_`. The next word sets its permissions, so that a
user can try a bad token without an account: `hf_read…` only reads, `hf_expired…` is refused,
`hf_fine…` writes only to the user's own namespace, `hf_one…` only to `<user>/only-this`; any other
token may write.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum

from tui.base.json_types import JsonObject

HUB_TOKEN = "hf_write"  # noqa: S105 - valid in the sandbox only
"""A token that may write."""
_CREATED = "2025-01-01T00:00:00.000Z"


class Role(Enum):
    """The kinds of access tokens of the Hub."""

    READ = "read"
    WRITE = "write"
    FINE_GRAINED = "fineGrained"


@dataclass(frozen=True, slots=True)
class Scope:
    """The permissions of a fine-grained token for one entity.

    Attributes:
        kind: `user`, `org`, `model` or `dataset`.
        name: of a user or organisation, or `owner/name` of a repository.
        permissions: such as `repo.write`.
    """

    kind: str
    name: str
    permissions: tuple[str, ...] = ("repo.content.read", "repo.write")


@dataclass(frozen=True, slots=True)
class HubToken:
    """One access token."""

    user: str
    role: Role = Role.WRITE
    scopes: tuple[Scope, ...] = ()
    expired: bool = False
    reads_gated: bool = True

    def may_write(self, namespace: str, repo_id: str | None = None) -> bool:
        """Whether the token's scopes allow writing; `Accounts.belongs` checks the membership."""
        if self.role is Role.WRITE:
            return True
        if self.role is Role.READ:
            return False
        return any(
            "repo.write" in scope.permissions
            and (
                (scope.kind in {"user", "org"} and scope.name == namespace)
                or (repo_id is not None and scope.name == repo_id)
            )
            for scope in self.scopes
        )


@dataclass(slots=True)
class Accounts:
    """The users and organisations.

    Attributes:
        username: the user of the `hf_…` tokens.
        orgs: the user's organisations and role in each.
        tokens: further tokens by their text.
    """

    username: str = "sandbox"
    orgs: dict[str, str] = field(default_factory=lambda: {"sandbox-lab": "admin"})
    tokens: dict[str, HubToken] = field(default_factory=dict, repr=False)

    def token(self, text: str) -> HubToken | None:
        """The permissions of a token; None when it is unknown or expired."""
        known = self.tokens.get(text) or self._by_word(text)
        return None if known is None or known.expired else known

    def _by_word(self, text: str) -> HubToken | None:
        word = text.removeprefix("hf_")
        if word == text or not word:
            return None
        own = Scope("user", self.username)
        only_this = Scope("model", f"{self.username}/only-this")
        if word.startswith("read"):
            return HubToken(self.username, Role.READ)
        if word.startswith("expired"):
            return HubToken(self.username, expired=True)
        if word.startswith("fine"):
            return HubToken(self.username, Role.FINE_GRAINED, (own,))
        if word.startswith("one"):
            return HubToken(self.username, Role.FINE_GRAINED, (only_this,))
        return HubToken(self.username)

    def belongs(self, token: HubToken, namespace: str) -> bool:
        """Whether the token's user may write to a namespace."""
        if namespace == token.user:
            return True
        return token.user == self.username and self.orgs.get(namespace) in {"admin", "write"}

    def whoami(self, token: HubToken) -> JsonObject:
        """The body of `GET /api/whoami-v2`."""
        orgs = self.orgs if token.user == self.username else {}
        access: JsonObject = {
            "displayName": "sandbox token",
            "role": token.role.value,
            "createdAt": _CREATED,
        }
        if token.role is Role.FINE_GRAINED:
            access["fineGrained"] = {
                "canReadGatedRepos": token.reads_gated,
                "global": [],
                "scoped": [
                    {
                        "entity": {
                            "_id": _identity(scope.name), "type": scope.kind, "name": scope.name
                        },
                        "permissions": list(scope.permissions),
                    }
                    for scope in token.scopes
                ],
            }  # fmt: skip
        return {
            "type": "user",
            "id": _identity(token.user),
            "name": token.user,
            "fullname": token.user.title(),
            "isPro": False,
            "canPay": False,
            "periodEnd": None,
            "avatarUrl": "/avatars/0.svg",
            "orgs": [
                {
                    "type": "org", "id": _identity(name), "name": name, "fullname": name,
                    "isEnterprise": False, "canPay": False, "roleInOrg": role,
                    "avatarUrl": "/avatars/1.svg",
                }
                for name, role in orgs.items()
            ],
            "auth": {"type": "access_token", "accessToken": access},
        }  # fmt: skip


def _identity(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
