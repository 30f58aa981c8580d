"""From the request of a sweep to the draft of each of its runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.base.errors import RefusedError, refused_fields
from tui.engine.submission.draft import Draft, read_draft
from tui.engine.submission.prepare import Preparer
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.request.delivery import clean_repo_id, default_delivery_kind
from tui.simpletuner.sweep import (
    Axis,
    AxisError,
    Combination,
    combinations,
    make_axis,
    member_names,
    require_few,
)

_SEVERAL = "sweep"
"""The name of a sweep of several configs."""


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a sweep that is being planned.

    Attributes:
        name: its run name.
        draft: its draft, with that name.
    """

    name: str
    draft: Draft


async def members_of(
    request: Mapping[str, Any], preparer: Preparer, free_sweep_name: Callable[[str], str]
) -> tuple[str, list[Member]]:
    """Return a sweep's name and its runs, in the order of the configs and of the axes.

    A run of a config that cannot be read has its file's name; the check says what is wrong.

    Args:
        request: in the shape `SweepDraft`.
        preparer: loads configs.
        free_sweep_name: makes the name of no sweep from a wanted one.

    Raises:
        RefusedError: an axis or a draft cannot be used, or there are too many or too few runs.
    """
    bodies = list(request["drafts"])
    if not bodies:
        raise refused_fields({"drafts": "must name at least one config"})
    chosen = _combinations(request.get("axes") or ())
    try:
        require_few(len(bodies) * len(chosen))
    except AxisError as error:
        raise refused_fields({"axes": f"make {error}"}) from None
    drafts = [read_draft(body) for body in bodies]
    configs = [await asyncio.to_thread(_config, preparer, draft) for draft in drafts]
    bases = [_base(draft, config) for draft, config in zip(drafts, configs, strict=True)]
    given = (request.get("name") or "").strip()
    single = len(set(bases)) == 1
    name = free_sweep_name(given or (bases[0] if single else _SEVERAL))
    if single:  # so that the jobs of a second sweep of a config are told from the first one's
        bases = [name] * len(bases)
    labels = [(base, one.label) for base in bases for one in chosen]
    names = member_names([(preparer.free_name(one), "") for one in member_names(labels)])
    repos = _repositories(drafts, configs, chosen)
    members = []
    places = [(at, one) for at in range(len(drafts)) for one in chosen]
    for (at, one), run_name, repo in zip(places, names, repos, strict=True):
        draft = drafts[at]
        body = draft.model_dump(exclude_unset=True) | {"name": run_name}
        body["overrides"] = {**body.get("overrides", {}), **one.changes}
        if repo:
            body["delivery"] = {**body.get("delivery", {}), "kind": "hub", "hub_model_id": repo}
        body.pop("idempotency_key", None)
        members.append(Member(run_name, read_draft(body)))
    return name, members


def _combinations(axes: Sequence[Mapping[str, Any]]) -> list[Combination]:
    try:
        made: list[Axis] = [make_axis(axis["name"], axis["values"]) for axis in axes]
        return combinations(made)
    except AxisError as error:
        raise RefusedError(
            f"The sweep cannot be made: {error}.", details={"fields": {"axes": str(error)}}
        ) from None


def _config(preparer: Preparer, draft: Draft) -> TrainingConfig | None:
    try:
        return preparer.load(draft)
    except ConfigError:
        return None


def _base(draft: Draft, config: TrainingConfig | None) -> str:
    if draft.name:
        return draft.name
    if config is None:
        path = Path(draft.config)
        return path.parent.name if path.name == "config.json" else path.stem or draft.config
    return config.run_name or config.name


def _repositories(
    drafts: Sequence[Draft],
    configs: Sequence[TrainingConfig | None],
    chosen: Sequence[Combination],
) -> list[str]:
    """Return the repository on the Hub of each run; "" where it stays as it is.

    Two runs must not write over one another, so those that would share one get their own.
    """
    wanted = [
        _repository(draft, config) for draft, config in zip(drafts, configs, strict=True)
        for _ in chosen
    ]  # fmt: skip
    shared = {repo for repo, count in Counter(wanted).items() if repo and count > 1}
    labels = [one.label for _ in drafts for one in chosen]
    named = iter(member_names([*zip(wanted, labels, strict=True)]))
    return [name if repo in shared else "" for repo, name in zip(wanted, named, strict=True)]


def _repository(draft: Draft, config: TrainingConfig | None) -> str:
    if config is None:
        return ""
    kind = draft.delivery.wanted or default_delivery_kind(config)
    given = draft.delivery.hub_model_id or config.hub_model_id
    return clean_repo_id(given) or "" if kind == "hub" and given else ""
