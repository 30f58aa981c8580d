"""Proves that a token can write to a repository on the Hub.

The rights in the token's description are not enough: those of organisations, resource groups and
quotas are known only to the Hub. An existing repository is therefore tested with the Hub's own
write check, and one that does not exist is created.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from tui.destinations.common.contract import Step
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.client import open_api
from tui.destinations.hub.create_repo import call_hub, create_repo
from tui.destinations.hub.errors import TOKENS_PAGE
from tui.destinations.hub.names import Identity, check_repo_id, read_identity
from tui.destinations.hub.probe import RepoState, availability
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Effort = Literal["look", "try", "make"]
"""How far to go for a repository that does not exist: `look` reads the token's rights only, `try`
creates and deletes it, `make` creates it for good."""
_TEMPORARY: Final = frozenset({Trouble.NETWORK, Trouble.BUSY, Trouble.TLS})
_ROLES: Final = {"fineGrained": "fine-grained", "write": "write", "read": "read-only"}


@dataclass(frozen=True, slots=True)
class WriteProof:
    """The result of a check.

    Attributes:
        steps: the findings, in order.
        unknown: no step failed, but the proof is incomplete.
        repo_id: the repository with its owner; "" when none was named.
    """

    steps: tuple[Step, ...]
    unknown: bool = False
    repo_id: str = ""


def prove_write(
    wanted: str,
    token: Secret,
    *,
    endpoint: str,
    network: NetworkSettings,
    private: bool = True,
    effort: Effort = "look",
) -> WriteProof:
    """Check whether results can be written to a repository. Blocking; never raises.

    Args:
        wanted: `owner/name`, a bare name (of the token's owner), an address, or "": then only the
            owner's own namespace is checked.
        token: the token that the trainer would get.
        endpoint: the Hub's address.
        network: the network settings in force.
        private: the visibility of the repository, if it is created.
        effort: how far to go.
    """
    check = _WriteCheck(wanted, token, endpoint, network, private, effort)
    try:
        check.run()
    except PublishError as error:
        check.add_failure(error)
    return WriteProof(tuple(check.steps), check.unknown, check.repo_id)


@dataclass
class _WriteCheck:
    """A check in progress."""

    wanted: str
    token: Secret
    endpoint: str
    network: NetworkSettings
    private: bool
    effort: Effort
    steps: list[Step] = field(default_factory=list)
    unknown: bool = False
    repo_id: str = ""
    step_id: str = "hub-token"

    def add_failure(self, error: PublishError) -> None:
        """Add a failed call: an error of the repository, or a temporary one that says nothing."""
        if error.kind in _TEMPORARY:
            self.unknown = True
        level: Literal["warn", "error"] = "warn" if error.kind in _TEMPORARY else "error"
        self.add(level, error.message, error.advice)

    def add(self, level: Literal["ok", "warn", "error"], text: str, advice: str = "") -> None:
        self.steps.append(Step(self.step_id, level, text.rstrip("."), advice))

    def run(self) -> None:
        api = open_api(self.endpoint, self.token, self.network)
        identity = self._identity(api)
        role = _ROLES.get(identity.role, identity.role)
        self.add("ok", f"Hugging Face token valid, @{identity.user} ({role})")
        self.step_id = "hub-write"
        if identity.role == "read":
            self.add(
                "error",
                "the Hugging Face token can only read",
                f"Make one with write access: {TOKENS_PAGE}",
            )
            return
        repo_name = self._resolve_name(identity)
        if repo_name is None:
            return
        self.step_id = "hub-write"
        if identity.may_write(repo_name) is False:
            owner = repo_name.partition("/")[0]
            self.add(
                "error",
                f"the token may not write under {owner}",
                f"Give it write access to {owner}: {TOKENS_PAGE}",
            )
            return
        self._prove(api, identity, repo_name)
        if self.wanted:
            self._dataset(api, repo_name)

    def _identity(self, api: HfApi) -> Identity:
        return call_hub(api, "", lambda: read_identity(api.whoami()))

    def _resolve_name(self, identity: Identity) -> str | None:
        """Return the repository with its owner, if the token's owner belongs to it."""
        self.step_id = "hub-repo"
        if not self.wanted:
            # A random name, which no repository of the user's has.
            return f"{identity.user}/simpletuner-check-{os.urandom(6).hex()}"
        bare = "/" not in self.wanted.strip().strip("/")
        try:
            self.repo_id = check_repo_id(f"{identity.user}/{self.wanted}" if bare else self.wanted)
        except PublishError as error:
            self.add("error", error.message, error.advice)
            return None
        owner, _, name = self.repo_id.partition("/")
        namespaces = {item.name.lower(): item.name for item in identity.namespaces}
        if owner.lower() not in namespaces and self.repo_id not in identity.repos:
            self.step_id = "hub-owner"
            self.add(
                "error",
                f"@{identity.user} does not belong to {owner}",
                f"Use {identity.user}/{name}.",
            )
            return None
        return self.repo_id

    def _prove(self, api: HfApi, identity: Identity, name: str) -> None:
        self.step_id = "hub-repo"
        state: RepoState = "free"
        if self.wanted:
            state = availability(name, self.token, endpoint=self.endpoint, network=self.network)
        if state == "ours":
            self.add("ok", f"{name} exists and the token may write to it; files are added")
        elif state == "taken":
            self.step_id = "hub-write"
            self.add(
                "error",
                f"{name} exists and this token may not write to it",
                f"Choose another name, or give the token write access to it: {TOKENS_PAGE}",
            )
        elif self.effort == "look":
            self._judge_by_rights(identity, name)
        else:
            self._make(api, name)

    def _judge_by_rights(self, identity: Identity, name: str) -> None:
        what = f"{name} is free" if self.wanted else "no repository is named yet"
        if identity.may_write(name):
            self.add("ok", f"{what}; the token's rights allow to make it")
            return
        self.unknown = True
        self.add(
            "warn",
            f"{what}; whether the token may make it is not told",
            "The check on the Cloud screen proves it by trying.",
        )

    def _make(self, api: HfApi, name: str) -> None:
        """Create the repository, check the right to write to it, delete it unless it is kept."""
        self.step_id = "hub-write"
        visibility = "private" if self.private else "public"
        kept = self.effort == "make"

        def left(error: PublishError) -> None:
            nonlocal kept
            kept = True
            self.add(
                "warn",
                f"{name} was made to try and could not be removed: {error.message}",
                "It is empty; delete it on its page, or use it.",
            )

        create_repo(api, name, private=self.private, keep=kept, left=left)
        if kept:
            self.add("ok", f"{name} was made ({visibility}, empty): the token can write")
        elif self.wanted:
            self.add("ok", f"{name} is free, and the token can make it: tried, and removed again")
        else:
            owner = name.partition("/")[0]
            self.add("ok", f"the token can make repositories of {owner}: tried, and removed again")

    def _dataset(self, api: HfApi, name: str) -> None:
        self.step_id = "hub-dataset"
        try:
            call_hub(api, name, lambda: api.repo_info(name, repo_type="dataset"))
        except PublishError:  # there is none, or none that this token may know of
            return
        self.add(
            "warn",
            f"there is a dataset called {name} as well",
            "Both can live side by side; another name would confuse nobody.",
        )
