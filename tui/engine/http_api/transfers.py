"""Routes of destinations, transfers and artifacts; on the user's socket only."""

from __future__ import annotations

from tui.api import artifacts, destinations, paths, transfers
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations


class TransferRoutes:
    """Answers from the transfer service."""

    def __init__(self, engine: Engine) -> None:
        self._service = engine.transfers

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.DESTINATIONS, self._destinations)
        operations.add(paths.ADD_DESTINATION, self._add)
        operations.add(paths.CHANGE_DESTINATION, self._change)
        operations.add(paths.REMOVE_DESTINATION, self._remove)
        operations.add(paths.TEST_DESTINATION, self._test)
        operations.add(paths.TRANSFERS, self._transfers)
        operations.add(paths.PUBLISH, self._publish)
        operations.add(paths.PREVIEW_PUBLISH, self._preview)
        operations.add(paths.CLEAR_TRANSFERS, self._clear_list)
        operations.add(paths.ACT_ON_TRANSFER, self._act)
        operations.add(paths.SET_BANDWIDTH, self._set_bandwidth)
        operations.add(paths.ARTIFACTS, self._artifacts)
        operations.add(paths.CLEAR_FILES, self._clear_files)

    async def _destinations(self, _call: Call[None, None]) -> destinations.DestinationList:
        return {"destinations": await self._service.list_destinations()}

    async def _add(self, call: Call[destinations.NewDestination, None]) -> destinations.Destination:
        return await self._service.add_destination(call.body)

    async def _change(
        self, call: Call[destinations.DestinationChange, None]
    ) -> destinations.Destination:
        return await self._service.change_destination(call.part("name"), call.body)

    async def _remove(
        self, call: Call[None, destinations.ForceQuery]
    ) -> destinations.DestinationRemoved:
        force = call.query.get("force") == "1"
        return await self._service.remove_destination(call.part("name"), force=force)

    async def _test(self, call: Call[None, None]) -> destinations.DestinationTested:
        return await self._service.test_destination(call.part("name"), call.api_base)

    async def _transfers(self, _call: Call[None, None]) -> transfers.TransferList:
        return {"transfers": self._service.list_transfers()}

    async def _publish(self, call: Call[transfers.PublishRequest, None]) -> transfers.Transfer:
        return await self._service.publish(call.api_base, call.body)

    async def _preview(
        self, call: Call[transfers.PublishRequest, None]
    ) -> transfers.PublishPreview:
        return await self._service.preview(call.api_base, call.body)

    async def _clear_list(
        self, call: Call[transfers.ClearListRequest, None]
    ) -> transfers.ListCleared:
        return {"cleared": self._service.queue.clear(call.body.get("id") or "")}

    async def _act(self, call: Call[None, None]) -> transfers.Transfer:
        return self._service.act(call.part("id"), call.part("action"))

    async def _set_bandwidth(
        self, call: Call[transfers.BandwidthChange, None]
    ) -> transfers.Bandwidth:
        return {"bandwidth": self._service.set_bandwidth(call.body["bandwidth"])}

    async def _artifacts(
        self, call: Call[None, artifacts.ArtifactsQuery]
    ) -> artifacts.ArtifactList:
        return {"jobs": await self._service.list_artifacts(call.query.get("job", ""))}

    async def _clear_files(
        self, call: Call[artifacts.ClearFilesRequest, None]
    ) -> artifacts.FilesCleared:
        return await self._service.clear_files(call.body["job_id"], call.body["files"])
