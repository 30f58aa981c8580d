"""The versions of trainer models: listed by Replicate, cached in memory and in the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.runtime.event_bus import EventBus
from tui.replicate.errors import NotFoundError
from tui.replicate.models import Version
from tui.simpletuner.request.hardware import (
    DEFAULT_PROFILE,
    LEGACY_MODEL,
    HardwareProfile,
)
from tui.store.fact_names import scoped
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.providers import ModelVersion

_FRESH_SECONDS: Final = 120.0
_NEWEST: Final = 50
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """The model version a job would run on.

    Attributes:
        model: `owner/name`.
        version: the version's id.
        created_at: when it was pushed.
        schema: its `openapi_schema`, if it has one.
    """

    model: str
    version: str
    created_at: datetime | None
    schema: JsonObject | None


class ModelCatalog:
    """Lists versions, with at most one request in two minutes for each model."""

    def __init__(
        self, clients: ReplicateClients, writer: StoreWriter, bus: EventBus, live: LiveSettings
    ) -> None:
        self._clients = clients
        self._writer = writer
        self._bus = bus
        self._live = live
        self._known: dict[tuple[str, str], tuple[float, list[Version]]] = {}

    async def versions(self, api_base: str, model: str, *, fresh: bool = False) -> list[Version]:
        """The 50 newest versions of a model, newest first.

        Args:
            api_base: address of the API.
            model: `owner/name`.
            fresh: ask Replicate even when the cached list is recent.

        Raises:
            ReplicateError: the list could not be read.
        """
        key = (api_base, model)
        if not fresh and key in self._known:
            read_at, versions = self._known[key]
            if time.monotonic() - read_at < _FRESH_SECONDS:
                return versions
        client = await self._clients.get(api_base)
        versions = []
        async for version in client.versions(model):
            versions.append(version)
            if len(versions) >= _NEWEST:
                break
        self._known[key] = (time.monotonic(), versions)
        rows = [version_row(model, version) for version in versions[:_SHOWN]]
        fact = scoped(f"versions:{model}", api_base)
        self._writer.set_fact(fact, {"versions": rows, "api_base": api_base})
        self._bus.publish("fact", name=fact)
        return versions

    async def choose(
        self,
        api_base: str,
        profile: HardwareProfile,
        model: str | None = None,
        version: str | None = None,
    ) -> Choice:
        """Choose the version for a job: the requested one, else the pinned one, else the newest.

        Raises:
            RefusedError: there is no model or version to run.
            ReplicateError: Replicate could not be asked.
        """
        name, inside = _named_model(profile, model)
        try:
            versions = await self.versions(api_base, name)
        except NotFoundError:
            if model or profile.id != DEFAULT_PROFILE:
                raise
            # Before SimpleTuner published one model per hardware profile, it had this one only.
            name = LEGACY_MODEL
            versions = await self.versions(api_base, name)
        wanted = version or inside or self._live.now.cloud.pinned_versions.get(name, "")
        if not versions:
            raise RefusedError(
                f"The model {name} has no versions.", "Choose other hardware.", code="no_version"
            )
        if chosen := _chosen(name, versions, wanted):
            return chosen
        client = await self._clients.get(api_base)
        return version_choice(name, await client.version(name, wanted))

    def known(
        self,
        api_base: str,
        profile: HardwareProfile,
        model: str | None = None,
        version: str | None = None,
    ) -> tuple[Choice | None, bool]:
        """Choose as `choose` does, from the lists that are in memory; asks nobody.

        Returns:
            The version, None when no list has it, and whether its list is still fresh.

        Raises:
            RefusedError: there is no model to run.
        """
        name, inside = _named_model(profile, model)
        read_at, versions = self._known.get((api_base, name), (0.0, []))
        if not versions and not model and profile.id == DEFAULT_PROFILE:
            name = LEGACY_MODEL
            read_at, versions = self._known.get((api_base, name), (0.0, []))
        wanted = version or inside or self._live.now.cloud.pinned_versions.get(name, "")
        fresh = time.monotonic() - read_at < _FRESH_SECONDS
        return _chosen(name, versions, wanted), fresh


def version_row(model: str, version: Version) -> ModelVersion:
    """A version as the HTTP API shows it."""
    return {
        "id": version.id,
        "created_at": version.created_at.isoformat() if version.created_at else None,
        "model_id": model,
        "full_version": f"{model}:{version.id}",
        "cog_version": version.cog_version,
    }


def _named_model(profile: HardwareProfile, model: str | None) -> tuple[str, str]:
    """The model of a job, and the version in its name; "" for none."""
    name, _, inside = (model or profile.model or "").partition(":")
    if not name:
        raise RefusedError(
            f"No public trainer runs on {profile.label}.",
            "Name a model of your own (owner/name), or choose other hardware.",
            code="no_model",
        )
    return name, inside


def _chosen(name: str, versions: Sequence[Version], wanted: str) -> Choice | None:
    """The newest version whose id begins with `wanted`; None when there is none."""
    matching = (version for version in versions if version.id.startswith(wanted))
    version = next(matching, None)
    return None if version is None else version_choice(name, version)


def version_choice(model: str, version: Version) -> Choice:
    """A version that Replicate listed, as the one that a job would run on."""
    return Choice(model, version.id, version.created_at, version.openapi_schema)
