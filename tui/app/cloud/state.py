"""What the Cloud screen knows: facts of the store, then the engine's answers as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from tui.base.hosts import is_loopback
from tui.store.fact_names import plain, scoped
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.api.base import Delivery
    from tui.api.diagnostics import DeliveryCheckRequest
    from tui.app.context import AppContext
    from tui.client.client import ControlClient, ControlError

Known = Mapping[str, Any]
DAYS: Final = (7, 30, 90)
_OLD: Final = 600.0
_NEWEST: Final = 20
"""Jobs that are looked at for results that have arrived."""
_FACTS: Final = {
    "account": "account", "tokens": "tokens", "listener": "listener", "network": "network_check",
    "status_page": "status_page", "spending": "standing", "spending:sandbox": "standing",
    "delivery:local": "delivery:local", "delivery:hub": "delivery:hub",
    "delivery:s3": "delivery:s3",
}  # fmt: skip
"""Facts of the store and the name they have here."""
_OF_ONE_API: Final = frozenset(
    {"account", "tokens", "delivery:local", "delivery:hub", "delivery:s3"}
)
"""Facts that the store has for each API apart."""
_FOLLOWED_BY: Final = {
    "account": ("onboarding",), "delivery": ("onboarding",), "onboarding": ("onboarding",),
    "spending": ("spending",), "listener": ("webhooks",), "staged": ("staged",),
}  # fmt: skip
"""What is read again when a fact has changed."""


class CloudState:
    """The answers behind the cards, by name.

    Attributes:
        context: settings, store and clock.
        known: the newest answer by name.
        busy: names that are being asked for now.
        failed: why the last try had no answer.
        days: days of the spending chart.
        hub_repo: the repository that a check of the Hub is about.
    """

    def __init__(self, context: AppContext, screen: Screen[Any], changed: Callable[[], None]):
        self.context = context
        self.known: dict[str, Known] = {}
        self.busy: set[str] = set()
        self.failed: dict[str, ControlError] = {}
        self.days = 30
        self.hub_repo = ""
        self._screen = screen
        self._changed = changed
        self._again: set[str] = set()

    # -- from the store -----------------------------------------------------------------------

    @property
    def base(self) -> str:
        """The base URL of Replicate's API in use."""
        return self.context.settings.cloud.api_base

    @property
    def sandbox(self) -> bool:
        """Whether the API is a server on this machine."""
        return self.context.sandbox or is_loopback(self.base)

    def from_store(self) -> None:
        """Reads all facts of the store."""
        names = [name for name in _FACTS if not name.startswith("spending")]
        money = "spending:sandbox" if self.sandbox else "spending"
        for name in (*names, money):
            self.read_fact(scoped(name, self.base) if name in _OF_ONE_API else name)
        self._read_arrived()

    def _read_arrived(self) -> None:
        """Reads which of the newest jobs of each delivery has its results where they should be."""
        reader = self.context.reader
        with contextlib.suppress(StoreError, KeyError):
            for run in reader.past_runs(sandbox=self.sandbox)[:_NEWEST]:
                job = reader.job(run.job_id)
                delivered = job.submit.get("delivered") if job is not None else None
                if job is not None and delivered and delivered.get("state") == "yes":
                    known = {"name": job.name, "at": delivered.get("at")}
                    self.known.setdefault(f"arrived:{job.delivery}", known)

    def read_fact(self, name: str) -> None:
        """Reads a fact again; a fact about another API base is ignored."""
        try:
            fact = self.context.reader.fact(name)
        except StoreError:
            return
        if fact is None or not isinstance(fact.value, dict):
            return
        base = str(fact.value.get("api_base") or self.base)
        if base != self.base and not (self.sandbox and is_loopback(base)):
            return
        if plain(name) in _FACTS:
            self.known[_FACTS[plain(name)]] = {**fact.value, "_at": fact.at}

    def apply_fact(self, name: str) -> None:
        """Reads a fact that has changed, and asks for what depends on it."""
        signed_in = self.get("account").get("valid")
        self.read_fact(name)
        names = list(_FOLLOWED_BY.get(plain(name).partition(":")[0], ()))
        if self.get("account").get("valid") and not signed_in:
            names += self._without_answer()
        self._start(dict.fromkeys(names))
        self._changed()

    def versions_of(self, model: str) -> list[Known]:
        """Returns the versions of a trainer, the newest first, as last read."""
        try:
            fact = self.context.reader.fact(scoped(f"versions:{model}", self.base))
        except StoreError:
            return []
        value = fact.value if fact is not None and isinstance(fact.value, dict) else {}
        return [one for one in value.get("versions") or () if isinstance(one, dict)]

    def get(self, name: str) -> Known:
        """Returns an answer; empty where there is none."""
        return self.known.get(name, {})

    def is_old(self, name: str) -> bool:
        """Returns whether an answer is missing or too old to be shown without a new check."""
        at = self.get(name).get("_at")
        return at is None or (self.context.clock() - at).total_seconds() > _OLD

    # -- from the engine ----------------------------------------------------------------------

    def try_again(self) -> None:
        """Asks again for everything that failed: the token or the proxy is another one now."""
        self.load(self._without_answer())

    def _without_answer(self) -> list[str]:
        """Returns what failed, and what was not found to work."""
        wanted = set(self.failed)
        for name in ("account", "hub", "network_check"):
            known = self.get(name)
            # A question that is under way may have been asked with the old token or proxy.
            if name in self.busy or (known and not known.get("valid", known.get("ok"))):
                wanted.add(name)
        wanted |= {
            name for name, known in self.known.items()
            if name.startswith("delivery:") and known.get("verdict") != "works"
        }  # fmt: skip
        return sorted(wanted)

    def load(self, names: Iterable[str]) -> None:
        """Asks for answers side by side; leaving the screen cancels the questions."""
        self._start(names)
        self._changed()

    def _start(self, names: Iterable[str]) -> None:
        """Starts the questions; the caller tells of the change, once: all cards are read for it."""
        control = self.context.control
        if control is None:
            return
        for name in names:
            if name in self.busy:
                # The answer under way may be older than the change; it is asked for once more.
                self._again.add(name)
                continue
            self.busy.add(name)
            self._screen.run_worker(
                self._load(control, name), group=f"cloud {name}", exit_on_error=False
            )

    async def _load(self, control: ControlClient, name: str) -> None:
        from tui.client.client import ControlError

        try:
            answer = await self._ask(control, name)
            if answer:
                self.known[name] = {**answer, "_at": self.context.clock()}
            self.failed.pop(name, None)
        except ControlError as error:
            self.failed[name] = error
        finally:
            self.busy.discard(name)
        if name in self._again:
            self._again.discard(name)
            self._start((name,))
        self._changed()

    def _ask(self, control: ControlClient, name: str) -> Awaitable[Known]:
        """Makes the call behind a name."""
        cloud = control.cloud
        kind, _, more = name.partition(":")
        calls: dict[str, Callable[[], Awaitable[Known]]] = {
            "tokens": cloud.tokens,
            "account": control.validate,
            "hub": lambda: cloud.validate_token("huggingface"),
            "spending": lambda: cloud.spending(self.days),
            "rates": cloud.rates,
            "status_page": lambda: cloud.status_page(fresh=more == "fresh"),
            "network": cloud.network,
            "network_check": cloud.check_network,
            "onboarding": cloud.onboarding,
            "provider": cloud.provider_settings,
            "engine": control.info,
            "webhooks": cloud.webhooks,
            "settings": cloud.settings,
            "staged": lambda: self._staged(control),
            "keys": lambda: self._keys(control),
            "versions": lambda: control.versions(more),
            "delivery": lambda: self._check_delivery(control, more),
        }
        return calls[kind]()

    async def _staged(self, control: ControlClient) -> Known:
        return {"staged": await control.staged()}

    async def _keys(self, control: ControlClient) -> Known:
        keys, pairs = await control.api_keys(), await control.storage_keys()
        return {"keys": keys.get("keys", []), "pairs": pairs.get("keys", [])}

    def _check_delivery(self, control: ControlClient, kind: str) -> Awaitable[Known]:
        body: DeliveryCheckRequest = {"kind": cast("Delivery", kind)}
        if kind == "hub" and self.hub_repo:
            body["hub_model_id"] = self.hub_repo
        return control.cloud.check_delivery(**body)
