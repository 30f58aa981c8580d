"""Tests from this machine whether a job's results would arrive: here, on the Hub, in a bucket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.destinations.hub.write_check import Effort, prove_write
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.token_service import TokenService
from tui.engine.delivery.local import LocalDelivery
from tui.engine.delivery.result import DeliveryResult
from tui.engine.delivery.s3 import S3Delivery
from tui.engine.runtime.event_bus import EventBus
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.checks.data import resting_on
from tui.simpletuner.checks.delivery_schedule import schedule_checks
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.config.values import as_bool
from tui.simpletuner.delivery_schedule.job import delivery_outlook
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.release.profile import ReleaseProfile
from tui.simpletuner.request.delivery import (
    Delivery,
    DeliveryKind,
    default_delivery_kind,
)
from tui.store.fact_names import scoped
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import diagnostics

FACT: Final = "delivery"
_TEST_TIMEOUT: Final = 40.0
_SUCCESS_CACHE_SECONDS: Final = 120.0
"""Seconds for which a successful test is cached."""
_UNPROVED_CACHE_SECONDS: Final = 120.0
"""Seconds for which a way is cached that could not be proved from outside: a test sends 8 MiB."""
_FAILURE_CACHE_SECONDS: Final = 15.0
"""Seconds for which a failed test is cached; short, because the user is probably fixing it."""
_SAME_SUBMIT_SECONDS: Final = 10.0
"""Seconds for which it is cached in a submit, which proves the way for data and for results."""
_MAX_CACHED: Final = 100


class DeliveryCheck:
    """Tests deliveries, and caches the findings."""

    def __init__(
        self,
        *,
        bus: EventBus,
        local: LocalDelivery,
        s3: S3Delivery,
        live: LiveSettings,
        config_roots: Callable[[], list[Path]],
        tokens: TokenService,
        writer: StoreWriter,
        release: Callable[[str], Awaitable[ReleaseProfile]],
    ) -> None:
        """Take the services it works with.

        Args:
            bus: tells that a fact changed.
            local: tests the delivery to this machine.
            s3: tests the delivery to a bucket.
            live: the settings.
            config_roots: returns the folders to search configs in.
            tokens: the tokens.
            writer: keeps facts.
            release: returns the release profile of the version that the next job would run on.
        """
        self._release = release
        self._bus = bus
        self._local = local
        self._s3 = s3
        self._live = live
        self._config_roots = config_roots
        self._tokens = tokens
        self._writer = writer
        self._cache: dict[tuple[object, ...], tuple[float, DeliveryResult]] = {}
        self._testing: dict[tuple[object, ...], asyncio.Lock] = {}

    # -- for the screen -----------------------------------------------------------------------

    async def run(
        self, api_base: str, body: diagnostics.DeliveryCheckRequest
    ) -> diagnostics.DeliveryReport:
        """Test one kind of delivery, and store as a fact what holds for it whatever the config.

        Args:
            api_base: API whose trainer would deliver.
            body: all fields may be missing: `kind` (default: the config's, else the settings'),
                `hub_model_id`, `destination` (for S3), `config` (a path or a name). With `try` a
                repository that does not exist is created and removed again.

        Returns:
            `{api_base, kind, verdict, ok, summary, steps: [{id, level, message, advice}],
            checked_at}`.

        Raises:
            RefusedError: a field is not valid, or the config cannot be read.
        """
        config = await self._config(body.get("config"))
        kind = body.get("kind")
        if kind is None:
            usual = default_delivery_kind(config) if config else self._live.now.cloud.delivery
            kind = cast("DeliveryKind", usual)
        repo = str(body.get("hub_model_id") or "")
        if not repo and config is not None:
            repo = str(config.values.get("hub_model_id") or "")
        effort: Effort = "try" if body.get("try") is True else "look"
        delivery = Delivery(
            kind=kind,
            hub_model_id=repo,
            destination=str(body.get("destination") or ""),
        )
        tested = await self._test(api_base, delivery, _private(config), effort)
        release = await self._release(api_base)
        answer = _report(api_base, kind, tested, _upload_findings(kind, config, release))
        self._remember(api_base, kind, tested, release)
        return answer

    def _remember(
        self, api_base: str, kind: DeliveryKind, tested: DeliveryResult, release: ReleaseProfile
    ) -> None:
        """Store what a test found of a way, without what a config makes of it."""
        report = _report(api_base, kind, tested, _upload_findings(kind, None, release))
        name = scoped(f"{FACT}:{kind}", api_base)
        # A finding need not name the address: a refused connection names the port alone.
        endpoint = self._local.endpoint(api_base) if kind == "local" else None
        self._writer.set_fact(name, dict(report) | ({"endpoint": endpoint} if endpoint else {}))
        self._bus.publish("fact", name=name)

    async def _config(self, name: object) -> TrainingConfig | None:
        if not name:
            return None
        try:
            path, roots = Path(str(name)).expanduser(), self._config_roots()
            return await asyncio.to_thread(partial(load_config, path, roots=roots))
        except SimpleTunerError as error:
            raise RefusedError(
                error.message, error.advice, code="invalid_config",
                details={"fields": {"config": error.message}},
            ) from None  # fmt: skip

    # -- before a job -------------------------------------------------------------------------

    async def for_job(
        self, api_base: str, delivery: Delivery, config: TrainingConfig, *, submit: bool
    ) -> DeliveryResult:
        """Test whether a job's results would arrive.

        Args:
            api_base: API whose trainer would deliver.
            delivery: the job's delivery.
            config: the job's config.
            submit: the job is about to start: a repository that does not exist is created, as the
                trainer would do, and a cached failure is tested again.

        Returns:
            The findings; without any where there is nothing to test.
        """
        if not self.is_testable(delivery):
            return DeliveryResult()
        key = await self._cache_key(api_base, delivery)
        # Two checks of one way wait for one test: it sends several MiB.
        async with self._testing.setdefault(key, asyncio.Lock()):
            cached = self._cached(key, delivery, submit=submit)
            if cached is not None:
                return cached
            effort: Effort = "make" if submit else "look"
            result = await self._test(api_base, delivery, _private(config), effort)
            while len(self._cache) >= _MAX_CACHED:
                oldest = next(iter(self._cache))
                self._cache.pop(oldest)
                self._testing.pop(oldest, None)
            self._cache[key] = (time.monotonic(), result)
        if delivery.kind == "local":  # data that are staged here are read by the same way
            self._remember(api_base, "local", result, await self._release(api_base))
        return result

    @staticmethod
    def is_testable(delivery: Delivery) -> bool:
        """Whether a job's way can be tested; what is missing is a finding about the config."""
        named = {"hub": delivery.hub_model_id, "s3": delivery.destination, "none": None}
        return bool(named.get(delivery.kind, True))

    async def known(self, api_base: str, delivery: Delivery) -> DeliveryResult | None:
        """Return the findings of a moment ago; None when `for_job` would test the way."""
        key = await self._cache_key(api_base, delivery)
        return self._cached(key, delivery, submit=False)

    def _cached(
        self, key: tuple[object, ...], delivery: Delivery, *, submit: bool
    ) -> DeliveryResult | None:
        """Findings that still count: see the seconds above, by what was found."""
        cached_at, cached = self._cache.get(key, (0.0, DeliveryResult()))
        if not cached_at or (submit and delivery.kind == "hub"):
            return None
        seconds = 0.0 if submit else _FAILURE_CACHE_SECONDS
        if cached.verdict == "works":
            seconds = _SUCCESS_CACHE_SECONDS
        elif cached.verdict == "unknown" and delivery.kind == "local":
            seconds = _SAME_SUBMIT_SECONDS if submit else _UNPROVED_CACHE_SECONDS
        return cached if time.monotonic() - cached_at < seconds else None

    async def _cache_key(self, api_base: str, delivery: Delivery) -> tuple[object, ...]:
        """The cache key: everything that the outcome depends on, the network settings included."""
        network = self._live.now.network
        if delivery.kind == "hub":
            token, endpoint = (
                await self._tokens.hub_token(api_base), self._tokens.hub_endpoint(api_base)
            )  # fmt: skip
            return (api_base, delivery, network, endpoint, token)
        if delivery.kind == "local":
            return (api_base, "local", network, self._local.cache_key(api_base))
        options = str(self._s3.destinations().get(delivery.destination or ""))
        return (api_base, delivery, network, options)

    # -- the ways -----------------------------------------------------------------------------

    async def _test(
        self, api_base: str, delivery: Delivery, private: bool, effort: Effort
    ) -> DeliveryResult:
        tests: dict[str, Callable[[], Awaitable[DeliveryResult]]] = {
            "local": lambda: self._local.test(api_base),
            "hub": lambda: self._test_hub(api_base, delivery.hub_model_id or "", private, effort),
            "s3": lambda: self._s3.test(api_base, delivery),
        }
        if delivery.kind not in tests:
            message = "results would stay in the container and be lost"
            advice = "Choose the Hub, an S3 bucket or this machine."
            return DeliveryResult([Check("nowhere", "error", message, advice)])
        try:
            async with asyncio.timeout(_TEST_TIMEOUT):
                return await tests[delivery.kind]()
        except TimeoutError:
            message = (
                f"no answer within {_TEST_TIMEOUT:.0f} s: whether results would arrive is not known"
            )
            return DeliveryResult(
                [Check("delivery-proof", "warn", message, "Check the network.")], unknown=True
            )

    async def _test_hub(
        self, api_base: str, repo: str, private: bool, effort: Effort
    ) -> DeliveryResult:
        token = await self._tokens.hub_token(api_base)
        endpoint = self._tokens.hub_endpoint(api_base)
        if token is None or not endpoint:
            validation = await self._tokens.validate("huggingface", api_base)
            message, advice = str(validation["error"]).rstrip("."), str(validation["advice"])
            return DeliveryResult([Check("hub-token", "error", message, advice)], where=repo)
        proof = await asyncio.to_thread(
            partial(
                prove_write, repo, token, endpoint=endpoint, network=self._live.now.network,
                private=private, effort=effort,
            )
        )  # fmt: skip
        steps = [Check(step.name, step.level, step.message, step.advice) for step in proof.steps]
        return DeliveryResult(steps, proof.unknown, proof.repo_id or repo)


def _report(
    api_base: str, kind: DeliveryKind, tested: DeliveryResult, more: list[Check]
) -> diagnostics.DeliveryReport:
    """The answer about a tested way, with further findings."""
    result = replace(tested, steps=(*tested.steps, *more))
    return {
        "api_base": api_base,
        "kind": kind,
        "verdict": result.verdict,
        "ok": result.verdict == "works",
        "summary": _SUMMARIES[kind].format(where=result.where or _UNNAMED.get(kind, "")),
        "steps": [cast("diagnostics.DeliveryStep", asdict(step)) for step in result.steps],
        "checked_at": utc_now().isoformat(),
    }


_SUMMARIES: Final = {
    "local": "The trainer uploads to this machine, into {where}.",
    "hub": "The trainer uploads to {where}.",
    "s3": "The trainer uploads to {where}.",
    "none": "Nothing is kept.",
}
_UNNAMED: Final = {"hub": "the Hub", "s3": "an S3 bucket"}


def _private(config: TrainingConfig | None) -> bool:
    """Whether the trainer would create the repository as private."""
    return config is None or as_bool(config.values.get("model_card_private"), default=True)


def _upload_findings(
    kind: DeliveryKind, config: TrainingConfig | None, release: ReleaseProfile
) -> list[Check]:
    """What to know about the trainer's uploads, independent of the test of the way.

    Without a build that sends the final weights, the trainer uploads to S3 after validations only,
    and a failed upload to the Hub does not fail the job.
    """
    if kind == "hub":
        message = (
            "final files are sent at the end even without validation; a failed upload does not "
            "fail the job, so the repository is looked at when it has ended"
        )
        return [Check("promise", "ok", message)]
    if kind not in ("local", "s3"):
        return []
    if config is None and release.publishes_final:
        message = "the final weights are uploaded at the end"
        return [Check("validation", "ok", message, release=release.title)]
    if config is None:
        message = "weights are uploaded after validations only"
        advice = "Save a checkpoint and validate at the last step; `check CONFIG` computes it."
        return [Check("validation", "warn", message, advice, release=release.title)]
    outlook = delivery_outlook(config, Delivery(kind), release=release)
    return [Check(*row) for row in resting_on(release, schedule_checks(config, outlook))]
