"""Checks whether a run's results have arrived at the Hub or in a bucket. Blocking; read-only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.common.shards import MAX_INDEX_BYTES, Indexes, is_index, read_index
from tui.destinations.hub import download
from tui.destinations.hub.client import open_api
from tui.destinations.hub.errors import explain as explain_hub
from tui.destinations.s3.client import S3Client, make_client
from tui.destinations.s3.errors import explain as explain_s3
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.simpletuner.log.delivery import CHECKPOINT_FOLDER, WEIGHTS, weights_by_step

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

_T = TypeVar("_T")
State = Literal["yes", "partly", "no", "unverified", "unknown"]
_LOOK: Final = (
    "Let the keys list and read there (s3:ListBucket, s3:GetObject), or look there yourself."
)
_SLACK: Final = timedelta(minutes=1)
"""Allowed difference between the clocks of two services."""
_PATHS_AT_ONCE: Final = 200
_UNSURE: Final = frozenset(
    {Trouble.NETWORK, Trouble.BUSY, Trouble.TLS, Trouble.CREDENTIALS, Trouble.PERMISSION,
     Trouble.CLOCK}
)  # fmt: skip
"""Failures that say nothing about the files."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The result of a check.

    Attributes:
        state: whether the run's weights have arrived; `unverified` when the place takes files and
            does not let anybody look; `unknown` when the check failed.
        words: the result as text for the screen, without a full stop.
        advice: what the user can do; "" when nothing is wrong.
        revision: the commit that contains the weights, for the Hub.
        files: number of weights files of the run.
        names: files of the run, below its prefix; of a repository its weights only.
        missing: names of missing files.
        indexes: the indexes of sharded weights that are there.
        root_step: the step of the checkpoint whose weights also lie in the repository's root. The
            trainer writes each pushed checkpoint there as well, so they need not be the final ones.
        expected: the weights that the job's schedule promised, by name.
        arrived: the weights that are there, by name.
    """

    state: State
    words: str
    advice: str = ""
    revision: str = ""
    files: int = 0
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    indexes: Indexes = field(default_factory=dict)
    root_step: int | None = None
    expected: tuple[str, ...] = ()
    arrived: tuple[str, ...] = ()


def arrived_at_hub(
    repo_id: str,
    token: Secret | None,
    *,
    endpoint: str,
    network: NetworkSettings,
    since: datetime,
) -> Arrival:
    """Check whether a repository has weights that were committed since the start of a run.

    Args:
        repo_id: `owner/name`.
        token: the token that the trainer had.
        endpoint: the Hub's address.
        network: the network settings in force.
        since: start of the run.
    """
    api = open_api(endpoint, token, network)
    try:
        listing = _call(api, repo_id, lambda: _list(api, repo_id))
        fresh = [file for file in listing.weights if _is_new(file, since)]
        indexes = _call(api, repo_id, lambda: _read_hub_indexes(api, repo_id, listing))
    except PublishError as error:
        if error.kind is Trouble.MISSING:
            advice = "The trainer's log says why it was not made."
            return Arrival("no", f"{repo_id} does not exist on the Hub", advice)
        return _failed_check(error)
    if fresh:
        return Arrival(
            "yes", f"in {repo_id}", "", listing.revision, len(fresh),
            names=tuple(file.path for file in fresh),
            indexes=indexes,
            root_step=_root_step(listing.weights),
        )  # fmt: skip
    problem = "no weights newer than the run" if listing.weights else "no weights"
    advice = "The trainer's log says why its upload failed; what it trained is lost with it."
    return Arrival("no", f"{repo_id} holds {problem}", advice, listing.revision)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of a repository at its newest commit."""

    revision: str
    weights: list[RepoFile]
    indexes: list[str]


def _list(api: HfApi, repo_id: str) -> _Listing:
    """List the newest commit's indexes, and its weights with their last commits."""
    from huggingface_hub.hf_api import RepoFile

    revision = str(api.repo_info(repo_id).sha)
    tree = api.list_repo_tree(repo_id, recursive=True, revision=revision)
    paths = [item.path for item in tree if isinstance(item, RepoFile)]
    names = [path for path in paths if path.lower().endswith(WEIGHTS)]
    files: list[RepoFile] = []
    for start in range(0, len(names), _PATHS_AT_ONCE):
        batch = names[start : start + _PATHS_AT_ONCE]
        infos = api.get_paths_info(repo_id, batch, expand=True, revision=revision)
        files += [item for item in infos if isinstance(item, RepoFile)]
    return _Listing(revision, files, [path for path in paths if is_index(path)])


def _read_hub_indexes(
    api: HfApi, repo_id: str, listing: _Listing
) -> dict[str, tuple[str, ...] | None]:
    return {name: _read_hub_index(api, repo_id, name, listing.revision) for name in listing.indexes}


def _read_hub_index(api: HfApi, repo_id: str, name: str, revision: str) -> tuple[str, ...] | None:
    with download.opened(api, repo_id, name, revision=revision) as answer:
        data = bytearray()
        for piece in answer.iter_bytes():
            data += piece
            if len(data) > MAX_INDEX_BYTES:
                return None
    return read_index(bytes(data))


def _root_step(weights: Iterable[RepoFile]) -> int | None:
    """The highest step whose checkpoint holds the same bytes as the root's weights."""
    contents = {file.path: str(file.lfs.sha256 if file.lfs else file.blob_id) for file in weights}
    by_step = weights_by_step(contents)
    root = by_step.pop(None, [])
    steps = [step for step in by_step if step is not None]
    for step in sorted(steps, reverse=True):
        below = {CHECKPOINT_FOLDER.sub("", name, count=1): name for name in by_step[step]}
        shared = [name for name in root if name in below]
        if shared and all(contents[name] == contents[below[name]] for name in shared):
            return step
    return None


def _is_new(file: RepoFile, since: datetime) -> bool:
    """Whether a file was committed since the start; a Hub may not return the commit."""
    commit = file.last_commit
    return commit is None or commit.date.astimezone(UTC) >= since - _SLACK


class _Object(TypedDict):
    """What is read of an object in a bucket's list."""

    Key: str
    Size: int
    LastModified: datetime


class _Page(TypedDict, total=False):
    """A page of a bucket's list; an empty one has no `Contents`."""

    Contents: list[_Object]


def arrived_in_bucket(
    profile: S3Profile, keys: S3Keys, *, network: NetworkSettings, since: datetime
) -> Arrival:
    """Check which objects below a prefix were written since the start of a run.

    Args:
        profile: bucket and prefix of the run.
        keys: the keys that the trainer had.
        network: the network settings in force.
        since: start of the run.
    """
    prefix = f"{profile.prefix.strip('/')}/" if profile.prefix.strip("/") else ""
    location = f"s3://{profile.bucket}/{prefix}"
    try:
        client = make_client(profile, keys, network)
        try:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=profile.bucket, Prefix=prefix
            )
            sizes = {
                item["Key"].removeprefix(prefix): item["Size"]
                for item in _objects(pages)
                if _is_fresh(item, since)
            }
            indexes = {
                name: _read_bucket_index(client, profile, f"{prefix}{name}", size)
                for name, size in sizes.items()
                if is_index(name)
            }
        finally:
            client.close()
    except PublishError as error:
        return _failed_check(error)
    except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
        failure = explain_s3(error, profile)
        if failure.kind is Trouble.PERMISSION:  # keys that may write only, as for the trainer
            return Arrival("unverified", f"the keys may not look into {location}", _LOOK)
        return _failed_check(failure)
    if not sizes:
        return Arrival("no", f"nothing of this run in {location}")
    return Arrival("yes", f"in {location}", names=tuple(sizes), indexes=indexes)


def _read_bucket_index(
    client: S3Client, profile: S3Profile, key: str, size: int
) -> tuple[str, ...] | None:
    if size > MAX_INDEX_BYTES:
        return None
    with contextlib.closing(client.get_object(Bucket=profile.bucket, Key=key)["Body"]) as body:
        return read_index(body.read())


def _objects(pages: Iterable[_Page]) -> Iterable[_Object]:
    for page in pages:
        yield from page.get("Contents", ())


def _is_fresh(item: _Object, since: datetime) -> bool:
    return item["Size"] > 0 and item["LastModified"].astimezone(UTC) >= since - _SLACK


def _failed_check(error: PublishError) -> Arrival:
    state: State = "unknown" if error.kind in _UNSURE else "no"
    return Arrival(state, error.message.rstrip("."), error.advice)


def _call(api: HfApi, repo_id: str, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except Exception as error:
        raise explain_hub(error, repo_id, api.endpoint) from error
