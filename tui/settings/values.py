"""Everything a person can set, typed, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DEFAULT_API_BASE: Final = "https://api.replicate.com/v1"
DEFAULT_LISTEN: Final = "127.0.0.1:8080"
UPLOAD_LIMIT_BYTES: Final = 104_857_600
"""Replicate's cap on one uploaded file: 100 MiB, tested on the finished archive."""
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "cloud.consent": ("ask", "allow", "never"),
    "cloud.delivery": ("local", "hub", "s3", "none"),
    "spending.period": ("daily", "weekly", "monthly"),
    "spending.action": ("warn", "block"),
}
"""Texts that are one of a few words."""
RANGES: Final[dict[str, tuple[float, float]]] = {
    "network.timeout": (1, 600),
    "spending.amount_micros": (0, 1_000_000_000_000),
    "publishing.bandwidth": (0, 1_000_000_000_000),
}
"""Numbers, and what they lie between."""


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """Something in the settings file that cannot be used; its default holds instead.

    Attributes:
        name: `section.key`, or the section alone.
        line: where it stands in the file, from 1; 0 when not known.
        message: what it should be.
        unknown: whether nothing has that name, so that it sets nothing.
        meant: the setting or section that an unknown name probably means; "" when not known.
    """

    name: str
    line: int
    message: str
    unknown: bool = False
    meant: str = ""

    def words(self, file: str = "settings.toml") -> str:
        """The problem as a sentence."""
        place = f"{file} line {self.line}" if self.line else file
        effect = "" if self.unknown else "; its default is used"
        return f"{place}: {self.name} {self.message}{effect}."

    def concerns(self, name: str) -> bool:
        """Whether it is about `section` or `section.key`, or may have been meant to be."""
        section = name.partition(".")[0]
        return any(
            one in (name, section) or one.startswith(f"{name}.") for one in (self.name, self.meant)
        )


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """What is sent where, unless a job says otherwise."""

    api_base: str = DEFAULT_API_BASE
    hardware: str = "l40s"
    consent: str = "ask"
    delivery: str = "local"
    pinned_versions: dict[str, str] = field(default_factory=dict)
    config_roots: tuple[str, ...] = ()
    outputs_dir: str = ""
    polling: bool = True
    """False leaves jobs that have a webhook to it alone; others are polled in any case."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """The part that faces outwards."""

    listen: str = DEFAULT_LISTEN
    public_url: str = ""
    """As the world reaches the listener, without path; https."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses and networks that may send webhooks; empty lets everybody."""
    trusted_proxies: tuple[str, ...] = ()
    """Our own reverse proxies, whose word about a client's address counts."""
    verify_signatures: bool = True
    allow_public_bind: bool = False
    """Whether `listen` may name anything but a loopback address."""
    tls_cert: str = ""
    tls_key: str = ""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How the world is reached. Times are seconds."""

    proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    ca_bundle: str = ""
    ssl_verify: bool = True
    send_secrets_unencrypted: bool = False
    """Whether tokens and keys may go to `http://` addresses of other machines."""
    timeout: float = 30.0
    status_page: str = ""
    """Address of the service's status page; empty takes the one that belongs to the API."""


@dataclass(frozen=True, slots=True)
class SpendingSettings:
    """The user's own limit. Amounts are micro-dollars."""

    enabled: bool = False
    amount_micros: int = 50_000_000
    period: str = "monthly"
    """`daily`, `weekly` or `monthly`: rolling windows of 1, 7 and 30 days."""
    action: str = "warn"
    """`warn` or `block`."""
    stop_running: bool = False
    """Whether running jobs are cancelled when the limit is reached."""


@dataclass(frozen=True, slots=True)
class PublishingSettings:
    """How results leave this machine."""

    bandwidth: int = 0
    """Bytes per second of all transfers together; 0 is no limit."""


@dataclass(frozen=True, slots=True)
class UiSettings:
    """How the app looks and behaves."""

    theme: str = "simpletuner-dark"
    ascii: bool = False
    mouse: bool = True
    frame_diff: bool = True
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person can set. Unknown names in the file are kept, and are `problems`."""

    cloud: CloudSettings = CloudSettings()
    listener: ListenerSettings = ListenerSettings()
    network: NetworkSettings = NetworkSettings()
    spending: SpendingSettings = SpendingSettings()
    publishing: PublishingSettings = PublishingSettings()
    ui: UiSettings = UiSettings()
    rates_micros: dict[str, int] = field(default_factory=dict)
    """Micro-dollars per second by hardware profile, where they differ from the shipped table."""
    problems: tuple[SettingsProblem, ...] = ()
    """What the file says wrongly, and has its default."""

    def wrong(self, name: str) -> bool:
        """Whether the file says something unusable about `section`, or about `section.key`.

        A misspelt name counts for what it probably means.
        """
        return any(one.concerns(name) for one in self.problems)
