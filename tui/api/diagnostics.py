"""Whether things work: delivery proved, the doctor, the first steps of a new user."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from tui.api.base import CheckLevel, Delivery, JsonObject, Timestamp, TypedDict

_Try = TypedDict("_Try", {"try": bool}, total=False)


class DeliveryCheckRequest(_Try, total=False):
    """The way to be proved; all may be missing.

    Attributes:
        kind: the way, else the config's or the settings'.
        hub_model_id: the repository, else the config's.
        destination: an S3 destination by name, else all of them.
        config: path or name of a config that the way depends on.
        try: make a repository that does not exist and remove it again, to prove it.
    """

    kind: Delivery | None
    hub_model_id: str | None
    destination: str | None
    config: str | None


class DeliveryStep(TypedDict):
    """One finding about a way of delivery.

    Attributes:
        id: stable name for scripts.
        level: fine, may lose the result, or cannot work.
        message: what was found.
        advice: what to do; empty for `ok`.
        changes: options of the config that would put it right, by plain name.
        release: the release profile of the trainer that it rests on; empty when it rests on none.
    """

    id: str
    level: CheckLevel
    message: str
    advice: str
    changes: JsonObject
    release: NotRequired[str]


class DeliveryReport(TypedDict):
    """One way, proved; also the fact `delivery:KIND`.

    Attributes:
        api_base: whose trainer would deliver.
        kind: the way.
        verdict: whether it works; `unknown` where nobody could be asked, and where a file came in
            from an address that does not prove the way from outside.
        ok: whether it was proved to work.
        summary: where results would go, as a sentence.
        steps: the findings.
        checked_at: when.
    """

    api_base: str
    kind: Delivery
    verdict: Literal["works", "fails", "unknown"]
    ok: bool
    summary: str
    steps: list[DeliveryStep]
    checked_at: Timestamp


class DoctorLine(TypedDict):
    """A line about one thing that the program stands on.

    Attributes:
        id: what it is about.
        level: how it is.
        message: the same for people.
        advice: the fix; empty where nothing is broken.
    """

    id: Literal[
        "keyring",
        "token",
        "hub-token",
        "network",
        "proxy",
        "listener",
        "delivery",
        "disk",
        "store",
        "staged",
    ]
    level: CheckLevel
    message: str
    advice: str


class DoctorReport(TypedDict):
    """All that the engine can tell."""

    lines: list[DoctorLine]


StepName: TypeAlias = Literal["demo", "token", "limit", "delivery", "first_job"]


class OnboardingStep(TypedDict):
    """One of a new user's first steps.

    Attributes:
        id: which.
        title: what to do.
        state: where it stands.
        detail: how it stands, or why it matters.
    """

    id: StepName
    title: str
    state: Literal["done", "open", "skipped"]
    detail: str


class Onboarding(TypedDict):
    """The first steps.

    Attributes:
        steps: in their order.
        open: how many are left.
        finished: the list is not shown again.
    """

    steps: list[OnboardingStep]
    open: int
    finished: bool


class OnboardingChange(TypedDict, total=False):
    """How far the user has come.

    Attributes:
        done: steps that are done.
        skipped: steps that the user does not want.
        reopened: steps that are neither any more.
        finished: do not show the list again.
    """

    done: list[StepName]
    skipped: list[StepName]
    reopened: list[StepName]
    finished: bool
