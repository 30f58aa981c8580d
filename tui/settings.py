"""Where state lives, and the typed settings of one TOML file.

Standard library only: this module is on the path to the first frame.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

HOME_VARIABLE: Final = "SIMPLETUNER_TUI_HOME"
API_BASE_VARIABLE: Final = "SIMPLETUNER_TUI_API_BASE"
DEFAULT_API_BASE: Final = "https://api.replicate.com/v1"
DEFAULT_LISTEN: Final = "127.0.0.1:8080"
UPLOAD_LIMIT_BYTES: Final = 104_857_600
"""Replicate's cap on one uploaded file: 100 MiB, tested on the finished archive."""
_WORDS: Final = {
    str: "text",
    bool: "true or false",
    float: "number",
    int: "whole number",
    tuple: "list of texts",
    dict: "table",
}
_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class SettingsError(Exception):
    """The settings file cannot be used.

    Attributes:
        message: what is wrong, with the place in the file.
        advice: what to do about it.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all state of one user, and the names inside it."""

    root: Path
    outputs: Path

    @classmethod
    def resolve(cls, environ: Mapping[str, str] | None = None) -> Home:
        """The home named by the environment, or `~/.simpletuner/tui`.

        With the variable set, delivered files live inside that home as well; without it they go to
        `~/.simpletuner/cloud_outputs`, the folder that SimpleTuner's users know.
        """
        env = os.environ if environ is None else environ
        moved = env.get(HOME_VARIABLE, "").strip()
        if moved:
            root = Path(moved).expanduser().absolute()
            return cls(root, root / "cloud_outputs")
        base = Path("~/.simpletuner").expanduser()
        return cls(base / "tui", base / "cloud_outputs")

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "state.db"

    @property
    def settings_file(self) -> Path:
        """The TOML file a person may edit."""
        return self.root / "settings.toml"

    @property
    def logs(self) -> Path:
        """One append-only file for each job's log."""
        return self.root / "logs"

    @property
    def archives(self) -> Path:
        """Packed datasets on their way out."""
        return self.root / "archives"

    @property
    def engine_log(self) -> Path:
        """Where the engine writes what went wrong, tracebacks included."""
        return self.root / "engine.log"

    @property
    def last_frame(self) -> Path:
        """The last screen, painted again at the next start before anything heavy is imported."""
        return self.root / "last_frame.json"

    @property
    def socket(self) -> Path:
        """The engine's Unix socket.

        A home with a very long name cannot hold it (a socket path has about 100 bytes), so then it
        lies in a folder of the user's own below `/tmp`; not below `TMPDIR` or `XDG_RUNTIME_DIR`,
        which may differ between the two shells that have to find each other.
        """
        inside = self.root / "engine.sock"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_LIMIT:
            return inside
        import hashlib

        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        folder = f"/tmp/simpletuner-tui-{os.getuid()}-{name}"  # noqa: S108  see `_claim`
        return Path(folder) / "engine.sock"

    def log_file(self, job_id: str) -> Path:
        """The raw log text of one job."""
        return self.logs / f"{job_id}.log"

    def create(self) -> None:
        """Make the folders, closed to others."""
        for folder in (self.root, self.logs, self.archives, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        if self.socket.parent != self.root:
            _claim(self.socket.parent)


def _claim(folder: Path) -> None:
    """Refuse a folder in the temporary directory that somebody else made."""
    status = folder.stat(follow_symlinks=False)
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise SettingsError(
            f"{folder} belongs to somebody else, so the engine's socket cannot live there.",
            f"Set {HOME_VARIABLE} to a shorter path.",
        )
    folder.chmod(0o700)


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
    """Everything a person can set. Unknown keys in the file are kept and ignored."""

    cloud: CloudSettings = CloudSettings()
    listener: ListenerSettings = ListenerSettings()
    network: NetworkSettings = NetworkSettings()
    spending: SpendingSettings = SpendingSettings()
    publishing: PublishingSettings = PublishingSettings()
    ui: UiSettings = UiSettings()
    rates_micros: dict[str, int] = field(default_factory=dict)
    """Micro-dollars per second by hardware profile, where they differ from the shipped table."""


_S = TypeVar(
    "_S",
    CloudSettings,
    ListenerSettings,
    NetworkSettings,
    SpendingSettings,
    PublishingSettings,
    UiSettings,
)


def load_settings(home: Home, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, then let the environment override the API base.

    Raises:
        SettingsError: the file is not TOML, or a value has the wrong type.
    """
    try:
        text = home.settings_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise SettingsError(
            f"{home.settings_file} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{home.settings_file} is not UTF-8 text.", "Save it as UTF-8, or move it away."
        ) from error
    data = _parse(text, home.settings_file) if text.strip() else {}
    settings = _from_data(data)
    env = os.environ if environ is None else environ
    base = env.get(API_BASE_VARIABLE, "").strip()
    if base:
        settings = replace(settings, cloud=replace(settings.cloud, api_base=base.rstrip("/")))
    return settings


def _parse(text: str, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}.",
            "Correct that line, or move the file away to start with the defaults.",
        ) from error


def _from_data(data: dict[str, Any]) -> Settings:
    rates = data.get("rates_micros", {})
    if not isinstance(rates, dict):
        raise SettingsError("[rates_micros] must be a table.", "Write l40s = 975, for example.")
    return Settings(
        cloud=_section(CloudSettings(), data, "cloud"),
        listener=_section(ListenerSettings(), data, "listener"),
        network=_section(NetworkSettings(), data, "network"),
        spending=_section(SpendingSettings(), data, "spending"),
        publishing=_section(PublishingSettings(), data, "publishing"),
        ui=_section(UiSettings(), data, "ui"),
        rates_micros={str(name): _rate(name, value) for name, value in rates.items()},
    )


def _rate(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SettingsError(
            f"rates_micros.{name} must be a whole number of micro-dollars a second, not {value!r}.",
            "Write l40s = 975, for example.",
        )
    return value


def _section(default: _S, data: dict[str, Any], name: str) -> _S:
    """Overlay one table of the file on a section's defaults, checking types by the defaults."""
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise SettingsError(f"[{name}] must be a table.", "See the settings page of the README.")
    changed: dict[str, Any] = {}
    for item in fields(default):
        if item.name not in table:
            continue
        wanted, value = getattr(default, item.name), table[item.name]
        if isinstance(wanted, tuple) and isinstance(value, list):
            value = tuple(str(part) for part in value)
        if isinstance(wanted, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(wanted):
            raise SettingsError(
                f"{name}.{item.name} must be a {_WORDS[type(wanted)]}, not {value!r}.",
                "Correct it in the settings file.",
            )
        changed[item.name] = value
    return replace(default, **changed)


def save_setting(home: Home, section: str, key: str, value: object) -> None:
    """Write one value, keeping the rest of the file, its comments included."""
    save_settings(home, section, {key: value})


def save_settings(home: Home, section: str, values: Mapping[str, Any]) -> None:
    """Write values of one section, keeping the rest of the file, its comments included.

    Args:
        home: whose settings.
        section: name of the table.
        values: by name; None removes a name, so that its default holds again.

    Raises:
        SettingsError: the result would not be valid; the file is unchanged then.
    """
    import tomlkit

    home.create()
    path = home.settings_file
    document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    table = document.setdefault(section, tomlkit.table())
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = list(value) if isinstance(value, tuple) else value
    text = tomlkit.dumps(document)
    _from_data(_parse(text, path))
    write_atomically(path, text)


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a small file so that a reader sees the old or the new text, never half of one."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
