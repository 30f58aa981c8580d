"""What the Cloud screen asks of the engine, in one place: services and their routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from tui.base.errors import RefusedError
from tui.engine.config import cloud
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.proxy_password import ProxyPassword
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.credentials.token_service import TokenService, Validate
from tui.engine.delivery.check import FACT as DELIVERY
from tui.engine.delivery.check import DeliveryCheck
from tui.engine.delivery.local import LocalDelivery
from tui.engine.delivery.s3 import S3Delivery
from tui.engine.diagnostics import doctor, onboarding
from tui.engine.diagnostics.network_check import NetworkCheck
from tui.engine.diagnostics.status_page import StatusPage
from tui.engine.listener.service import ListenerService
from tui.engine.runtime.event_bus import EventBus
from tui.engine.spending.service import SpendingService
from tui.engine.submission.model_catalog import ModelCatalog
from tui.engine.submission.version_service import VersionService
from tui.engine.transfers.destinations import Destinations
from tui.settings import Home, SettingsError
from tui.store.fact_names import scoped
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter


class CloudRoutes:
    """The services behind the screen; made by the engine, which owns what they work with."""

    def __init__(
        self,
        *,
        catalog: ModelCatalog,
        clients: ReplicateClients,
        default_base: Callable[[], str],
        home: Home,
        bus: EventBus,
        keys: StorageKeys,
        listening: ListenerService,
        live: LiveSettings,
        config_roots: Callable[[], list[Path]],
        places: Destinations,
        proxy_password: ProxyPassword,
        reader: StoreReader,
        spending: SpendingService,
        validate: Validate,
        writer: StoreWriter,
    ) -> None:
        self.live = live
        self.spending = spending
        self.tokens = TokenService(clients, live, writer, bus, validate)
        self.versions = VersionService(clients, catalog, live)
        self.network = NetworkCheck(clients, live, writer, bus, proxy_password)
        self.status_page = StatusPage(live, writer, bus)
        self.delivery = DeliveryCheck(
            bus=bus, local=LocalDelivery(listening, keys, live), s3=S3Delivery(places), live=live,
            config_roots=config_roots, tokens=self.tokens, writer=writer,
        )  # fmt: skip
        self._default_base = default_base
        self._home = home
        self._bus = bus
        self._listening = listening
        self._reader = reader
        self._writer = writer

    def routes(self) -> list[web.RouteDef]:
        """Routes of the control API; all below `/api/engine/`."""
        return [
            web.get("/api/engine/spending", self._spending),
            web.get("/api/engine/limit", self._limit),
            web.put("/api/engine/limit", self._set_limit),
            web.put("/api/engine/defaults", self._set_defaults),
            web.get("/api/engine/rates", self._rates),
            web.put("/api/engine/rates", self._set_rates),
            web.delete("/api/engine/rates", self._reset_rates),
            web.get("/api/engine/tokens", self._tokens),
            web.put("/api/engine/tokens/{kind}", self._set_token),
            web.delete("/api/engine/tokens/{kind}", self._delete_token),
            web.get("/api/engine/tokens/{kind}/validate", self._validate),
            web.get("/api/engine/versions/compare", self._compare),
            web.put("/api/engine/versions/pin", self._pin),
            web.get("/api/engine/network", self._network),
            web.put("/api/engine/network", self._set_network),
            web.post("/api/engine/network/check", self._check_network),
            web.get("/api/engine/status-page", self._status_page),
            web.post("/api/engine/delivery/check", self._delivery),
            web.get("/api/engine/doctor", self._doctor),
            web.get("/api/engine/onboarding", self._onboarding),
            web.put("/api/engine/onboarding", self._change_onboarding),
        ]

    # -- money --------------------------------------------------------------------------------

    async def _spending(self, request: web.Request) -> web.Response:
        text = request.query.get("days", "30")
        if not (text.isascii() and text.isdecimal() and len(text) < 5):
            words = "must be a whole number"
            raise RefusedError(f"days {words}.", details={"fields": {"days": words}})
        base = self._base(request)
        return _answer(await asyncio.to_thread(self._summary, base, int(text)))

    def _summary(self, api_base: str, days: int) -> dict[str, Any]:
        """The chart reads every job of its days, so it is made beside the event loop."""
        reader = StoreReader(self._home.database)
        try:
            return SpendingService(reader, self.live, self.spending.clock).summary(api_base, days)
        finally:
            reader.close()

    async def _limit(self, request: web.Request) -> web.Response:
        return _answer(self.spending.status(self._base(request)))

    async def _set_limit(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._change(lambda: cloud.set_limit(self.live, body))
        return _answer(self.spending.status(self._base(request)))

    async def _set_defaults(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._change(lambda: cloud.set_defaults(self.live, body))
        return _answer({"delivery": self.live.now.cloud.delivery})

    async def _rates(self, _request: web.Request) -> web.Response:
        return _answer(cloud.rates_data(self.live))

    async def _set_rates(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._change(lambda: cloud.set_rates(self.live, body))
        return _answer(cloud.rates_data(self.live))

    async def _reset_rates(self, _request: web.Request) -> web.Response:
        self._change(lambda: cloud.reset_rates(self.live))
        return _answer(cloud.rates_data(self.live))

    # -- tokens and versions ------------------------------------------------------------------

    async def _tokens(self, request: web.Request) -> web.Response:
        return _answer(await self.tokens.states(self._base(request)))

    async def _set_token(self, request: web.Request) -> web.Response:
        body = await _body(request)
        return _answer(
            await self.tokens.set(
                request.match_info["kind"],
                self._base(request),
                body.get("token"),
                session_only=body.get("session_only") is True,
            )
        )

    async def _delete_token(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        return _answer(await self.tokens.delete(kind, self._base(request)))

    async def _validate(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        return _answer(await self.tokens.validate(kind, self._base(request)))

    async def _compare(self, request: web.Request) -> web.Response:
        query = request.query
        return _answer(
            await self.versions.compare(
                self._base(request),
                query.get("model", ""),
                query.get("before", ""),
                query.get("after", ""),
            )
        )

    async def _pin(self, request: web.Request) -> web.Response:
        body = await _body(request)
        version = body.get("version")
        return _answer(
            await self.versions.pin(
                self._base(request),
                str(body.get("model") or ""),
                version if isinstance(version, str) else None,
            )
        )

    # -- connections --------------------------------------------------------------------------

    async def _network(self, _request: web.Request) -> web.Response:
        return _answer({**cloud.network_data(self.live), "ways": self.network.ways()})

    async def _set_network(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._change(lambda: cloud.set_network(self.live, body))
        return await self._network(request)

    async def _check_network(self, request: web.Request) -> web.Response:
        return _answer(await self.network.run(self._base(request)))

    async def _status_page(self, request: web.Request) -> web.Response:
        fresh = request.query.get("fresh") == "1"
        return _answer(await self.status_page.read(self._base(request), fresh=fresh))

    async def _delivery(self, request: web.Request) -> web.Response:
        return _answer(await self.delivery.run(self._base(request), await _body(request)))

    async def _doctor(self, request: web.Request) -> web.Response:
        api_base = self._base(request)
        lines = await doctor.examine(
            api_base, self._home, self._listening, self.network, self.tokens
        )
        return _answer({"lines": [asdict(line) for line in lines]})

    # -- first run ----------------------------------------------------------------------------

    async def _onboarding(self, request: web.Request) -> web.Response:
        return _answer(self.onboarding(self._base(request)))

    async def _change_onboarding(self, request: web.Request) -> web.Response:
        onboarding.change(self._writer, self._bus, await _body(request))
        return _answer(self.onboarding(self._base(request)))

    def onboarding(self, api_base: str) -> dict[str, Any]:
        """`{steps: [{id, title, state, detail}], finished, open}`."""
        names = {
            onboarding.FACT: onboarding.FACT,
            "account": scoped("account", api_base),
            "delivery": scoped(f"{DELIVERY}:{self.live.now.cloud.delivery}", api_base),
        }
        known = {name: self._writer.fact(fact) or {} for name, fact in names.items()}
        jobs = sum(self._reader.counts().values())
        steps = onboarding.checklist(self.live.now, known, jobs, api_base)
        return {
            "steps": [asdict(step) for step in steps],
            "open": sum(step.state == "open" for step in steps),
            "finished": bool(known[onboarding.FACT].get("finished")),
        }

    # -- parts --------------------------------------------------------------------------------

    def _change(self, change: Callable[[], None]) -> None:
        """Change settings; the settings' watch tells windows.

        Raises:
            RefusedError: the settings file cannot be changed.
        """
        try:
            change()
        except SettingsError as error:
            raise RefusedError(error.message, error.advice) from None
        except OSError as error:
            raise RefusedError(
                f"The settings file cannot be written: {error.strerror or error}.",
                "Check its folder and the disk.",
                status=507,
                code="settings",
            ) from None

    def _base(self, request: web.Request) -> str:
        return request.headers.get("X-Api-Base") or self._default_base()


def _answer(data: dict[str, Any]) -> web.Response:
    return web.json_response(data)


async def _body(request: web.Request) -> dict[str, Any]:
    if not request.can_read_body:
        return {}
    try:
        data = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise RefusedError("The request body is not JSON.") from None
    if not isinstance(data, dict):
        raise RefusedError("The request body must be a JSON object.")
    return data
