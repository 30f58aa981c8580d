"""What can be asked before a job, in SimpleTuner's shapes: machines, configs, prices, git."""

from __future__ import annotations

from typing import TypeAlias

from tui.api.base import JsonValue, TypedDict

Dataloader: TypeAlias = list[JsonValue]
"""A config's data backends, as SimpleTuner writes them in `multidatabackend.json`."""


class HardwareOption(TypedDict):
    """A machine that can be rented by the second.

    Attributes:
        id: the hardware profile.
        name: for people.
        cost_per_second: US dollars, the user's own rate before the published one.
        cost_per_hour: US dollars.
        available: whether a public trainer runs on it.
        model: that trainer, `owner/name`.
        best_for: one line of advice.
    """

    id: str
    name: str
    cost_per_second: float
    cost_per_hour: float
    available: bool
    model: str | None
    best_for: str


class HardwareOptions(TypedDict):
    """Machines and their prices.

    Attributes:
        hardware: all machines.
        default_hardware: the profile that jobs take unless they say otherwise.
        message: where the rates are from.
    """

    hardware: list[HardwareOption]
    default_hardware: str
    message: str


class ConfigsQuery(TypedDict, total=False):
    """Where configs are looked for besides the roots in the settings: below this folder."""

    cwd: str


class AvailableConfig(TypedDict):
    """A training config that was found.

    Attributes:
        name: to load it by.
        path: of its file, absolute.
        is_active: always false: no config is loaded here.
    """

    name: str
    path: str
    is_active: bool


class AvailableConfigs(TypedDict):
    """Configs below the roots; `active_config` is always null."""

    configs: list[AvailableConfig]
    active_config: None


class PastCostEstimate(TypedDict):
    """What a job may cost, from the jobs of the last 90 days.

    Attributes:
        has_estimate: whether there were any.
        estimated_cost_usd: their mean length at the present rate.
        avg_duration_seconds: their mean length.
        hardware_cost_per_hour: US dollars.
        data_size_mb: MiB below the local folders that the dataloader names.
        message: what the estimate rests on.
    """

    has_estimate: bool
    estimated_cost_usd: float | None
    avg_duration_seconds: float | None
    hardware_cost_per_hour: float
    data_size_mb: float
    message: str


class GitQuery(TypedDict, total=False):
    """The config whose folder is looked at; without one the first root of configs."""

    config_name: str


class GitRepository(TypedDict):
    """Whether a folder is in git, and clean.

    Attributes:
        git_available: whether git is installed.
        repo_present: whether the folder is in a repository.
        is_dirty: whether something in it is not committed.
        dirty_count: how many paths.
        dirty_paths: at most 100 of them.
        current_commit: the whole hash.
        current_abbrev: its first seven letters.
        current_branch: null on none.
    """

    git_available: bool
    repo_present: bool
    is_dirty: bool
    dirty_count: int
    dirty_paths: list[str]
    current_commit: str | None
    current_abbrev: str | None
    current_branch: str | None


class GitState(GitRepository):
    """Whether a config's folder is in git, and clean.

    Attributes:
        tracker_run_name: the run's name in the config.
        config_name: as asked for.
    """

    tracker_run_name: str | None
    config_name: str | None
