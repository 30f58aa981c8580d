"""Routes for listing and downloading files."""

from __future__ import annotations

import mimetypes
from typing import Literal, NotRequired, TypedDict
from urllib.parse import quote

from aiohttp import web

from tui.sandbox.hub.repos import Commit, Entry, HubRepo, pointer
from tui.sandbox.hub.state import HubRefusalError, caller, check_gate, commit_of, hub_of, repo_of

_PAGE = 1000


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    repository = "/api/{kind:models|datasets|spaces}/{owner}/{name}"
    definitions = [
        web.get(repository + "/tree/{revision}", _tree),
        web.get(repository + "/tree/{revision}/{path:.+}", _tree),
        web.post(repository + "/paths-info/{revision}", _paths_info),
        web.get("/cdn/{commit}/{sha256}", _cdn),
    ]
    for prefix in ("", "/{kind:datasets|spaces}"):
        path = prefix + "/{owner}/{name}/resolve/{revision}/{path:.+}"
        definitions.append(web.get(path, _resolve))
    return definitions


class _Pointer(TypedDict):
    """What the Hub says of a file that it keeps outside of git."""

    oid: str
    size: int
    pointerSize: int


class _TreeItem(TypedDict):
    """A file or folder of a repository, as the Hub lists it."""

    type: Literal["file", "directory"]
    path: str
    size: int
    oid: str
    lfs: NotRequired[_Pointer]
    lastCommit: NotRequired[_CommitView]


class _CommitView(TypedDict):
    """A commit, as the Hub lists it beside the files that it changed."""

    id: str
    title: str
    date: str


def _describe(path: str, entry: Entry) -> _TreeItem:
    shown: _TreeItem = {"type": "file", "path": path, "size": entry.size, "oid": entry.oid}
    if entry.sha256:
        size = len(pointer(entry.sha256, entry.size))
        shown["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": size}
    return shown


def _last_commit(repo: HubRepo, path: str) -> _CommitView:
    """The newest commit that changed a file."""
    newest = repo.head
    for older in reversed(repo.commits):
        if older.tree.get(path) != repo.head.tree.get(path):
            break
        newest = older
    date = newest.date.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"id": newest.oid, "title": newest.title, "date": date}


def _folders(paths: list[str]) -> set[str]:
    folders = set()
    for path in paths:
        parts = path.split("/")[:-1]
        folders |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return folders


async def _tree(request: web.Request) -> web.Response:
    repo = repo_of(request)
    commit = commit_of(request, repo)
    below = request.match_info.get("path", "").strip("/")
    prefix = f"{below}/" if below else ""
    inside = [path for path in sorted(commit.tree) if path.startswith(prefix)]
    if below and not inside:
        raise HubRefusalError(404, f"{below} does not exist on {commit.oid}", "EntryNotFound")
    everything = request.query.get("recursive", "").lower() in {"true", "1"}
    folders = {path for path in _folders(inside) if path.startswith(prefix)}
    items = [_describe(path, commit.tree[path]) for path in inside]
    items += [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]
    if not everything:
        items = [item for item in items if "/" not in item["path"].removeprefix(prefix)]
    items.sort(key=lambda item: str(item["path"]))
    start = int(request.query.get("cursor") or 0)
    headers = {}
    if start + _PAGE < len(items):
        here = request.url.update_query(cursor=str(start + _PAGE))
        headers["Link"] = f'<{here}>; rel="next"'
    return web.json_response(items[start : start + _PAGE], headers=headers)


async def _paths_info(request: web.Request) -> web.Response:
    repo = repo_of(request)
    tree = commit_of(request, repo).tree
    form = await request.post()
    folders = _folders(list(tree))
    expand = str(form.get("expand", "")).lower() in {"true", "1"}
    answer = []
    for path in (str(item) for item in form.getall("paths", [])):
        if path in tree:
            shown = _describe(path, tree[path])
            answer.append(shown | {"lastCommit": _last_commit(repo, path)} if expand else shown)
        elif path in folders:
            answer.append({"type": "directory", "path": path, "size": 0, "oid": "0" * 40})
    return web.json_response(answer)


async def _resolve(request: web.Request) -> web.StreamResponse:
    hub, repo = hub_of(request), repo_of(request)
    commit = commit_of(request, repo)
    check_gate(hub, caller(request, needed=False), repo)
    entry = commit.tree.get(request.match_info["path"])
    if entry is None:
        raise HubRefusalError(
            404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": commit.oid}
        )
    if entry.sha256:
        return _redirect(hub.url, commit, entry)
    return _small(request, repo, commit, entry)


def _redirect(origin: str, commit: Commit, entry: Entry) -> web.Response:
    headers = {
        "X-Repo-Commit": commit.oid,
        "X-Linked-Size": str(entry.size),
        "X-Linked-Etag": f'"{entry.sha256}"',
        "Location": f"{origin}/cdn/{commit.oid}/{entry.sha256}",
        "Accept-Ranges": "bytes",
    }
    return web.Response(status=302, headers=headers)


def _small(request: web.Request, repo: HubRepo, commit: Commit, entry: Entry) -> web.Response:
    content = hub_of(request).blobs.small(entry.oid).read_bytes()
    name = request.match_info["path"].rpartition("/")[2]
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.oid}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}",
    }
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    status = 200
    try:
        asked = request.http_range
    except ValueError as error:
        raise HubRefusalError(416, f"Invalid range for {repo.repo_id}") from error
    if asked.start is not None or asked.stop is not None:
        first, last, _ = asked.indices(len(content))
        if first >= last:
            raise HubRefusalError(416, "Range not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(content)}"
        content, status = content[first:last], 206
    return web.Response(body=content, status=status, headers=headers, content_type=kind)


async def _cdn(request: web.Request) -> web.StreamResponse:
    """Serve a large file by its hash, without a token: the hash cannot be guessed.

    huggingface_hub follows the redirect to the same host, and reads the Hub's headers here too.
    """
    sha256 = request.match_info["sha256"]
    path = hub_of(request).blobs.large(sha256)
    if path is None:
        raise HubRefusalError(404, "Entry not found", "EntryNotFound")
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Repo-Commit": request.match_info["commit"],
        "X-Linked-Size": str(path.stat().st_size),
        "X-Linked-Etag": f'"{sha256}"',
    }
    return web.FileResponse(path, headers=headers)
