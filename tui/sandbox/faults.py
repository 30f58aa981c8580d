"""Fault injection: failures of the service, the network and the GPUs.

A fault is activated by `SandboxConfig.faults`, by a text such as `oom=40*1` on the command line
(see `Fault.parse`), or while the sandbox runs by the control route `POST /_sandbox/faults`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tui.base.json_types import JsonObject


class FaultKind(StrEnum):
    """All kinds of faults. `value` in a description is the fault's `Fault.value`."""

    RATE_LIMIT = "rate-limit"
    """429; value: seconds to wait, which the answer names (default 1)."""
    RATE_LIMIT_TEXT = "rate-limit-text"
    """429 with the wait in the text only; value: seconds to wait (default 1)."""
    SERVER_ERROR = "server-error"
    """500 with an HTML page; the request is not carried out."""
    BAD_GATEWAY = "bad-gateway"
    """502 with the HTML page of a proxy; the request is not carried out."""
    SLOW = "slow"
    """The answer is late; value: seconds (default 10). The request is carried out."""
    CUT = "cut"
    """The connection breaks after `value` bytes of the body (default: half of it).
    The request is carried out."""
    CUT_REQUEST = "cut-request"
    """The connection breaks before an answer; the request is not carried out."""
    WRONG_LENGTH = "wrong-length"
    """Content-Length is `value` bytes more than the body (default 16)."""
    GARBAGE = "garbage"
    """200 with a body that is not JSON. The request is carried out."""
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - the name of a fault, not a token
    """401 with a valid token."""
    NO_CREDIT = "no-credit"
    """402 on create."""
    DAMAGED_UPLOAD = "damaged-upload"
    """An uploaded file loses its last `value` bytes; without a value, a bit of it changes."""
    LOW_CREDIT = "low-credit"
    """Creating predictions is limited to 6 a minute with a burst of 1."""
    CLOCK_SKEW = "clock-skew"
    """The simulated time of day is wrong by `value` seconds (default 600)."""

    QUEUE_FOREVER = "queue-forever"
    """A prediction never leaves `starting`."""
    OUT_OF_MEMORY = "oom"
    """The trainer runs out of GPU memory at step `value` (default 12)."""
    GATED_MODEL = "gated-model"
    """The base model requires a licence that the token's account did not accept."""
    NSFW = "nsfw"
    """The content filter refuses the dataset."""
    WORKER_CRASH = "worker-crash"
    """The worker process dies at step `value` (default 20)."""
    STALL = "stall"
    """The trainer goes no further at step `value` (default 20), and prints nothing, until a file
    `go-on` lies in the run's folder or the run is stopped."""
    LOG_REWRITTEN = "log-rewritten"
    """At step `value` (default 20) the log loses its first half."""
    LOST_OUTPUT = "lost-output"
    """The prediction succeeds and its output is null."""
    LOST_UPLOAD = "lost-upload"
    """The trainer's uploads fail, to S3 and to the Hub; as in SimpleTuner, the run succeeds."""
    HALF_UPLOAD = "half-upload"
    """The trainer's uploads break off: half of the files reach S3, all but the weights the Hub.
    value: the step of the only upload that breaks off (default: all). The run still succeeds."""
    LATE_UPLOAD = "late-upload"
    """Uploads are `value` seconds late (default 20); those to S3 can arrive after the run."""
    LOST_VALIDATION = "lost-validation"
    """The validation at step `value` (default: every one) breaks off, and its upload is left out;
    training goes on."""
    NAN_LOSS = "nan-loss"
    """The loss is no longer a number at step `value` (default 12), which ends the run."""
    NAN_RUNS_ON = "nan-runs-on"
    """The loss is no longer a number from step `value` (default 12) on, and the run goes on, as
    with releases before 4.10.1."""
    DATA_REMOVED = "data-removed"
    """Replicate deletes logs, input and output as soon as the prediction ends."""

    WEBHOOK_DUPLICATE = "webhook-duplicate"
    """Every webhook is sent twice."""
    WEBHOOK_REORDER = "webhook-reorder"
    """The terminal webhook is sent first, all others after it."""
    WEBHOOK_DROP = "webhook-drop"
    """Every `value`-th webhook of a prediction (default 3) is lost, the terminal one included."""
    WEBHOOK_LOST = "webhook-lost"
    """No webhook is sent."""


JOB_FAULTS = frozenset(
    {
        FaultKind.QUEUE_FOREVER,
        FaultKind.OUT_OF_MEMORY,
        FaultKind.GATED_MODEL,
        FaultKind.NSFW,
        FaultKind.WORKER_CRASH,
        FaultKind.STALL,
        FaultKind.LOG_REWRITTEN,
        FaultKind.LOST_OUTPUT,
        FaultKind.LOST_UPLOAD,
        FaultKind.HALF_UPLOAD,
        FaultKind.LATE_UPLOAD,
        FaultKind.LOST_VALIDATION,
        FaultKind.NAN_LOSS,
        FaultKind.NAN_RUNS_ON,
        FaultKind.DATA_REMOVED,
        FaultKind.WEBHOOK_DUPLICATE,
        FaultKind.WEBHOOK_REORDER,
        FaultKind.WEBHOOK_DROP,
        FaultKind.WEBHOOK_LOST,
    }
)
"""Faults that belong to one prediction from its creation to its end."""

_TEXT = re.compile(
    r"(?P<kind>[a-z-]+)(?:=(?P<value>-?\d+(?:\.\d+)?))?(?:\*(?P<times>\d+))?(?:@(?P<match>.+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One active fault.

    Attributes:
        kind: the kind of fault.
        value: its parameter (see `FaultKind`); None uses the kind's default.
        times: how often it occurs; 0 means until it is removed.
        match: restricts it to requests whose `METHOD /path` contains this text; for faults of a
            prediction, to models whose name contains it.
    """

    kind: FaultKind
    value: float | None = None
    times: int = 0
    match: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse `kind[=value][*times][@match]`, for example `rate-limit=5*3@POST /v1/predictions`.

        Raises:
            ValueError: the text is no fault; an unknown kind lists the known ones.
        """
        match = _TEXT.fullmatch(text.strip())
        known = ", ".join(sorted(FaultKind))
        if match is None:
            raise ValueError(f"{text!r} is not a fault; write kind[=value][*times][@match]")
        if match["kind"] not in set(FaultKind):
            raise ValueError(f"no fault is called {match['kind']!r}; known are {known}")
        value = None if match["value"] is None else float(match["value"])
        times = int(match["times"] or 0)
        return cls(FaultKind(match["kind"]), value, times, match["match"] or "")

    @classmethod
    def from_json(cls, data: Any) -> Fault:
        """Parse an entry of the control route: a text or an object with the attributes.

        Raises:
            ValueError: the entry is no fault.
        """
        if isinstance(data, str):
            return cls.parse(data)
        if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
            message = "a fault is a text or an object with at least `kind`"
            raise ValueError(message)  # noqa: TRY004 - one kind of error for all wrong texts
        fault = cls.parse(data["kind"])
        value, times, match = data.get("value"), data.get("times", 0), data.get("match", "")
        if value is not None and not isinstance(value, int | float):
            raise ValueError("`value` is a number")
        if not isinstance(times, int) or times < 0 or not isinstance(match, str):
            raise ValueError("`times` is a whole number from 0, `match` a text")
        return replace(fault, value=value, times=times, match=match)

    def to_json(self) -> JsonObject:
        """The JSON object that the control route answers."""
        return {
            "kind": self.kind.value,
            "value": self.value,
            "times": self.times,
            "match": self.match,
        }

    def number(self, default: float) -> float:
        """The fault's value, else `default`."""
        return default if self.value is None else self.value


class ActiveFaults:
    """The active faults."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._active: list[Fault] = list(faults)

    def add(self, fault: Fault) -> None:
        """Activate a fault."""
        self._active.append(fault)

    def clear(self, kind: FaultKind | None = None) -> None:
        """Remove the faults of one kind, or all faults."""
        self._active = [item for item in self._active if kind is not None and item.kind != kind]

    def active(self) -> list[Fault]:
        """The active faults in the order of their activation."""
        return list(self._active)

    def peek(self, kind: FaultKind) -> Fault | None:
        """The first active fault of a kind, without counting an occurrence."""
        return next((item for item in self._active if item.kind == kind), None)

    def take(self, kind: FaultKind, place: str) -> Fault | None:
        """The first active fault of a kind that matches `place`; it counts one occurrence.

        Args:
            kind: the kind of fault.
            place: `METHOD /path` of a request, or a model's name.
        """
        for index, fault in enumerate(self._active):
            if fault.kind == kind and fault.match in place:
                if fault.times == 1:
                    del self._active[index]
                elif fault.times > 1:
                    self._active[index] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def take_for_job(self, model: str) -> dict[FaultKind, Fault]:
        """The faults of a new prediction of `model`, each counted as one occurrence."""
        taken = {kind: self.take(kind, model) for kind in sorted(JOB_FAULTS)}
        return {kind: fault for kind, fault in taken.items() if fault is not None}
