"""The state of a Hub, its error answers, and how routes find the caller and the repository."""

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
    """An error answer of the Hub.

    Attributes:
        status: HTTP status.
        message: text of the body and of the `X-Error-Message` header.
        code: the `X-Error-Code` header; empty when the Hub sends none.
        headers: extra headers.
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
        """The HTTP response."""
        headers = {"X-Error-Message": self.message, **self.headers}
        if self.code:
            headers["X-Error-Code"] = self.code
        body = json.dumps({"error": self.message}).encode()
        return web.Response(
            body=body, status=self.status, content_type="application/json", headers=headers
        )


@dataclass(slots=True)
class HubFaults:
    """Fault injection.

    Attributes:
        failures: by a part of the path, how many further requests answer 500.
        cut_uploads: how many further uploads are aborted in the middle.
        lose_last_byte: store every large upload without its last byte, and answer success.
        forget_commits: answer a commit with success and do not store it.
        quota: largest accepted size of a large file in bytes; None is no limit.
        slow_whoami: delay of the answers to whoami in seconds.
        closed: names of organisations that nobody may write to.
        stall_xet: send Xet clients to a storage server that takes connections and never answers
            an upload.
    """

    failures: dict[str, int] = field(default_factory=dict)
    cut_uploads: int = 0
    lose_last_byte: bool = False
    forget_commits: bool = False
    quota: int | None = None
    slow_whoami: float = 0.0
    closed: set[str] = field(default_factory=set)
    stall_xet: bool = False

    def fails(self, path: str) -> bool:
        """Whether this request answers 500; it counts one failure."""
        for part, left in self.failures.items():
            if left > 0 and part in path:
                self.failures[part] = left - 1
                return True
        return False


@dataclass(frozen=True, slots=True)
class HubConfig:
    """The options of a Hub.

    Attributes:
        root: folder of the contents.
        host: address to listen on.
        port: port to listen on; 0 lets the system choose one.
        part_bytes: part size of large uploads; None uploads them in one request.
        xet: whether clients with `hf_xet` may store large files in a local Xet folder.
        lfs_from: size in bytes from which any file is a large one.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 0
    part_bytes: int | None = None
    xet: bool = True
    lfs_from: int = 10 * 1024 * 1024


@dataclass(slots=True)
class Hub:
    """The state of a Hub."""

    config: HubConfig
    accounts: Accounts
    repos: Repos
    blobs: Blobs
    faults: HubFaults
    url: str = ""
    uploads: dict[str, Any] = field(default_factory=dict)
    """Incomplete uploads, by the random part of their address."""
    received_bytes: int = 0
    """Bytes of large files received over HTTP so far (not through Xet); tests read it."""
    xet_uploads: int = 0
    """How many rights to write to the Xet storage were given out; tests read it."""


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
_BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - a sentence


def hub_of(request: web.Request) -> Hub:
    """The Hub that serves a request."""
    return request.app[HUB]


def caller(request: web.Request, *, needed: bool = True) -> HubToken | None:
    """The permissions of the request's token; None without a token unless `needed`.

    Raises:
        HubRefusalError: 401, the token is bad, or missing and needed.
    """
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
    """The permissions of the token of a request that requires one.

    Raises:
        HubRefusalError: 401, the token is bad or missing.
    """
    token = caller(request)
    if token is None:
        raise HubRefusalError(401, _BAD_TOKEN)
    return token


def check_write(hub: Hub, token: HubToken, namespace: str, repo_id: str | None = None) -> None:
    """Check that the token may write to a namespace or repository.

    Raises:
        HubRefusalError: 403, it may not.
    """
    if not hub.accounts.belongs(token, namespace) or namespace in hub.faults.closed:
        raise HubRefusalError(
            403, f"You don't have the rights to write under the name {namespace}."
        )
    if not token.may_write(namespace, repo_id):
        raise HubRefusalError(403, "This token has no write permission for this repository.")


def repo_of(request: web.Request, *, write: bool = False) -> HubRepo:
    """The repository in the request's path.

    Raises:
        HubRefusalError: 404, it does not exist or the caller may not see it; 403, `write` is set
            and the caller may not write to it.
    """
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
    """The commit in the request's path, by default that of the main branch.

    Raises:
        HubRefusalError: 404, the revision does not exist.
    """
    commit = repo.at(request.match_info.get("revision") or "main")
    if commit is None:
        raise HubRefusalError(404, "Invalid rev id", "RevisionNotFound")
    return commit


def check_gate(hub: Hub, token: HubToken | None, repo: HubRepo) -> None:
    """Check that the caller may read a gated repository.

    Raises:
        HubRefusalError: 403 (401 without a token), the licence is not accepted.
    """
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
    """The request's JSON object.

    Raises:
        HubRefusalError: 400, the body is no JSON object.
    """
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise HubRefusalError(400, f"Invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise HubRefusalError(400, "Expected a JSON object")
    return body
