"""Where the state of one user lives, and the names inside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tui.settings.errors import SettingsError

HOME_VARIABLE: Final = "SIMPLETUNER_TUI_HOME"
PRIVATE_UMASK: Final = 0o077
"""The umask of an engine: delivered weights, prompts and logs are its user's alone."""
_SOCKET: Final = "engine.sock"
_SOCKET_NOTE: Final = "socket-folder"
_SHORT: Final = "/tmp/simpletuner-tui-"  # noqa: S108  a random name follows, see `Home.socket`
_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


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
    def staged(self) -> Path:
        """Datasets that trainers read from this machine."""
        return self.root / "staged-data"

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

        A home with a very long name cannot hold it (a socket path has about 100 bytes). Then it
        lies in a folder below `/tmp` that `create` makes and notes in the home: its name cannot be
        guessed, so nobody else can make it before. Without a note nothing listens anywhere, and
        the path inside the home, which is too long, says so to whoever tries it.
        """
        inside = self.root / _SOCKET
        if len(os.fsencode(inside)) <= _SOCKET_PATH_LIMIT:
            return inside
        folder = _noted_folder(self.root / _SOCKET_NOTE)
        return inside if folder is None else folder / _SOCKET

    def log_file(self, job_id: str) -> Path:
        """The raw log text of one job."""
        return self.logs / f"{job_id}.log"

    def create(self) -> None:
        """Make the folders, closed to other users with any umask.

        Raises:
            SettingsError: the state folder may hold what another user has put there: tokens would
                go to a socket of theirs.
            OSError: a folder cannot be made.
        """
        _claim(self.root, f"Set {HOME_VARIABLE} to a folder of yours.")
        if len(os.fsencode(self.root / _SOCKET)) > _SOCKET_PATH_LIMIT:
            _make_socket_folder(self.root / _SOCKET_NOTE)
        for folder in (self.logs, self.archives):
            _make(folder)


def folder_problem(folder: Path) -> str:
    """Why another user may control what lies in a folder; empty when nobody else can.

    The owner of a symbolic link chooses where it leads, so a link must be the user's own as well.

    Raises:
        OSError: the folder is not there, or cannot be looked at.
    """
    status = folder.stat()
    if {folder.lstat().st_uid, status.st_uid} != {os.geteuid()}:
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by other users"
    return ""


def _noted_folder(note: Path) -> Path | None:
    """The folder that a note names; None without a note."""
    try:
        text = note.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text) if text.startswith(_SHORT) else None


def _make_socket_folder(note: Path) -> None:
    """Make a private folder with a short name, unless the noted one is still ours alone.

    After a restart of the machine the noted folder is gone, and another user, who has seen its
    name, may have made one of that name: it is left alone then.
    """
    import tempfile

    noted = _noted_folder(note)
    try:
        if noted is not None and not noted.is_symlink() and not folder_problem(noted):
            noted.chmod(0o700)
            return
    except OSError:  # it is gone
        pass
    folder = tempfile.mkdtemp(prefix=_SHORT.rpartition("/")[2], dir=_SHORT.rpartition("/")[0])
    Path(folder).chmod(0o700)  # whatever the umask
    handle, fresh = tempfile.mkstemp(dir=note.parent, prefix=f".{note.name}.")  # of mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(folder)
    if noted is None:
        try:
            os.link(fresh, note)
        except FileExistsError:
            noted = _noted_folder(note)
            if noted is not None:  # another program was faster; its folder is as good
                Path(folder).rmdir()
                Path(fresh).unlink()
                return
    Path(fresh).replace(note)


def _claim(folder: Path, advice: str) -> None:
    """Make a private folder, or make an existing one private if only its owner used it.

    A folder that others can write to is taken over only while it is empty: what lies in it
    (settings with another API base, a socket) may be theirs.
    """
    _make(folder)
    problem = folder_problem(folder)
    if problem and folder.stat().st_uid == os.geteuid() == folder.lstat().st_uid:
        advice = f"Look at what is in it; when all of it is yours: chmod 700 {folder}"
        if not any(folder.iterdir()):
            folder.chmod(0o700)
            problem = folder_problem(folder) if not any(folder.iterdir()) else problem
    if problem:
        raise SettingsError(
            f"{folder} {problem}, so the program's state cannot live there.", advice
        )
    folder.chmod(0o700)


def _make(folder: Path) -> None:
    """Make a private folder; the missing ones above it, which hold others' files too, are not."""
    if folder.is_dir():
        return
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
