"""SimpleTuner's own examples, where its package or a clone of it is on this machine.

They lie in `simpletuner/examples/<name>/config.json`. What they name as `config/examples/…` is read
from that folder, as the trainer does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tui.simpletuner.config.load import (
    CONFIG_FILE,
    DATALOADER_FILE,
    LYCORIS_FILE,
    PACKAGE_PREFIX,
    ConfigRef,
)
from tui.simpletuner.config.text_files import read_json_file
from tui.simpletuner.config.training_config import TrainingConfig, find_path, read_entries
from tui.simpletuner.config.values import as_text, plain_keys
from tui.simpletuner.errors import ConfigError

_INSIDE: Final = ("", "examples", "simpletuner/examples", "config/examples")
"""Where the examples lie in a clone of any age, in the package, or in their own folder."""
_INSTALLED: Final = (
    "lib/python3*/site-packages",
    *(f"{name}/lib/python3*/site-packages" for name in (".venv", "venv")),
)
_HOMES: Final = ("~/SimpleTuner", "~/.local/share/pipx/venvs/simpletuner")


def find_examples(folders: Iterable[Path]) -> list[ConfigRef]:
    """The examples in or below the first of some folders that has any, by name. Blocking.

    Args:
        folders: a clone, an environment that SimpleTuner is installed in, or the examples' own.
    """
    for folder in folders:
        for place in _places(folder.expanduser()):
            if found := _examples_in(place):
                return found
    return []


def usual_folders(cwd: Path, environ: Mapping[str, str]) -> list[Path]:
    """Where SimpleTuner is looked for: the caller's folder, the active environment, the home."""
    active = environ.get("VIRTUAL_ENV", "")
    return [cwd, *([Path(active)] if active else []), *(Path(home).expanduser() for home in _HOMES)]


def _places(folder: Path) -> Iterable[Path]:
    yield from (folder / inner for inner in _INSIDE)
    for pattern in _INSTALLED:
        for packages in sorted(folder.glob(pattern)):
            yield packages / "simpletuner" / "examples"


def _examples_in(place: Path) -> list[ConfigRef]:
    """The examples of a folder; none where it is another kind of folder."""
    if place.name != "examples":
        return []
    try:
        folders = sorted(entry for entry in place.iterdir() if (entry / CONFIG_FILE).is_file())
    except OSError:
        return []
    return [ConfigRef(folder.name, folder / CONFIG_FILE) for folder in folders]


def load_example(path: Path, cwd: Path) -> TrainingConfig:
    """Read an example; folders of images in it are those of the project that it is copied to.

    Args:
        path: its config.json.
        cwd: the project.

    Raises:
        ConfigError: it, or a file that it needs, cannot be read.
    """
    raw = read_json_file(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds no options", "Choose another example.", path)
    values, _ = plain_keys(raw)
    bases = [path.parent, path.parent.parent]
    entries = read_json_file(_named(values.get("data_backend_config"), bases, DATALOADER_FILE))
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ConfigError(f"{path.parent.name} has a dataloader that is no list of datasets",
                          "Choose another example.", path)  # fmt: skip
    lycoris = None
    if (as_text(values.get("lora_type")) or "").lower() == "lycoris":
        given = values.get("lycoris_config")
        found = given if isinstance(given, dict) else read_json_file(
            _named(given, bases, LYCORIS_FILE))  # fmt: skip
        lycoris = found if isinstance(found, dict) else None
    return TrainingConfig(
        name=path.parent.name,
        path=path,
        values=values,
        datasets=read_entries(entries, [cwd]),
        dataloader=tuple(entries),
        lycoris=lycoris,
    )


def _named(given: Any, bases: list[Path], usual: str) -> Path:
    return find_path((as_text(given) or usual).removeprefix(PACKAGE_PREFIX), bases)
