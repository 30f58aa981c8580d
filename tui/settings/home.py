"""Where the state of one user lives, and the names inside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOME_VARIABLE: Final = "SIMPLETUNER_TUI_HOME"
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
