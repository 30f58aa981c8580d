"""The calls of the form for a new job. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.api import paths
from tui.client.call import Call, Caller

if TYPE_CHECKING:
    from tui.api.publishing import HubNamespace, RepositoryLook, RepositoryQuery
    from tui.api.submission import Draft, Recommended


class JobCalls:
    """Names on the Hub, and where a job's results should go."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def namespaces(self) -> Call[list[HubNamespace]]:
        """Users and organisations that the Hub token may publish for, its owner first."""
        call = self._caller.call(paths.HUB_IDENTITY, timeout=45.0)
        return call.then(lambda answer: answer["namespaces"])

    def repository(self, name: str, *, private: bool = True) -> Call[RepositoryLook]:
        """What is known of a repository's name on the Hub."""
        query: RepositoryQuery = {"name": name, "private": "true" if private else "false"}
        return self._caller.call(paths.LOOK_AT_REPOSITORY, None, query, timeout=60.0)

    def recommended(self, draft: Draft) -> Call[Recommended]:
        """The delivery of a draft's results that is most likely to work."""
        return self._caller.call(paths.RECOMMEND, draft, timeout=120.0)
