"""Whether what a run was told to deliver is really there. Blocking; nothing is changed."""

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
"""How far the clocks of two services may differ."""
_PATHS_AT_ONCE: Final = 200
_UNSURE: Final = frozenset(
    {Trouble.NETWORK, Trouble.BUSY, Trouble.TLS, Trouble.CREDENTIALS, Trouble.PERMISSION,
     Trouble.CLOCK}
)  # fmt: skip
"""Failures that say nothing about what is there."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was found at the place.

    Attributes:
        state: whether the run's weights are there; `unknown` where nobody could be asked.
        words: the same for people, without a full stop.
        advice: what to do; empty where nothing is wrong.
        revision: the commit that holds them, for the Hub.
        files: how many weights files of the run there are.
        names: files of the run in a bucket or on this machine, below the run's prefix.
        missing: what is not there, by name.
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
    """Whether a repository holds weights that were committed after a moment.

    Args:
        repo_id: `owner/name`.
        token: the token that the trainer had.
        endpoint: the Hub.
        network: the way out.
        since: when the run began.
    """
    api = open_api(endpoint, token, network)
    try:
        revision, weights = _asked(api, repo_id, lambda: _weights(api, repo_id))
    except PublishError as error:
        if error.kind is Trouble.MISSING:
            advice = "The trainer's log says why it was not made."
            return Arrival("no", f"{repo_id} does not exist on the Hub", advice)
        return _not_asked(error)
    fresh = [one for one in weights if _is_new(one, since)]
    if fresh:
        some = f"{len(fresh)} weights file{'' if len(fresh) == 1 else 's'}"
        return Arrival("yes", f"{some} in {repo_id}", "", revision, len(fresh))
    what = "no weights newer than the run" if weights else "no weights"
    advice = "The trainer's log says why its upload failed; what it trained is lost with it."
    return Arrival("no", f"{repo_id} holds {what}", advice, revision)


def _weights(api: HfApi, repo_id: str) -> tuple[str, list[RepoFile]]:
    """The newest commit, and its weights with their own last commits."""
    from huggingface_hub.hf_api import RepoFile

    revision = str(api.repo_info(repo_id).sha)
    tree = api.list_repo_tree(repo_id, recursive=True, revision=revision)
    names = [item.path for item in tree if item.path.lower().endswith(_WEIGHTS)]
    found: list[RepoFile] = []
    for start in range(0, len(names), _PATHS_AT_ONCE):
        batch = names[start : start + _PATHS_AT_ONCE]
        told = api.get_paths_info(repo_id, batch, expand=True, revision=revision)
        found += [item for item in told if isinstance(item, RepoFile)]
    return revision, found


def _is_new(file: RepoFile, since: datetime) -> bool:
    """A Hub that does not tell a file's commit is believed."""
    commit = file.last_commit
    return commit is None or commit.date.astimezone(UTC) >= since - _SLACK


def arrived_in_bucket(
    profile: S3Profile, keys: S3Keys, *, network: NetworkSettings, since: datetime
) -> Arrival:
    """What a bucket holds below a prefix that came after a moment.

    Args:
        profile: bucket and prefix of the run.
        keys: the keys that the trainer had.
        network: the way out.
        since: when the run began.
    """
    prefix = f"{profile.prefix.strip('/')}/" if profile.prefix.strip("/") else ""
    where = f"s3://{profile.bucket}/{prefix}"
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
        return _not_asked(error)
    except Exception as error:  # noqa: BLE001 - botocore's errors have no common base but this
        return _not_asked(explain_s3(error, profile))
    if not names:
        return Arrival("no", f"nothing of this run in {where}")
    return Arrival("yes", f"in {where}", names=names)


def _objects(pages: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for page in pages:
        yield from page.get("Contents", ())


def _is_fresh(item: dict[str, Any], since: datetime) -> bool:
    return int(item["Size"]) > 0 and item["LastModified"].astimezone(UTC) >= since - _SLACK


def _not_asked(error: PublishError) -> Arrival:
    state: State = "unknown" if error.kind in _UNSURE else "no"
    return Arrival(state, error.message.rstrip("."), error.advice)


def _asked(api: HfApi, repo_id: str, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except Exception as error:
        raise explain_hub(error, repo_id, api.endpoint) from error
