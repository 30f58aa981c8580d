"""The calls about publishing; see `ControlClient.publishing`. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Unpack

from tui.api import paths
from tui.client.call import Call, Caller

if TYPE_CHECKING:
    from tui.api.artifacts import ArtifactsQuery, ClearFilesRequest, FilesCleared, JobArtifacts
    from tui.api.destinations import (
        Destination,
        DestinationChange,
        DestinationRemoved,
        DestinationTested,
        ForceQuery,
        ListedDestination,
        NewDestination,
    )
    from tui.api.publishing import HubNamespaces, RepositoryCheck, RepositoryState
    from tui.api.transfers import (
        BandwidthChange,
        ClearListRequest,
        PublishOptions,
        PublishPreview,
        PublishRequest,
        Transfer,
        TransferAction,
    )

_KEYRING_SECONDS: Final = 120.0
"""The limit of calls that may wait for a keyring or for a transfer to stop."""


class PublishingCalls:
    """Destinations, transfers and artifacts."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    # -- destinations -------------------------------------------------------------------------

    def destinations(self) -> Call[list[ListedDestination]]:
        """All destinations by name, each with its last test."""
        call = self._caller.call(paths.DESTINATIONS, timeout=_KEYRING_SECONDS)
        return call.then(lambda answer: answer["destinations"])

    def add_destination(self, **values: Unpack[NewDestination]) -> Call[Destination]:
        """Keep a destination; one of the same name and kind is replaced."""
        return self._caller.call(paths.ADD_DESTINATION, values, timeout=_KEYRING_SECONDS)

    def change_destination(
        self, name: str, **values: Unpack[DestinationChange]
    ) -> Call[Destination]:
        """Change options; keys that are not given stay, as long as the server is the same."""
        return self._caller.call(
            paths.CHANGE_DESTINATION, values, name=name, timeout=_KEYRING_SECONDS
        )

    def remove_destination(self, name: str, *, force: bool = False) -> Call[DestinationRemoved]:
        """Forget a destination and its keys; with `force` also when half-sent parts lie there."""
        query: ForceQuery = {"force": "1"} if force else {}
        return self._caller.call(
            paths.REMOVE_DESTINATION, None, query, name=name, timeout=_KEYRING_SECONDS
        )

    def test_destination(self, name: str) -> Call[DestinationTested]:
        """Try whether publishing there would work."""
        return self._caller.call(paths.TEST_DESTINATION, name=name, timeout=180.0)

    def namespaces(self) -> Call[HubNamespaces]:
        """Where the Hub token's owner may publish."""
        return self._caller.call(paths.HUB_NAMESPACES, timeout=_KEYRING_SECONDS)

    def check_repository(self, repo_id: str) -> Call[RepositoryState]:
        """Whether a repository is on the Hub."""
        body: RepositoryCheck = {"repo_id": repo_id}
        return self._caller.call(paths.CHECK_REPOSITORY, body, timeout=_KEYRING_SECONDS)

    # -- transfers ----------------------------------------------------------------------------

    def transfers(self) -> Call[list[Transfer]]:
        """All transfers in their order, with their files."""
        return self._caller.call(paths.TRANSFERS).then(lambda answer: answer["transfers"])

    def publish(self, job_id: str, to: str, **options: Unpack[PublishOptions]) -> Call[Transfer]:
        """Queue a job's files for a destination; without options all of them."""
        body: PublishRequest = {"job_id": job_id, "to": to, **options}
        return self._caller.call(paths.PUBLISH, body, timeout=_KEYRING_SECONDS)

    def look_ahead(
        self, job_id: str, to: str, **options: Unpack[PublishOptions]
    ) -> Call[PublishPreview]:
        """What `publish` with the same arguments would do."""
        body: PublishRequest = {"job_id": job_id, "to": to, **options}
        return self._caller.call(paths.PREVIEW_PUBLISH, body, timeout=90.0)

    def clear_list(self, transfer_id: str = "") -> Call[list[str]]:
        """Take ended transfers off the list, or one of them; answers their ids."""
        body: ClearListRequest = {"id": transfer_id}
        return self._caller.call(paths.CLEAR_TRANSFERS, body).then(lambda answer: answer["cleared"])

    def act(self, transfer_id: str, action: TransferAction) -> Call[Transfer]:
        """Pause, resume, cancel or retry a transfer, or move it in the order."""
        return self._caller.call(
            paths.ACT_ON_TRANSFER, id=transfer_id, action=action, timeout=_KEYRING_SECONDS
        )

    def limit(self, bandwidth: str) -> Call[int]:
        """Change how fast all transfers together may be, as typed; answers bytes per second."""
        body: BandwidthChange = {"bandwidth": bandwidth}
        return self._caller.call(paths.SET_BANDWIDTH, body).then(lambda answer: answer["bandwidth"])

    # -- artifacts ----------------------------------------------------------------------------

    def artifacts(self, job: str = "") -> Call[list[JobArtifacts]]:
        """What jobs produced and where it is published; all jobs without an id."""
        query: ArtifactsQuery = {"job": job}
        call = self._caller.call(paths.ARTIFACTS, None, query, timeout=120.0)
        return call.then(lambda answer: answer["jobs"])

    def clear(self, job_id: str, files: list[str]) -> Call[FilesCleared]:
        """Delete local copies of files that are safe elsewhere."""
        body: ClearFilesRequest = {"job_id": job_id, "files": files}
        return self._caller.call(paths.CLEAR_FILES, body, timeout=600.0)
