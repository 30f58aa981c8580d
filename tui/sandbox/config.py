"""The options of a sandbox."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tui.sandbox.releases import TRAINERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.sandbox.faults import Fault

Style = Literal["fast", "django"]
WorkerKind = Literal["sim", "cog"]


def make_token() -> str:
    """A token in Replicate's format: `r8_` and 37 letters or digits."""
    alphabet = string.ascii_letters + string.digits
    return "r8_" + "".join(secrets.choice(alphabet) for _ in range(37))


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The options of one sandbox.

    Durations are simulated seconds, as on the real service; the sandbox divides them by `speed`.
    Timestamps in answers are real times of day, so that a client's own arithmetic (running time,
    cost so far, time left) is right at any speed.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose a free port."""
    token: str = field(default_factory=make_token, repr=False)
    speed: float = 1.0
    """Simulated seconds per real second."""
    style: Style = "fast"
    """`fast` answers as the published OpenAPI description says. `django` answers as recorded from
    the live service: create and get leave out keys, list and cancel have explicit nulls, times have
    6 or 9 digits of a second."""
    faults: tuple[Fault, ...] = ()
    """Faults that are active from the start; the control routes can add more."""
    work_dir: Path | None = None
    """Folder of uploaded files and training outputs; None creates a temporary folder that is
    removed at the end."""
    worker: WorkerKind = "sim"
    """What runs predictions: `sim`, threads of this process; `cog`, real Cog servers."""
    username: str = "sandbox"
    other_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User names of further accounts by token. Each has predictions and files of its own, and
    reads models; every other route answers them with 404."""
    webhook_secret: str = field(default="", repr=False)
    """Empty creates a new one."""
    past_predictions: int = 0
    """How many finished predictions the account already has."""
    slots_per_model: int = 8
    """How many predictions of one model run at once; further ones wait."""
    queue_seconds: float = 1.0
    boot_seconds: float = 2.5
    """Duration of a cold boot, for a model without a run in the last minute."""
    release: str = "4.10.1"
    """The trainers' newest release, one of `tui.sandbox.releases.TRAINERS`."""
    step_seconds: float = 0.07
    """Duration of one simulated training step at batch size 1 (a real GPU takes longer)."""
    run_limit_seconds: float = 30 * 60
    retention_seconds: float = 60 * 60
    file_lifetime_seconds: float = 24 * 60 * 60
    hub_endpoint: str | None = None
    """Address of the Hugging Face Hub for the trainer. None: the sandbox serves its own Hub.
    Empty: no Hub."""
    ca_bundle: Path | None = None
    """PEM file of an additional certificate authority to trust, for webhooks and deliveries to
    https addresses with a private certificate. None trusts the system's authorities only."""
    hub_part_bytes: int | None = None
    """Part size of large uploads to the sandbox's own Hub; None uploads them in one request."""

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError("speed must be greater than 0")
        if self.release not in TRAINERS:
            raise ValueError(f"no release is called {self.release!r}; known: {', '.join(TRAINERS)}")
