"""Which way the calls about a job take: that of the caller who started it.

In memory only, as a proxy's address may hold a password: after a restart of the engine its own
environment and the settings decide.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tui.replicate.environment_proxies import EnvironmentProxies, caller_proxies, using_proxies


class JobNetworks:
    """The callers' proxies by job."""

    def __init__(self) -> None:
        self._proxies: dict[str, EnvironmentProxies | None] = {}

    def remember(self, job_id: str) -> None:
        """Keep the current caller's way for a job, unless the job has one."""
        self._proxies.setdefault(job_id, caller_proxies())

    def adopt(self, job_id: str) -> None:
        """Use the current caller's way for a job from now on."""
        self._proxies[job_id] = caller_proxies()

    def of(self, job_id: str) -> AbstractContextManager[None]:
        """Work on a job, also in tasks that start inside, by its way; the engine's if unknown."""
        return using_proxies(self._proxies.get(job_id))
