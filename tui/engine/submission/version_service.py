"""Compares and pins versions of trainer models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tui.base.errors import RefusedError
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.submission.model_catalog import ModelCatalog
from tui.replicate.errors import NotFoundError
from tui.replicate.models import Version
from tui.simpletuner.request.schema import missing_inputs, schema_diff

if TYPE_CHECKING:
    from tui.api import versions

_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")


class VersionService:
    """Carries out the user's requests about versions."""

    def __init__(
        self, clients: ReplicateClients, catalog: ModelCatalog, live: LiveSettings
    ) -> None:
        self._clients = clients
        self._catalog = catalog
        self._live = live

    async def compare(
        self, api_base: str, model: str, before: str, after: str
    ) -> versions.VersionComparison:
        """Compare the inputs of two versions.

        Args:
            api_base: address of the API.
            model: `owner/name`.
            before: id of the older version or a prefix of it; empty takes the pinned one.
            after: id of the newer version or a prefix of it; empty takes the newest.

        Raises:
            RefusedError: there is no such model or version.
            ReplicateError: Replicate could not be asked.
        """
        name, _ = split_model(model)
        pinned = self._live.now.cloud.pinned_versions.get(name, "")
        older = await self._version(api_base, name, before or pinned)
        newer = await self._version(api_base, name, after)
        changes = schema_diff(older.openapi_schema, newer.openapi_schema)
        return {
            "model": name,
            "before": _row(older),
            "after": _row(newer),
            "known": older.openapi_schema is not None and newer.openapi_schema is not None,
            "changes": [
                {"name": item.name, "kind": item.kind, "words": item.words} for item in changes
            ],
            "missing": [
                {"name": item.name, "purpose": item.purpose, "essential": item.essential}
                for item in missing_inputs(newer.openapi_schema)
            ],
        }

    async def pin(self, api_base: str, model: str, version: str | None) -> versions.Pinned:
        """Pin a version of a model for all further jobs, or remove the pin.

        Args:
            api_base: address of the API that is asked whether the version exists.
            model: `owner/name`, or `owner/name:hash` with the version in it.
            version: the version's id or a prefix of it; None or empty removes the pin.

        Raises:
            RefusedError: there is no such model or version; nothing is changed then.
            ReplicateError: Replicate could not be asked; nothing is changed then.
        """
        name, version_in_name = split_model(model)
        wanted = (version or "").strip() or version_in_name
        pins = dict(self._live.now.cloud.pinned_versions)
        if not wanted:
            pins.pop(name, None)
            self._live.change("cloud", {"pinned_versions": pins})
            return {"model": name, "pinned": None, "missing": []}
        chosen = await self._version(api_base, name, wanted)
        pins[name] = chosen.id
        self._live.change("cloud", {"pinned_versions": pins})
        missing = missing_inputs(chosen.openapi_schema)
        return {
            "model": name,
            "pinned": chosen.id,
            "version": _row(chosen),
            "missing": [
                {"name": item.name, "purpose": item.purpose, "essential": item.essential}
                for item in missing
            ],
        }

    async def _version(self, api_base: str, model: str, wanted: str) -> Version:
        try:
            versions = await self._catalog.versions(api_base, model)
            if not wanted and versions:
                return versions[0]
            matches = [
                candidate for candidate in versions if wanted and candidate.id.startswith(wanted)
            ]
            if len(matches) == 1:
                return matches[0]
            if _HASH.fullmatch(wanted):  # the list holds only the 50 newest
                return await (await self._clients.get(api_base)).version(model, wanted)
        except NotFoundError:
            matches = []
        several = f"{len(matches)} versions begin with {wanted}" if len(matches) > 1 else ""
        message = several or f"{model} has no version {wanted or 'at all'}"
        raise RefusedError(
            f"{message}.", "Choose one from the list, or give its whole hash.",
            status=404, code="no_version", details={"fields": {"version": message}},
        )  # fmt: skip


def split_model(text: str) -> tuple[str, str]:
    """Split `owner/name[:version]` into the model and the version, "" without one.

    Raises:
        RefusedError: the text does not name a model.
    """
    name, _, version = text.strip().partition(":")
    if not _MODEL.fullmatch(name):
        message = "must be owner/name or owner/name:version"
        raise RefusedError(f"The model {message}.", details={"fields": {"model": message}})
    return name, version.strip()


def _row(version: Version) -> versions.VersionRow:
    return {
        "id": version.id,
        "created_at": version.created_at.isoformat() if version.created_at else None,
        "cog_version": version.cog_version,
    }
