"""Tests a Hub destination; deletes what it creates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from tui.destinations.common.contract import Step, TestReport
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble
from tui.destinations.hub.client import open_api
from tui.destinations.hub.create_repo import create_repo
from tui.destinations.hub.errors import TOKENS_PAGE, explain
from tui.destinations.hub.names import Identity, check_repo_id, read_identity
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from tui.destinations.hub.names import HubTarget

RepoState = Literal["free", "ours", "taken"]


def identity(token: Secret, *, endpoint: str, network: NetworkSettings | None = None) -> Identity:
    """Return the owner of a token, with the names that it may publish under.

    Raises:
        PublishError: the token is not valid, or the Hub cannot be reached.
    """
    return _identity(open_api(endpoint, token, network or NetworkSettings()))


def availability(
    repo_id: str, token: Secret, *, endpoint: str, network: NetworkSettings | None = None
) -> RepoState:
    """Return whether a name is free, a repository that the token may write to, or taken.

    Raises:
        PublishError: the name is invalid, or the Hub does not answer.
    """
    name = check_repo_id(repo_id)
    api = open_api(endpoint, token, network or NetworkSettings())
    return _state(api, name)


def check_readable(
    repo_id: str, token: Secret, *, endpoint: str, network: NetworkSettings | None = None
) -> bool:
    """Check that a token may download a model; true when it may.

    Raises:
        PublishError: it may not (`Trouble.PERMISSION`: its conditions are not accepted), there is
            no such model (`Trouble.MISSING`), or the Hub does not answer.
    """
    api = open_api(endpoint, token, network or NetworkSettings())
    try:
        api.auth_check(repo_id)
    except Exception as error:
        raise explain(error, repo_id, api.endpoint) from error
    return True


def _identity(api: HfApi) -> Identity:
    try:
        return read_identity(api.whoami())
    except Exception as error:
        raise explain(error, "", api.endpoint) from error


def _exists(api: HfApi, repo_id: str, kind: str) -> bool:
    try:
        api.repo_info(repo_id, repo_type=kind)
    except Exception as error:
        problem = explain(error, repo_id, api.endpoint)
        if problem.kind is Trouble.MISSING:
            return False
        if problem.kind is Trouble.PERMISSION:
            return True
        raise problem from error
    return True


def _state(api: HfApi, repo_id: str) -> RepoState:
    if not _exists(api, repo_id, "model"):
        return "free"
    try:
        api.auth_check(repo_id, write=True)
    except Exception as error:
        problem = explain(error, repo_id, api.endpoint)
        if problem.kind in {Trouble.PERMISSION, Trouble.MISSING}:
            return "taken"
        raise problem from error
    return "ours"


def probe(
    api: HfApi, repo_id: str, target: HubTarget, cancel: threading.Event | None = None
) -> TestReport:
    """Check token, name and rights, in this order.

    A repository that does not exist is created and deleted again. In an existing one, a test commit
    would stay in the history, so the Hub's own write check is used instead.
    """
    steps: list[Step] = []

    def step(name: str, look: Callable[[], Step]) -> bool:
        if cancel is not None and cancel.is_set():
            raise TransferCancelledError
        try:
            steps.append(look())
        except PublishError as error:
            steps.append(Step(name, "error", error.message, error.advice))
        return steps[-1].level != "error"

    known: list[Identity] = []

    def token() -> Step:
        known.append(_identity(api))
        kind = {"fineGrained": "fine-grained", "write": "write", "read": "read-only"}
        shown = kind.get(known[0].role, known[0].role or "unknown")
        return Step("token", "ok", f"The token belongs to {known[0].user} ({shown}).")

    states: list[RepoState] = []

    def left(error: PublishError) -> None:
        text = f"{repo_id} was made to try and could not be removed: {error.message}"
        steps.append(Step("delete", "warn", text, "It is empty; delete it on its page, or use it."))

    def name() -> Step:
        states.append(_state(api, repo_id))
        return _name_step(repo_id, states[0], known[0], target)

    if step("token", token):
        if step("repository", name) and states == ["free"]:
            step("write", lambda: _write_step(api, repo_id, target, left))
        step("dataset", lambda: _dataset_step(api, repo_id))
    return TestReport(tuple(item for item in steps if item.message))


def _name_step(repo_id: str, state: RepoState, who: Identity, target: HubTarget) -> Step:
    owner = repo_id.partition("/")[0]
    if state == "ours":
        return Step("repository", "ok", f"{repo_id} exists and the token may write to it.")
    allowed = who.may_write(repo_id)
    if owner not in {item.name for item in who.namespaces} and allowed is not True:
        names = ", ".join(item.name for item in who.namespaces)
        return Step(
            "repository",
            "error",
            f"{owner} is somebody else: {who.user} does not belong to it.",
            f"Publish under one of: {names}.",
        )
    if state == "taken" or allowed is False:
        return Step(
            "repository",
            "error",
            f"The token may not write to {repo_id}.",
            f"Give it write access to {owner} at {TOKENS_PAGE}.",
        )
    how = "private" if target.private else "public"
    return Step("repository", "ok", f"{repo_id} is free and will be made ({how}).")


def _write_step(
    api: HfApi, repo_id: str, target: HubTarget, left: Callable[[PublishError], None]
) -> Step:
    create_repo(api, repo_id, private=target.private, keep=False, left=left)
    return Step("write", "ok", f"{repo_id} was made to try, and could be written to.")


def _dataset_step(api: HfApi, repo_id: str) -> Step:
    if not _exists(api, repo_id, "dataset"):
        return Step("dataset", "ok", "")
    return Step(
        "dataset",
        "warn",
        f"There is a dataset of the same name: {repo_id}.",
        "That is allowed; choose another name if it would confuse people.",
    )
