"""The first steps of a new user: what is done, what is left, what was skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.engine.runtime.event_bus import EventBus
from tui.settings import Settings
from tui.store.writer import StoreWriter

FACT: Final = "onboarding"
SUGGESTED_LIMIT_MICROS: Final = 50_000_000
"""What the first-run path offers: $50 in a month."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist.

    Attributes:
        id: short name.
        title: what to do.
        state: `done`, `open` or `skipped`.
        detail: how it stands, or why it matters.
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
    """The steps as they stand now. Pure: windows may use it on what they have read.

    Args:
        settings: the user's.
        facts: facts of the store by name (`onboarding`, `account`, `delivery`), as far as known.
        jobs: how many jobs there are.
        api_base: whose account is meant.
    """
    told = facts.get(FACT, {})
    skipped = set(told.get("skipped", ()))
    done = set(told.get("done", ()))
    account, delivery = facts.get("account", {}), facts.get("delivery", {})
    signed_in = bool(account.get("valid")) and account.get("api_base") == api_base
    sandbox = is_loopback(api_base)
    spending = settings.spending
    public = bool(settings.listener.public_url) or sandbox
    proved = delivery.get("api_base") == api_base and bool(delivery.get("ok"))
    facts_say = {
        "demo": (sandbox or "demo" in done, "simpletuner-tui demo: no account, nothing to pay"),
        "token": (signed_in, "kept in the system's keyring, or for this session only"),
        "limit": (
            spending.enabled,
            f"{spending.period}, {spending.action}" if spending.enabled else "$50 a month?",
        ),
        "delivery": (
            proved or (public and settings.cloud.delivery == "local"),
            "the Hub, an S3 bucket, or this machine through a public URL",
        ),
        "first_job": (jobs > 0, "its price and what leaves this machine are shown before"),
    }
    steps = []
    for step, title in STEPS.items():
        finished, detail = facts_say[step]
        state = "done" if finished or step in done else "skipped" if step in skipped else "open"
        steps.append(Step(step, title, state, detail))
    return steps


def change(writer: StoreWriter, bus: EventBus, body: Mapping[str, Any]) -> dict[str, Any]:
    """Remember how far the user has come.

    Names: `done`, `skipped`, `reopened` (lists of steps), `finished` (the path is not shown again).

    Raises:
        RefusedError: a step nobody knows.
    """
    before = writer.fact(FACT) or {}
    sets = {name: set(before.get(name, ())) for name in ("done", "skipped")}
    for name in ("done", "skipped", "reopened"):
        steps = body.get(name, [])
        if not isinstance(steps, list) or not set(map(str, steps)) <= set(STEPS):
            raise RefusedError(
                f"{name} must list steps: {', '.join(STEPS)}.",
                details={"fields": {name: "names a step that does not exist"}},
            )
        for step in steps:
            for kind, known in sets.items():
                known.discard(step)
                if kind == name:
                    known.add(step)
    finished = body.get("finished", before.get("finished", False))
    answer = {
        "done": sorted(sets["done"]),
        "skipped": sorted(sets["skipped"]),
        "finished": finished is True,
    }
    writer.set_fact(FACT, answer)
    bus.publish("fact", name=FACT)
    return answer
