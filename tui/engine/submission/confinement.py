"""Which files of this machine a caller over TCP may have read: configs in their folders, results.

A key for the API is not the user: whoever holds it must not learn what else is on the disk, be it
by an answer, by an error that quotes a file, or by the size of a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.base.real_paths import real_path
from tui.simpletuner.config.load import TrainingConfig, load_config

_ADVICE: Final = "Add its folder to cloud.config_roots on the machine that runs this, or copy it."


@dataclass(frozen=True, slots=True)
class Confinement:
    """The folders that are open to callers over TCP.

    Attributes:
        roots: folders of configs, as the settings and SimpleTuner have them.
        outputs: the folder of delivered files; open to reading, but no config is taken from it,
            since trainers fill it.
        closed: the state folder, which may lie below a root.
    """

    roots: tuple[Path, ...]
    outputs: Path
    closed: Path

    def is_config(self, path: Path) -> bool:
        """Whether a path, links followed, may be read as a part of a config."""
        real = _real(path)
        return _below(real, self.roots) and not _below(real, (self.outputs, self.closed))

    def may_read(self, path: Path) -> bool:
        """Whether a path, links followed, may be read or measured at all."""
        return self.is_config(path) or _below(_real(path), (self.outputs,))

    def check_folder(self, folder: str) -> None:
        """Refuse a folder that configs are not to be looked for in.

        Raises:
            RefusedError: it lies outside.
        """
        if not self.is_config(Path(folder).expanduser()):
            raise outside(folder)

    def config_file(self, name: str, cwd: str | None = None) -> Path:
        """Return the file of the config of this name. Blocking.

        Args:
            name: a path, or a name below the config folders.
            cwd: a folder to look in first.

        Raises:
            RefusedError: it, or a file that it needs, lies outside. Nothing outside was read.
            ConfigError: there is none, or it cannot be read.
        """
        path = Path(name).expanduser()
        roots = list(self.roots)
        if cwd:
            self.check_folder(cwd)
            roots.insert(0, Path(cwd))
        if path.is_absolute() and not self.is_config(path):
            raise outside(name)
        return load_config(path, roots=roots, may_read=self.is_config).path.absolute()

    def admit(self, draft: Mapping[str, Any]) -> JsonObject:
        """Return a draft that names its config by the file that was found to be inside. Blocking.

        Raises:
            RefusedError: a path in it leads outside.
            ConfigError: there is no such config, or it cannot be read.
        """
        if draft.get("rerun_of"):  # its config is in the job's record; no file is read
            return dict(draft)
        config, cwd = draft.get("config"), draft.get("cwd")
        if not isinstance(config, str) or not (cwd is None or isinstance(cwd, str)):
            return dict(draft)  # refused by its own reader
        return {**draft, "config": str(self.config_file(config, cwd))}

    def admit_content(self, config_file: Path) -> None:
        """Check a config that a caller sent, now a file of ours. Blocking.

        A config below the config folders is the user's, and so is the choice of the data that it
        names. What a caller sends may only name data inside.

        Raises:
            RefusedError: it names files outside. They were not read.
            ConfigError: it cannot be read.
        """
        folder = config_file.parent
        config: TrainingConfig = load_config(
            config_file,
            roots=self.roots,
            may_read=lambda path: path.parent == folder or self.is_config(path),
        )
        for dataset in config.datasets:
            if dataset.path is not None and not self.may_read(dataset.path):
                named = dataset.raw.get("instance_data_dir") or dataset.raw.get(
                    "instance_data_root"
                )
                raise outside(str(named))


def outside(named: str) -> RefusedError:
    """The refusal of a path; the same whether there is a file or none."""
    return RefusedError(
        f"{named} is outside of the folders that are open over the network.",
        _ADVICE,
        status=403,
        code="outside",
    )


def _below(real: Path | None, folders: tuple[Path, ...]) -> bool:
    found = (_real(folder) for folder in folders)
    return real is not None and any(
        folder is not None and real.is_relative_to(folder) for folder in found
    )


def _real(path: Path) -> Path | None:
    """The path with its links followed; None where that cannot be."""
    try:
        return real_path(path)
    except (OSError, ValueError):
        return None
