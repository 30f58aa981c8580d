"""Where the style sheets lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def style_folder() -> Path:
    """The folder of the `.tcss` files.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for folder in (_PACKAGE / "styles", _PACKAGE.parent / "styles"):
        if (folder / "shared.tcss").is_file():
            return folder
    raise FileNotFoundError(
        f"no style sheets beside {_PACKAGE}; install simpletuner-tui again, it is incomplete"
    )


def style_sheet(name: str) -> str:
    """The path of one style sheet, `jobs` for `jobs.tcss`."""
    return str(style_folder() / f"{name}.tcss")
