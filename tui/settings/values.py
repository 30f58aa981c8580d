"""Everything a person can set: each setting is declared here, by its field, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from tui.settings.metadata import Setting, about, declared

TYPE_CHECKING = False  # `typing` takes long to import, and `settings get` needs nothing of it
if TYPE_CHECKING:
    from typing import Any, Final

    from tui.settings.problems import SettingsProblem

DEFAULT_API_BASE: Final = "https://api.replicate.com/v1"
DEFAULT_LISTEN: Final = "127.0.0.1:8080"
UPLOAD_LIMIT_BYTES: Final = 104_857_600
"""Replicate's cap on one uploaded file: 100 MiB, tested on the finished archive."""
MICROS_PER_DOLLAR: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """What is sent where, unless a job says otherwise."""

    api_base: str = field(
        default=DEFAULT_API_BASE,
        metadata=about(
            "server that speaks Replicate's API", kind="web_address", provider="api_base_url"
        ),
    )
    hardware: str = field(
        default="l40s",
        metadata=about(
            "what jobs run on unless they say otherwise",
            kind="hardware",
            provider="hardware_profile",
        ),
    )
    consent: str = field(
        default="ask",
        metadata=about(
            "uploading a dataset: ask each time, allow, or never",
            choices=("ask", "allow", "never"),
        ),
    )
    delivery: str = field(
        default="local",
        metadata=about(
            "where results go unless a job says otherwise: {choices}",
            choices=("local", "hub", "s3", "none"),
        ),
    )
    pinned_versions: dict[str, str] = field(
        default_factory=dict,
        metadata=about("trainer = version; without it the newest is taken"),
    )
    trainer_release: str = field(
        default="auto",
        metadata=about(
            "SimpleTuner in the trainer: {choices} (archives and final weights work)",
            choices=("auto", "4.8.0", "4.10.1", "patched"),
        ),
    )
    staging: str = field(
        default="auto",
        metadata=about(
            "where local images are put for the trainer: auto, hub, here or bucket:DESTINATION",
            kind="staging_place",
        ),
    )
    config_roots: tuple[str, ...] = field(
        default=(),
        metadata=about("more folders to look for SimpleTuner configs in", kind="config_folders"),
    )
    outputs_dir: str = field(
        default="",
        metadata=about("folder of delivered files; counts when the engine starts", kind="folder"),
    )
    polling: bool = field(
        default=True, metadata=about("false leaves jobs that have a webhook to it alone")
    )
    """Jobs without a webhook are polled in any case."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """The part that faces outwards."""

    listen: str = field(
        default=DEFAULT_LISTEN, metadata=about("host:port of the webhook listener", kind="listen")
    )
    public_url: str = field(
        default="",
        metadata=about(
            "the listener as the world reaches it: https, without our path",
            kind="public_url",
            provider="webhook_url",
        ),
    )
    allowed_ips: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "addresses and networks that may send webhooks; empty: everybody",
            kind="networks",
            provider="webhook_allowed_ips",
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "own reverse proxies, whose word about a client counts",
            kind="networks",
            provider="webhook_trusted_proxies",
        ),
    )
    verify_signatures: bool = field(
        default=True,
        metadata=about(
            "false believes whoever finds the address",
            risk="Without signatures, anybody who finds the address can pretend to be Replicate.",
            risky=False,
            provider="webhook_require_signature",
        ),
    )
    allow_public_bind: bool = field(
        default=False,
        metadata=about("whether listen may be an address that other machines reach"),
    )
    storage_gib: int = field(
        default=10,
        metadata=about(
            "GiB that one key may keep here; jobs that expect more may deliver twice that",
            limits=(1, 1_000_000),
            unit="GiB",
        ),
    )
    tls_cert: str = field(
        default="", metadata=about("PEM file: serve https without a proxy", kind="path")
    )
    tls_key: str = field(
        default="",
        metadata=about("PEM file with its key, when that is another file", kind="path"),
    )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How the world is reached. Times are seconds."""

    proxy: str = field(
        default="",
        metadata=about(
            "http://, https:// or socks5:// address; empty: as the environment says",
            kind="proxy",
            provider="proxy_url",
        ),
    )
    no_proxy: tuple[str, ...] = field(
        default=(), metadata=about("hosts that are reached without it", kind="hosts")
    )
    ca_bundle: str = field(
        default="",
        metadata=about(
            "PEM file of the authorities to trust instead of the usual ones",
            kind="ca_bundle",
            provider="ssl_ca_bundle",
        ),
    )
    ssl_verify: bool = field(
        default=True,
        metadata=about(
            "false lets whoever sits between read everything",
            risk="With TLS verification off, whoever sits between this machine and Replicate can "
            "read the token and everything that is sent.",
            risky=False,
            provider="ssl_verify",
        ),
    )
    send_secrets_unencrypted: bool = field(
        default=False,
        metadata=about(
            "true sends tokens and keys to http:// addresses of others",
            risk="Whoever sits between this machine and an http:// address can then read the "
            "tokens and keys that are sent there.",
            risky=True,
        ),
    )
    timeout: float = field(
        default=30.0,
        metadata=about(
            "seconds to wait for an answer, {low:g} to {high:g}",
            limits=(1, 600),
            unit="seconds",
            provider="http_timeout",
        ),
    )
    status_page: str = field(
        default="",
        metadata=about("another status page than the service's own", kind="web_address_or_empty"),
    )


@dataclass(frozen=True, slots=True)
class SpendingSettings:
    """The user's own limit. Amounts are micro-dollars."""

    enabled: bool = field(
        default=False,
        metadata=about("whether there is a cost limit", provider="cost_limit_enabled"),
    )
    amount_micros: int = field(
        default=50 * MICROS_PER_DOLLAR,
        metadata=about(
            "the limit in micro-dollars: 50000000 is $50",
            limits=(0, 1_000_000 * MICROS_PER_DOLLAR),
            provider="cost_limit_amount",
            provider_unit=MICROS_PER_DOLLAR,
        ),
    )
    period: str = field(
        default="monthly",
        metadata=about(
            "rolling window: {choices}",
            choices=("daily", "weekly", "monthly"),
            synonyms=(
                ("day", "daily"), ("1d", "daily"), ("24 h", "daily"),
                ("week", "weekly"), ("7d", "weekly"), ("7 d", "weekly"),
                ("month", "monthly"), ("30d", "monthly"), ("30 d", "monthly"),
            ),
            provider="cost_limit_period",
        ),
    )  # fmt: skip
    """Windows of 1, 7 and 30 days."""
    action: str = field(
        default="warn",
        metadata=about(
            "what happens to a job over it: {choices}",
            choices=("warn", "block"),
            provider="cost_limit_action",
        ),
    )
    stop_running: bool = field(
        default=False, metadata=about("whether running jobs are cancelled at the limit")
    )


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a running job is reported; a run keeps what held when the engine began to follow it."""

    diverging_ratio: float = field(
        default=1.75,
        metadata=about("report a smoothed loss that is so many times its lowest", limits=(1, 1000)),
    )
    diverging_steps: int = field(
        default=20, metadata=about("for so many steps at least", limits=(1, 1_000_000))
    )
    stalled_seconds: float = field(
        default=60.0,
        metadata=about(
            "report a run without a step for so many seconds",
            limits=(10, 86_400),
            unit="seconds",
        ),
    )
    stalled_steps: float = field(
        default=20.0,
        metadata=about("and for so many times its usual step time", limits=(1, 10_000)),
    )
    slower_ratio: float = field(
        default=2.0,
        metadata=about("report steps that take so many times the usual", limits=(1, 1000)),
    )
    slower_steps: int = field(
        default=20, metadata=about("for so many steps", limits=(1, 1_000_000))
    )


@dataclass(frozen=True, slots=True)
class NoticesSettings:
    """How somebody who looks elsewhere learns of a job's end, a warning or a limit."""

    bell: bool = field(default=True, metadata=about("whether the terminal's bell rings"))
    terminal: bool = field(
        default=True, metadata=about("whether the terminal is asked to show it on the desktop")
    )
    title: bool = field(
        default=True, metadata=about("whether the terminal's title says how far a run is")
    )
    command: tuple[str, ...] = field(
        default=(),
        metadata=about(
            "program and arguments that are run for each of them, without a shell",
            kind="command",
        ),
    )


@dataclass(frozen=True, slots=True)
class PublishingSettings:
    """How results leave this machine."""

    bandwidth: int = field(
        default=0,
        metadata=about(
            "bytes per second of all transfers together; 0: no limit",
            kind="speed",
            limits=(0, 1_000_000_000_000),
        ),
    )


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Which local files of ended runs the engine deletes, where a copy elsewhere is proven."""

    days: int = field(
        default=0,
        metadata=about(
            "delete local files of runs that ended so many days ago, if a copy is safe elsewhere; "
            "0: never",
            limits=(0, 36_500),
            unit="days",
        ),
    )
    gib: int = field(
        default=0,
        metadata=about(
            "delete the oldest of them while results here have more GiB than this; 0: no limit",
            limits=(0, 1_000_000),
            unit="GiB",
        ),
    )


@dataclass(frozen=True, slots=True)
class UiSettings:
    """How the app looks and behaves."""

    theme: str = field(
        default="simpletuner-dark",
        metadata=about(
            "the colours: {choices}",
            choices=("simpletuner-dark", "simpletuner-light", "simpletuner-terminal"),
            synonyms=tuple(
                (short, f"simpletuner-{short}") for short in ("dark", "light", "terminal")
            ),
        ),
    )
    ascii: bool = field(default=False, metadata=about("true draws without characters beyond ASCII"))
    mouse: bool = field(default=True, metadata=about("whether the mouse works"))
    frame_rate: int = field(
        default=60,
        metadata=about("frames per second at most; 5 to 10 over a slow line", limits=(1, 60)),
    )
    frame_diff: bool = field(default=True, metadata=about("send only what changed on the screen"))
    keys: dict[str, str] = field(default_factory=dict, metadata=about("action = keys"))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person can set. Unknown names in the file are kept, and are `problems`."""

    cloud: CloudSettings = CloudSettings()
    listener: ListenerSettings = ListenerSettings()
    network: NetworkSettings = NetworkSettings()
    spending: SpendingSettings = SpendingSettings()
    watch: WatchSettings = WatchSettings()
    notices: NoticesSettings = NoticesSettings()
    publishing: PublishingSettings = PublishingSettings()
    retention: RetentionSettings = RetentionSettings()
    ui: UiSettings = UiSettings()
    rates_micros: dict[str, int] = field(default_factory=dict)
    """Micro-dollars per second by hardware profile, where they differ from the shipped table."""
    problems: tuple[SettingsProblem, ...] = ()
    """What the file says wrongly, and has its default."""

    def wrong(self, name: str) -> bool:
        """Whether the file says something unusable about `section`, or about `section.key`.

        A misspelt name counts for what it probably means.
        """
        return any(problem.concerns(name) for problem in self.problems)


@cache
def catalog() -> dict[str, Setting]:
    """Every setting by its name, `section.key`; `rates_micros`, a table by itself, is none."""
    return declared(Settings())


def values_of(settings: Settings) -> dict[str, object]:
    """Every setting by name, as plain data; a proxy's password is not in it."""
    values: dict[str, object] = {}
    for name, setting in catalog().items():
        value = getattr(getattr(settings, setting.section), setting.key)
        if setting.spec.kind == "proxy" and "@" in value:
            from tui.settings.proxy_password import mask_password

            value = mask_password(value)
        values[name] = list(value) if isinstance(value, tuple) else value
    values["rates_micros"] = dict(settings.rates_micros)
    return values


def as_typed(value: Any) -> str:
    """A value of `values_of` as a text that `settings set` takes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
