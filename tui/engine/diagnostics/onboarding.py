"""The checklist of a new user's first steps: done, open or skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.delivery.check import FACT as DELIVERY
from tui.engine.runtime.event_bus import EventBus
from tui.settings import Settings
from tui.store.fact_names import scoped
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import diagnostics

FACT: Final = "onboarding"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist.

    Attributes:
        id: short name.
        title: what to do.
        state: `done`, `open` or `skipped`.
        detail: its current state, or why it matters.
    """

    id: str
    title: str
    state: str
    detail: str


STEPS: Final = {
    "demo": "Rehearse in the sandbox",
    "token": "Give a Replicate token",
    "limit": "Set a cost limit",
    "delivery": "Choose how results come back",
    "first_job": "Submit a first job",
}


def checklist(
    settings: Settings, facts: Mapping[str, Mapping[str, Any]], jobs: int, api_base: str
) -> list[Step]:
    """Return the steps with their current states. A pure function: windows may call it as well.

    Args:
        settings: the user's settings in force.
        facts: facts of the store by name (`onboarding`, `account`, `delivery`); any may be missing.
        jobs: number of jobs.
        api_base: the API base whose account counts.
    """
    progress = facts.get(FACT, {})
    skipped = set(progress.get("skipped", ()))
    done = set(progress.get("done", ()))
    account, delivery = facts.get("account", {}), facts.get("delivery", {})
    signed_in = bool(account.get("valid")) and account.get("api_base") == api_base
    sandbox = is_loopback(api_base)
    spending = settings.spending
    delivery_proven = delivery.get("api_base") == api_base and bool(delivery.get("ok"))
    steps_done = {
        "demo": (sandbox or "demo" in done, "simpletuner-tui demo: no account, nothing to pay"),
        "token": (signed_in, "kept in the system's keyring, or for this session only"),
        "limit": (
            spending.enabled,
            f"{spending.period}, {spending.action}" if spending.enabled else "$50 a month?",
        ),
        "delivery": (
            delivery_proven or (sandbox and settings.cloud.delivery == "local"),
            "the Hub, an S3 bucket, or this machine through a public URL",
        ),
        "first_job": (jobs > 0, "its price and what leaves this machine are shown before"),
    }
    steps = []
    for step, title in STEPS.items():
        finished, detail = steps_done[step]
        state = "done" if finished or step in done else "skipped" if step in skipped else "open"
        steps.append(Step(step, title, state, detail))
    return steps


class OnboardingService:
    """The engine's calls about the first steps."""

    def __init__(
        self, live: LiveSettings, reader: StoreReader, writer: StoreWriter, bus: EventBus
    ) -> None:
        self._live = live
        self._reader = reader
        self._writer = writer
        self._bus = bus

    def state(self, api_base: str) -> diagnostics.Onboarding:
        """The steps as they stand for an account."""
        names = {
            FACT: FACT,
            "account": scoped("account", api_base),
            "delivery": scoped(f"{DELIVERY}:{self._live.now.cloud.delivery}", api_base),
        }
        facts = {name: self._writer.fact(fact) or {} for name, fact in names.items()}
        jobs = sum(self._reader.counts().values())
        steps = checklist(self._live.now, facts, jobs, api_base)
        return {
            "steps": [cast("diagnostics.OnboardingStep", asdict(step)) for step in steps],
            "open": sum(step.state == "open" for step in steps),
            "finished": bool(facts[FACT].get("finished")),
        }

    def change(self, body: diagnostics.OnboardingChange) -> None:
        """Remember how far the user has come: `done`, `skipped`, `reopened` steps, `finished`."""
        before = self._writer.fact(FACT) or {}
        sets: dict[str, set[str]] = {
            name: set(before.get(name, ())) for name in ("done", "skipped")
        }
        changes: dict[str, Sequence[str]] = {
            "done": body.get("done", ()),
            "skipped": body.get("skipped", ()),
            "reopened": body.get("reopened", ()),
        }
        for name, steps in changes.items():
            for step in steps:
                for kind, known in sets.items():
                    known.discard(step)
                    if kind == name:
                        known.add(step)
        answer = {
            "done": sorted(sets["done"]),
            "skipped": sorted(sets["skipped"]),
            "finished": body.get("finished", before.get("finished", False)) is True,
        }
        self._writer.set_fact(FACT, answer)
        self._bus.publish("fact", name=FACT)
