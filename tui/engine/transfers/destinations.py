"""The user's destinations: stored, named as targets, opened with their keys, tested."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.base.similar import did_you_mean
from tui.destinations.card.model_card import card_state
from tui.destinations.common.contract import Destination, LocalFile
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.common.meter import Throttle
from tui.destinations.folder import FolderDestination
from tui.destinations.hub.destination import HubDestination
from tui.destinations.hub.names import HubTarget, check_repo_id
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.profile import S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.bucket_keys import BucketKeys, host_of, same_server
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_service import NO_HUB, NO_HUB_ADVICE
from tui.engine.credentials.token_store import HOW_TO_SEND_OPENLY
from tui.engine.transfers.destination_options import read_options, whole_path, wrong
from tui.store.transfer_records import DestinationRecord, TransferState
from tui.store.transfers import TransferTables

if TYPE_CHECKING:
    from tui.api import destinations
    from tui.api.base import Step

_PREVIEW_TIMEOUT: Final = 10.0
"""Seconds for a preview of replaced files, while the user waits."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Target:
    """A place to publish to, parsed from a text.

    Attributes:
        text: normalised; the same for two spellings of one place.
        kind: `hub`, `s3` or `folder`.
        options: options of the kind; see `read_options`.
        profile: name of the S3 destination whose keys are used; "" for other kinds.
        below: folder below the destination's own prefix.
    """

    text: str
    kind: str
    options: dict[str, Any]
    profile: str = ""
    below: str = ""


class Destinations:
    """Stores the user's destinations, and opens targets.

    Attributes:
        keys: the keys of S3 destinations.
    """

    def __init__(
        self,
        tables: TransferTables,
        clients: ReplicateClients,
        live: LiveSettings,
        throttle: Throttle,
        now: Callable[[], datetime],
    ) -> None:
        self._tables = tables
        self._clients = clients
        self._live = live
        self._throttle = throttle
        self._now = now
        self.keys = BucketKeys()

    # -- the list -----------------------------------------------------------------------------

    def list(self) -> list[dict[str, Any]]:
        """`{name, kind, options}` of each destination."""
        return [
            {"name": record.name, "kind": record.kind, "options": record.options}
            for record in self._tables.destinations()
        ]

    async def kept(self) -> dict[str, str]:
        """Where the keys of each S3 destination are: `keyring`, `session`, or `none`."""
        records = [record for record in self._tables.destinations() if record.kind == "s3"]
        locations = await asyncio.gather(
            *(self.keys.where(record.name, record.options) for record in records)
        )
        return {record.name: location for record, location in zip(records, locations, strict=True)}

    def must_hold_keys(self) -> bool:
        """Whether an unfinished transfer needs keys that only this process has in memory.

        Paused transfers count as well: the next engine would have no keys for them.
        """
        return any(
            transfer.target.startswith(f"s3:{name}/")
            for name in self.keys.in_memory
            for transfer in self._tables.all()
            if transfer.state.is_active or transfer.state is TransferState.PAUSED
        )

    async def add(self, body: destinations.NewDestination) -> destinations.Destination:
        """Add or replace a destination; keys go to the keyring, or to memory (`session_only`).

        Args:
            body: `name`, `kind` and the options of the kind.

        Returns:
            `{name, kind, options}`.

        Raises:
            RefusedError: a field is not valid, or the keyring cannot store the keys (409,
                `keyring_unavailable`).
        """
        name, kind = body["name"], body["kind"]
        if not _NAME.fullmatch(name):
            raise wrong("name", "must be lower case letters, digits, - and _, at most 40")
        options = read_options(kind, body)
        existing = next(
            (record for record in self._tables.destinations() if record.name == name), None
        )
        if existing is not None:
            if existing.kind != kind:
                raise wrong("name", f"is a destination of another kind ({existing.kind}) already")
            self._refuse_stranded_parts(existing, options)
        if kind == "s3":
            await self.keys.keep(name, options, body)
            if existing is not None and host_of(existing.options) != host_of(options):
                await self.keys.forget(name, existing.options)
        self._tables.put_destination(DestinationRecord(name, kind, options, self._now()))
        return _as_shape(name, kind, options)

    async def change(
        self, name: str, body: destinations.DestinationChange
    ) -> destinations.Destination:
        """Change a destination; options and keys that are not given stay.

        Keys belong to one server: with another endpoint they must be given again.

        Raises:
            RefusedError: a field is not valid; nothing is changed then.
        """
        record = self._find(name)
        options = read_options(record.kind, {**_as_request(record, body), **body})
        self._refuse_stranded_parts(record, options)
        if record.kind == "s3":
            other_server = not same_server(options, record.options)
            if other_server or body.get("access_key") or body.get("secret_key"):
                await self.keys.keep(name, options, body)
                if host_of(options) != host_of(record.options):
                    await self.keys.forget(name, record.options)
        self._tables.put_destination(replace(record, options=options))
        return _as_shape(name, record.kind, options)

    def _refuse_stranded_parts(
        self, record: DestinationRecord, options: Mapping[str, Any] | None
    ) -> None:
        """Refuse a change that leaves parts of multipart uploads behind, which cost money.

        Args:
            record: the destination as stored.
            options: its new options; None when it is removed.

        Raises:
            RefusedError: there are parts of an unfinished transfer (409, `in_use`).
        """
        bucket_changes = options is None or any(
            options.get(option) != record.options.get(option) for option in ("endpoint", "bucket")
        )
        if record.kind != "s3" or not bucket_changes:
            return
        incomplete = self._tables.half_sent(f"s3:{record.name}/")
        if incomplete:
            raise RefusedError(
                f"Half-sent parts of the transfer {incomplete[0]} lie in its bucket, where they "
                "cost money.",
                "Cancel it first, which removes them: simpletuner-tui transfers cancel "
                f"{incomplete[0]}",
                status=409,
                code="in_use",
                details={"transfers": incomplete},
            )

    async def remove(self, name: str, *, force: bool = False) -> destinations.DestinationRemoved:
        """Remove a destination and its keys; published files stay.

        Args:
            name: the destination.
            force: remove it even if parts of unfinished transfers stay in its bucket.

        Returns:
            `{name, removed, keyring_problem}`.

        Raises:
            RefusedError: there is no such destination, or parts are left (409, `in_use`).
        """
        record = self._find(name)
        if not force:
            self._refuse_stranded_parts(record, None)
        keyring_problem = await self.keys.drop(name, record.options) if record.kind == "s3" else ""
        self._tables.delete_destination(name)
        return {"name": name, "removed": True, "keyring_problem": keyring_problem}

    async def test(self, name: str, api_base: str) -> destinations.DestinationTested:
        """Test whether publishing there works: `{name, ok, steps: [...]}`.

        Raises:
            RefusedError: there is no such destination.
        """
        self._find(name)
        try:
            destination = await self.open(self.read(name), api_base)
            try:
                report = await asyncio.to_thread(destination.test)
            finally:
                await asyncio.to_thread(destination.close)
        except PublishError as error:
            step: Step = {"name": error.kind.value, "level": "error", "message": error.message,
                          "advice": error.advice}  # fmt: skip
            return {"name": name, "ok": False, "steps": [step]}
        return {
            "name": name,
            "ok": report.ok,
            "steps": [cast("Step", asdict(step)) for step in report.steps],
        }

    def _find(self, name: str) -> DestinationRecord:
        known = {record.name: record for record in self._tables.destinations()}
        if name in known:
            return known[name]
        advice = "`simpletuner-tui destinations list` shows them."
        raise RefusedError(
            f"There is no destination {name!r}.",
            f"{did_you_mean(name, known)} {advice}".lstrip(),
            status=404,
            code="not_found",
        )

    # -- one target ---------------------------------------------------------------------------

    def read(self, text: str, default_folder: str = "") -> Target:
        """Parse the name of a target.

        Args:
            text: `hub:owner/name`, `s3:profile/prefix`, `dir:PATH` or a destination's name.
            default_folder: folder to use if the text names none.

        Raises:
            RefusedError: the text names no target.
        """
        kind, colon, rest = text.partition(":")
        if text.startswith(("/", "~", ".")):
            raise wrong("to", f"a folder is written with dir: before it: dir:{text}")
        try:
            if kind == "hub" and colon:
                repo = check_repo_id(rest)
                return Target(f"hub:{repo}", "hub", {"repo": repo, "private": True})
        except PublishError as error:
            raise RefusedError(
                error.message, error.advice, details={"fields": {"to": error.message}}
            ) from None
        if kind == "dir" and colon and rest:
            path = whole_path(rest)
            if not path:
                raise wrong("to", "needs the folder's whole path: dir:/path")
            return Target(f"dir:{path}", "folder", {"path": path})
        if kind == "s3" and colon:
            name, _, prefix = rest.partition("/")
            record = self._find(name)
            if record.kind != "s3":
                raise wrong("to", f"{name} is no S3 destination")
            below = prefix.strip("/") or default_folder
            return Target(f"s3:{name}/{below}", "s3", record.options, name, below)
        if colon:
            raise wrong("to", "must be hub:owner/name, s3:profile/prefix, dir:PATH or a name")
        if "/" in text:
            raise wrong("to", f"a repository is written with hub: before it: hub:{text}")
        record = self._find(text)
        if record.kind == "hub":
            return Target(f"hub:{record.options['repo']}", "hub", record.options)
        if record.kind == "s3":
            return Target(f"s3:{text}/{default_folder}", "s3", record.options, text, default_folder)
        path = str(Path(record.options["path"]) / default_folder)
        return Target(f"dir:{path}", "folder", {"path": path})

    async def await_hub_token(self, api_base: str) -> None:
        """Wait until the Hub's token is there, or a new engine has waited long enough for it."""
        await self._clients.resumed_hub_token(api_base)

    async def open(self, target: Target, api_base: str) -> Destination:
        """Open a target with its keys; the caller closes it.

        Args:
            target: what to open.
            api_base: API whose Hub and Hub token are used.

        Raises:
            PublishError: there are no keys, or the target's options are not valid.
        """
        network = self._live.now.network
        if target.kind == "folder":
            return FolderDestination(Path(target.options["path"]), throttle=self._throttle)
        if target.kind == "hub":
            token = await self._clients.tokens.find("huggingface", api_base)
            if token is None:
                raise PublishError(*self._clients.no_hub_token(api_base), Trouble.CREDENTIALS)
            endpoint = self._clients.hub_endpoint(api_base)
            if not endpoint:
                raise PublishError(NO_HUB, NO_HUB_ADVICE, Trouble.NAME)
            hub_target = HubTarget(
                target.options["repo"], private=target.options["private"], endpoint=endpoint
            )
            return HubDestination(
                hub_target, token.secret, network=network, throttle=self._throttle
            )
        profile = S3Profile(**target.options)
        self.require_encryption(profile)
        prefix = "/".join(part for part in (profile.prefix.strip("/"), target.below) if part)
        keys = await self.keys.of(target.profile, target.options)
        return S3Destination(
            replace(profile, prefix=prefix), keys, network=network, throttle=self._throttle
        )

    def require_encryption(self, profile: S3Profile) -> None:
        """Check that keys may be used at a server.

        Raises:
            PublishError: it has no TLS, and the settings do not allow that.
        """
        if profile.is_open and not self._live.now.network.send_secrets_unencrypted:
            message = f"{profile.endpoint} is not encrypted, so no keys are used there."
            raise PublishError(message, HOW_TO_SEND_OPENLY, Trouble.CREDENTIALS)

    async def card_at(self, target: Target, api_base: str) -> dict[str, str]:
        """The state of the model card at a target: `{card, card_problem}`.

        `card` is `missing`, `ours`, `edited` (ours, changed since), `foreign` (another author's),
        `none` for kinds without cards, or `unknown` with the reason in `card_problem`.
        """
        if target.kind != "hub":
            return {"card": "none", "card_problem": ""}
        try:
            destination = await self.open(target, api_base)
            if not isinstance(destination, HubDestination):
                return {"card": "none", "card_problem": ""}
            try:
                text = await asyncio.to_thread(destination.read_text, "README.md")
            finally:
                await asyncio.to_thread(destination.close)
        except PublishError as error:
            return {"card": "unknown", "card_problem": f"{error.message} {error.advice}".strip()}
        return {"card": card_state(text).value, "card_problem": ""}

    async def replaced_at(
        self, target: Target, api_base: str, files: Sequence[LocalFile]
    ) -> Sequence[str]:
        """Names of files that would irrecoverably replace others; empty if it cannot be asked."""
        if target.kind == "hub":
            return []
        cancel = threading.Event()
        timer = asyncio.get_running_loop().call_later(_PREVIEW_TIMEOUT, cancel.set)
        try:
            destination = await self.open(target, api_base)
            try:
                items = await asyncio.to_thread(destination.plan, files, cancel)
            finally:
                await asyncio.to_thread(destination.close)
        except PublishError:
            return []
        finally:
            timer.cancel()
        return [item.name for item in items if item.replaces]


def _as_shape(name: str, kind: str, options: JsonObject) -> destinations.Destination:
    destination = {"name": name, "kind": kind, "options": options}
    return cast("destinations.Destination", destination)


def _as_request(record: DestinationRecord, body: Mapping[str, Any]) -> JsonObject:
    """A destination's options as a request would give them.

    The endpoint is derived from preset, region and account. If one of those changes, it is left out
    so that it is derived again.
    """
    preset = body.get("preset") or record.options.get("preset")
    derive_endpoint = bool(body.get("preset") or body.get("account"))
    derive_endpoint = derive_endpoint or (bool(body.get("region")) and preset in ("b2", "wasabi"))
    return {
        name: value
        for name, value in record.options.items()
        if not (derive_endpoint and name == "endpoint")
    }
