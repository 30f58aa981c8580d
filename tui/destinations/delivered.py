"""Checks whether a run's results have arrived at the Hub or in a bucket. Blocking; read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.hub.client import open_api
from tui.destinations.hub.errors import explain as explain_hub
from tui.destinations.s3.client import make_client
from tui.destinations.s3.errors import explain as explain_s3
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

_T = TypeVar("_T")
State = Literal["yes", "partly", "no", "unknown"]
_WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf")
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
        state: whether the run's weights have arrived; `unknown` when the check failed.
        words: the result as text for the screen, without a full stop.
        advice: what the user can do; "" when nothing is wrong.
        revision: the commit that contains the weights, for the Hub.
        files: number of weights files of the run.
        names: files of the run in a bucket or on this machine, below the run's prefix.
        missing: names of missing files.
    """

    state: State
    words: str
    advice: str = ""
    revision: str = ""
    files: int = 0
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


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
        revision, weights = _call(api, repo_id, lambda: _weights(api, repo_id))
    except PublishError as error:
        if error.kind is Trouble.MISSING:
            advice = "The trainer's log says why it was not made."
            return Arrival("no", f"{repo_id} does not exist on the Hub", advice)
        return _failed_check(error)
    fresh = [file for file in weights if _is_new(file, since)]
    if fresh:
        count_text = f"{len(fresh)} weights file{'' if len(fresh) == 1 else 's'}"
        return Arrival("yes", f"{count_text} in {repo_id}", "", revision, len(fresh))
    problem = "no weights newer than the run" if weights else "no weights"
    advice = "The trainer's log says why its upload failed; what it trained is lost with it."
    return Arrival("no", f"{repo_id} holds {problem}", advice, revision)


def _weights(api: HfApi, repo_id: str) -> tuple[str, list[RepoFile]]:
    """Return the newest commit, and its weights files with their last commits."""
    from huggingface_hub.hf_api import RepoFile

    revision = str(api.repo_info(repo_id).sha)
    tree = api.list_repo_tree(repo_id, recursive=True, revision=revision)
    names = [item.path for item in tree if item.path.lower().endswith(_WEIGHTS)]
    files: list[RepoFile] = []
    for start in range(0, len(names), _PATHS_AT_ONCE):
        batch = names[start : start + _PATHS_AT_ONCE]
        infos = api.get_paths_info(repo_id, batch, expand=True, revision=revision)
        files += [item for item in infos if isinstance(item, RepoFile)]
    return revision, files


def _is_new(file: RepoFile, since: datetime) -> bool:
    """Whether a file was committed since the start; a Hub may not return the commit."""
    commit = file.last_commit
    return commit is None or commit.date.astimezone(UTC) >= since - _SLACK


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
            names = tuple(
                str(item["Key"]).removeprefix(prefix)
                for item in _objects(pages)
                if _is_fresh(item, since)
            )
        finally:
            client.close()
    except PublishError as error:
        return _failed_check(error)
    except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
        return _failed_check(explain_s3(error, profile))
    if not names:
        return Arrival("no", f"nothing of this run in {location}")
    return Arrival("yes", f"in {location}", names=names)


def _objects(pages: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for page in pages:
        yield from page.get("Contents", ())


def _is_fresh(item: dict[str, Any], since: datetime) -> bool:
    return int(item["Size"]) > 0 and item["LastModified"].astimezone(UTC) >= since - _SLACK


def _failed_check(error: PublishError) -> Arrival:
    state: State = "unknown" if error.kind in _UNSURE else "no"
    return Arrival(state, error.message.rstrip("."), error.advice)


def _call(api: HfApi, repo_id: str, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except Exception as error:
        raise explain_hub(error, repo_id, api.endpoint) from error
