"""Where the style sheets lie: beside the package in a checkout, inside it in a wheel.

Nothing is imported here that a wheel without its dependencies lacks.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def style_folder() -> Path:
    """Returns the folder of the `.tcss` files.

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
    """Returns the path of a style sheet: `jobs` for `jobs.tcss`."""
    return str(style_folder() / f"{name}.tcss")
