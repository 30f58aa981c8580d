"""Adds completions and the manual page, made from the grammar, to the wheel."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {
    "bash": "share/bash-completion/completions/simpletuner-tui",
    "zsh": "share/zsh/site-functions/_simpletuner-tui",
    "fish": "share/fish/vendor_completions.d/simpletuner-tui.fish",
    "man": "share/man/man1/simpletuner-tui.1",
}


class GrammarFiles(BuildHookInterface[Any]):
    """Writes what `simpletuner-tui completion` prints into the wheel's data."""

    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files; an editable install goes without."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from tui.cli.main import run

        folder = self._folder = Path(tempfile.mkdtemp(prefix="simpletuner-tui-build-"))
        for kind, place in PLACES.items():
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                if run(["completion", kind]):
                    raise RuntimeError(f"the {kind} file could not be made")
            path = folder / Path(place).name
            path = path.with_name(f"{kind}-{path.name}")
            path.write_text(text.getvalue(), encoding="utf-8")
            build_data["shared_data"][str(path)] = place

    def finalize(self, *_: object) -> None:
        """Remove the files, which are in the wheel now."""
        if self._folder is not None:
            shutil.rmtree(self._folder)
