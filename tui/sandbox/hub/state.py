"""What the routes share: the state of a Hub, its refusals, and who asks for what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tui.sandbox.hub.accounts import Accounts, HubToken
from tui.sandbox.hub.repos import Blobs, Commit, HubRepo, Repos

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}


class HubRefusalError(Exception):
    """A refusal, in the shape that the Hub's clients read.

    Attributes:
        status: HTTP status.
        message: for the body and the `X-Error-Message` header.
        code: the `X-Error-Code` header, where the Hub has one.
    """

    def __init__(
        self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer."""
        headers = {"X-Error-Message": self.message, **self.headers}
        if self.code:
            headers["X-Error-Code"] = self.code
        body = json.dumps({"error": self.message}).encode()
        return web.Response(
            body=body, status=self.status, content_type="application/json", headers=headers
        )


@dataclass(slots=True)
class HubFaults:
    """What goes wrong on purpose.

    Attributes:
        failures: how many more requests whose path holds the key answer 500.
        cut_uploads: how many more uploads break off in the middle.
        lose_last_byte: store every large upload one byte short, and say it is fine.
        forget_commits: answer a commit with success and keep nothing.
        quota: bytes of large files that a namespace may hold; None is no limit.
        slow_whoami: seconds by which the next answers to whoami are late.
        closed: names of organisations that let nobody write, whatever their tokens say.
    """

    failures: dict[str, int] = field(default_factory=dict)
    cut_uploads: int = 0
    lose_last_byte: bool = False
    forget_commits: bool = False
    quota: int | None = None
    slow_whoami: float = 0.0
    closed: set[str] = field(default_factory=set)

    def fails(self, path: str) -> bool:
        """Whether this request shall answer 500."""
        for part, left in self.failures.items():
            if left > 0 and part in path:
                self.failures[part] = left - 1
                return True
        return False


@dataclass(frozen=True, slots=True)
class HubConfig:
    """How a Hub shall be.

    Attributes:
        root: where contents are kept.
        part_bytes: large files go up in parts of this size; None sends them whole.
        xet: whether clients with `hf_xet` may store large files in a local Xet folder.
        lfs_from: bytes from which a file is large whatever its name.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 0
    part_bytes: int | None = None
    xet: bool = True
    lfs_from: int = 10 * 1024 * 1024


@dataclass(slots=True)
class Hub:
    """One Hub."""

    config: HubConfig
    accounts: Accounts
    repos: Repos
    blobs: Blobs
    faults: HubFaults
    url: str = ""
    uploads: dict[str, Any] = field(default_factory=dict)
    """Uploads that were announced and are not complete, by the secret part of their address."""
    received_bytes: int = 0
    """Bytes of large files that came in so far, by plain HTTP."""


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
_BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - a sentence


def hub_of(request: web.Request) -> Hub:
    """The Hub that a request came to."""
    return request.app[HUB]


def caller(request: web.Request, *, needed: bool = True) -> HubToken | None:
    """What the request's token may do; a HubRefusalError for a bad or a missing one."""
    given = request.headers.get("Authorization", "")
    if not given:
        if needed:
            raise HubRefusalError(401, "Invalid username or password.")
        return None
    token = hub_of(request).accounts.token(given.removeprefix("Bearer ").strip())
    if token is None:
        raise HubRefusalError(401, _BAD_TOKEN)
    return token


def writer(request: web.Request) -> HubToken:
    """The same for a request that must come with a token."""
    token = caller(request)
    if token is None:
        raise HubRefusalError(401, _BAD_TOKEN)
    return token


def check_write(hub: Hub, token: HubToken, namespace: str, repo_id: str | None = None) -> None:
    """HubRefusalError 403 when the token may not write there."""
    if not hub.accounts.belongs(token, namespace) or namespace in hub.faults.closed:
        raise HubRefusalError(
            403, f"You don't have the rights to write under the name {namespace}."
        )
    if not token.may_write(namespace, repo_id):
        raise HubRefusalError(403, "This token has no write permission for this repository.")


def repo_of(request: web.Request, *, write: bool = False) -> HubRepo:
    """The repository that the address names, if the caller may see it (or write to it)."""
    hub = hub_of(request)
    kind = KINDS[request.match_info.get("kind") or "models"]
    repo_id = f"{request.match_info['owner']}/{request.match_info['name']}"
    token = caller(request, needed=write)
    repo = hub.repos.get(kind, repo_id)
    seen = repo is not None and (
        not repo.private or (token is not None and hub.accounts.belongs(token, repo.namespace))
    )
    if repo is None or not seen:
        raise HubRefusalError(404, "Repository not found", "RepoNotFound")
    if write and token is not None:
        check_write(hub, token, repo.namespace, repo.repo_id)
    return repo


def commit_of(request: web.Request, repo: HubRepo) -> Commit:
    """The commit that the address names."""
    commit = repo.at(request.match_info.get("revision") or "main")
    if commit is None:
        raise HubRefusalError(404, "Invalid rev id", "RevisionNotFound")
    return commit


def check_gate(hub: Hub, token: HubToken | None, repo: HubRepo) -> None:
    """HubRefusalError 403 when the repository asks for a licence that the caller did not accept."""
    if not repo.gated:
        return
    inside = token is not None and (
        token.user in repo.accepted or hub.accounts.belongs(token, repo.namespace)
    )
    if not inside or token is None or not token.reads_gated:
        raise HubRefusalError(
            403 if token else 401,
            f"Access to model {repo.repo_id} is restricted. Accept its conditions first.",
            "GatedRepo",
        )


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise HubRefusalError(400, f"Invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise HubRefusalError(400, "Expected a JSON object")
    return body
