"""Proving that a token can write to a repository on the Hub, by doing it.

What a token says of itself is not enough: rights of organisations, resource groups and quotas are
known to the Hub alone. So an existing repository is asked about with the Hub's own write check, and
one that does not exist is made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from tui.destinations.common.contract import Step
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.client import open_api
from tui.destinations.hub.create_repo import asked, make
from tui.destinations.hub.errors import TOKENS_PAGE
from tui.destinations.hub.names import Identity, check_repo_id, read_identity
from tui.destinations.hub.probe import RepoState, availability
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Effort = Literal["look", "try", "make"]
"""How a repository that does not exist is proved: by the token's rights alone (nothing changes), by
making it and deleting it again, or by making it for good."""
_PASSING: Final = frozenset({Trouble.NETWORK, Trouble.BUSY, Trouble.TLS})
_ROLES: Final = {"fineGrained": "fine-grained", "write": "write", "read": "read-only"}


@dataclass(frozen=True, slots=True)
class WriteProof:
    """What was found.

    Attributes:
        steps: in the order in which they were looked at.
        unknown: nothing is known to be wrong, but the proof is not complete either.
        repo_id: the repository that was meant, with its owner; empty when none was named.
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
    """Whether results could be written to a repository. Blocking; never raises.

    Args:
        wanted: `owner/name`, a bare name (the token's owner is meant), an address, or empty: then
            only the owner's own name space is proved.
        token: the token that the trainer would get.
        endpoint: the Hub it is for.
        network: the way out.
        private: how the repository is made.
        effort: what may be done to prove it.
    """
    look = _Look(wanted, token, endpoint, network, private, effort)
    try:
        look.everything()
    except PublishError as error:
        look.trouble(error)
    return WriteProof(tuple(look.steps), look.unknown, look.repo_id)


@dataclass
class _Look:
    """One proof under way."""

    wanted: str
    token: Secret
    endpoint: str
    network: NetworkSettings
    private: bool
    effort: Effort
    steps: list[Step] = field(default_factory=list)
    unknown: bool = False
    repo_id: str = ""
    at: str = "hub-token"

    def trouble(self, error: PublishError) -> None:
        """A call that failed: either it says what is wrong, or that nothing could be learned."""
        if error.kind in _PASSING:
            self.unknown = True
        level: Literal["warn", "error"] = "warn" if error.kind in _PASSING else "error"
        self.say(level, error.message, error.advice)

    def say(self, level: Literal["ok", "warn", "error"], text: str, advice: str = "") -> None:
        self.steps.append(Step(self.at, level, text.rstrip("."), advice))

    def everything(self) -> None:
        api = open_api(self.endpoint, self.token, self.network)
        who = self._identity(api)
        self.say("ok", f"Hugging Face token valid, @{who.user} ({_ROLES.get(who.role, who.role)})")
        self.at = "hub-write"
        if who.role == "read":
            self.say(
                "error",
                "the Hugging Face token can only read",
                f"Make one with write access: {TOKENS_PAGE}",
            )
            return
        named = self._named(who)
        if named is None:
            return
        self.at = "hub-write"
        if who.may_write(named) is False:
            owner = named.partition("/")[0]
            self.say(
                "error",
                f"the token may not write under {owner}",
                f"Give it write access to {owner}: {TOKENS_PAGE}",
            )
            return
        self._prove(api, who, named)
        if self.wanted:
            self._dataset(api, named)

    def _identity(self, api: HfApi) -> Identity:
        return asked(api, "", lambda: read_identity(api.whoami()))

    def _named(self, who: Identity) -> str | None:
        """The repository with its owner, if it is one that the token's owner may write to."""
        self.at = "hub-repo"
        if not self.wanted:
            # Nothing of the user's is called like this.
            return f"{who.user}/simpletuner-check-{os.urandom(6).hex()}"
        bare = "/" not in self.wanted.strip().strip("/")
        try:
            self.repo_id = check_repo_id(f"{who.user}/{self.wanted}" if bare else self.wanted)
        except PublishError as error:
            self.say("error", error.message, error.advice)
            return None
        owner, _, name = self.repo_id.partition("/")
        theirs = {item.name.lower(): item.name for item in who.namespaces}
        if owner.lower() not in theirs and self.repo_id not in who.repos:
            self.at = "hub-owner"
            self.say("error", f"@{who.user} does not belong to {owner}", f"Use {who.user}/{name}.")
            return None
        return self.repo_id

    def _prove(self, api: HfApi, who: Identity, name: str) -> None:
        self.at = "hub-repo"
        state: RepoState = "free"
        if self.wanted:
            state = availability(name, self.token, endpoint=self.endpoint, network=self.network)
        if state == "ours":
            self.say("ok", f"{name} exists and the token may write to it; files are added")
        elif state == "taken":
            self.at = "hub-write"
            self.say(
                "error",
                f"{name} exists and this token may not write to it",
                f"Choose another name, or give the token write access to it: {TOKENS_PAGE}",
            )
        elif self.effort == "look":
            self._by_its_word(who, name)
        else:
            self._make(api, name)

    def _by_its_word(self, who: Identity, name: str) -> None:
        what = f"{name} is free" if self.wanted else "no repository is named yet"
        if who.may_write(name):
            self.say("ok", f"{what}; the token's rights allow to make it")
            return
        self.unknown = True
        self.say(
            "warn",
            f"{what}; whether the token may make it is not told",
            "The check on the Cloud screen proves it by trying.",
        )

    def _make(self, api: HfApi, name: str) -> None:
        """Make the repository; ask for the right to write to it; unmake it where that was all."""
        self.at = "hub-write"
        look = "private" if self.private else "public"
        kept = self.effort == "make"

        def left(error: PublishError) -> None:
            nonlocal kept
            kept = True
            self.say(
                "warn",
                f"{name} was made to try and could not be removed: {error.message}",
                "It is empty; delete it on its page, or use it.",
            )

        make(api, name, private=self.private, keep=kept, left=left)
        if kept:
            self.say("ok", f"{name} was made ({look}, empty): the token can write")
        elif self.wanted:
            self.say("ok", f"{name} is free, and the token can make it: tried, and removed again")
        else:
            owner = name.partition("/")[0]
            self.say("ok", f"the token can make repositories of {owner}: tried, and removed again")

    def _dataset(self, api: HfApi, name: str) -> None:
        self.at = "hub-dataset"
        try:
            asked(api, name, lambda: api.repo_info(name, repo_type="dataset"))
        except PublishError:  # there is none, or none that this token may know of
            return
        self.say(
            "warn",
            f"there is a dataset called {name} as well",
            "Both can live side by side; another name would confuse nobody.",
        )
