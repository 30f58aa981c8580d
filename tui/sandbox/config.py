"""What a sandbox can be told before it starts."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.sandbox.faults import Fault

Style = Literal["fast", "django"]
WorkerKind = Literal["sim", "cog"]


def make_token() -> str:
    """A token of the shape that Replicate hands out: `r8_` and 37 letters or digits."""
    alphabet = string.ascii_letters + string.digits
    return "r8_" + "".join(secrets.choice(alphabet) for _ in range(37))


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything that shapes one sandbox.

    Durations are seconds as the real service would take them; the sandbox divides each of them
    by `speed`. Timestamps in answers are always the true time of day, so that a client's own
    arithmetic (running time, cost so far, time left) stays right at any speed.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose a free port."""
    token: str = field(default_factory=make_token, repr=False)
    speed: float = 1.0
    """How many times faster than written here every clock of the sandbox runs."""
    style: Style = "fast"
    """`fast` is the strict shape of answers; `django` adds the oddities of the live service:
    keys left out by create and get, explicit nulls from list and cancel, 6 and 9 digit times."""
    faults: tuple[Fault, ...] = ()
    """Faults that are active from the start; more can be switched on while it runs."""
    work_dir: Path | None = None
    """Where uploaded files and training outputs lie; None makes a temporary folder that is
    removed at the end."""
    worker: WorkerKind = "sim"
    """What runs predictions: `sim`, threads of this process; `cog`, real Cog servers."""
    username: str = "sandbox"
    other_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User names of further accounts by their tokens. They own nothing: beside `/v1/account`, they
    find nothing anywhere."""
    webhook_secret: str = field(default="", repr=False)
    """Empty makes a new one."""
    past_predictions: int = 0
    """How many finished predictions the account already has."""
    slots_per_model: int = 8
    """How many predictions of one model run at once; more of them queue."""
    queue_seconds: float = 1.0
    boot_seconds: float = 2.5
    """Cold boot of a model that nobody used for a while; a warm one starts at once."""
    step_seconds: float = 0.07
    """What the stand-in trainer takes for one step of batch size 1 (a real GPU takes longer)."""
    run_limit_seconds: float = 30 * 60
    retention_seconds: float = 60 * 60
    file_lifetime_seconds: float = 24 * 60 * 60
    hub_endpoint: str | None = None
    """Where the trainer finds the Hugging Face Hub. None: the sandbox serves one of its own;
    empty: there is none."""
    ca_bundle: Path | None = None
    """PEM file with one more certificate authority to believe, for webhooks and deliveries to
    https addresses of a private one; None believes the usual ones only."""
    hub_part_bytes: int | None = None
    """Its own Hub takes large files in parts of this size; None takes them whole."""

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError("speed must be greater than 0")
