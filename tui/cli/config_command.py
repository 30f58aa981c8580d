"""`config`: a config of SimpleTuner in the user's editor."""

from __future__ import annotations

import argparse
from pathlib import Path

from tui.base.errors import ApiError
from tui.cli import context, exit_codes
from tui.cli.output import say, say_json, tell
from tui.cli.user_editor import edit_in_editor
from tui.simpletuner.config.load import load_config, locate_config
from tui.simpletuner.errors import ConfigError


def config(options: argparse.Namespace) -> int:
    """Open a config, and say afterwards whether it can still be read."""
    roots = [Path.cwd(), *map(Path, context.settings().cloud.config_roots)]
    roots += [Path("~/.simpletuner"), Path("~/SimpleTuner")]
    path = locate_config(options.config, roots).absolute()
    before = path.read_bytes()
    edit_in_editor(path)
    changed = path.is_file() and path.read_bytes() != before
    try:
        read = load_config(path, roots=roots)
    except ConfigError as error:
        again = f"simpletuner-tui config edit {path}"
        raise ApiError(
            f"It is saved, and cannot be used as it is: {error.message}",
            f"{error.advice} Correct it with: {again}".lstrip(), code="invalid_config",
        ) from None  # fmt: skip
    notes = [{"message": note.message, "advice": note.advice} for note in read.notes]
    if options.json:
        say_json({"path": str(path), "changed": changed, "notes": notes})
        return exit_codes.FINE
    say(f"{'changed' if changed else 'nothing changed'}: {path}")
    for note in notes:
        tell(f"{note['message']}. {note['advice']}".rstrip())
    return exit_codes.FINE
