"""Writes a new config from the form: a starter, an example, the form's own with its changes."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.app.new_job import form
from tui.app.new_job.submission import DraftSubmission

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.app.context import AppContext
    from tui.simpletuner.config.training_config import TrainingConfig

Ask = Callable[[str, str, str], None]
"""Opens a line to type in: what it is for, its label, its first text."""
PURPOSES: Final = frozenset({"starter-name", "starter-images", "save-as", "examples", "example"})
"""The lines to type in whose answers are for `NewConfigs`."""
_OTHER: Final = "\0other"


class NewConfigs:
    """Asks for what a new config needs, writes it, and makes it the draft's.

    Args:
        context: the app, for lists on top of everything.
        screen: whose workers read folders.
        flow: holds the draft.
        ask: opens a line to type in.
    """

    def __init__(
        self, context: AppContext, screen: Screen[Any], flow: DraftSubmission, ask: Ask
    ) -> None:
        self._context = context
        self._screen = screen
        self._flow = flow
        self._ask = ask
        self._starter: tuple[str, str] = ("", "")
        self._saved: TrainingConfig | None = None
        self._example = Path()

    @property
    def _folder(self) -> Path:
        return Path(str(self._flow.draft["cwd"]))

    def answered(self, purpose: str, value: str) -> str | None:
        """Takes what was typed.

        Returns:
            What is wrong with it, empty for nothing; None where the next line is asked for.
        """
        if purpose == "starter-name" and value:
            self._starter = (self._starter[0], value)
            self._ask("starter-images", "Folder of your images", f"datasets/{value}")
            return None
        if purpose == "starter-name":
            return ""
        if purpose == "starter-images":
            return self._write_starter(value)
        if purpose == "save-as":
            return self._write_changed(value)
        if purpose == "example":
            return self._write_example(value)
        if value:
            self.example(value)
        return ""

    def _free_name(self, root: Path, wanted: str) -> str:
        """Returns a name that no config below a project has."""
        taken = {name for path in (root / "config").glob("*") for name in (path.name, path.stem)}
        names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
        return next(name for name in names if name not in taken)

    def _use(self, path: Path, said: str = "") -> str:
        """Makes a written config the draft's; its changes are in the file now."""
        self._context.tell(f"Wrote {path}.{said}")
        draft = self._flow.draft
        draft["overrides"], draft["unset"] = {}, []
        problem = form.set_field(draft, "config", str(path))
        self._flow.draft_changed()
        return problem

    # -- starters -----------------------------------------------------------------------------

    def starter(self) -> None:
        """Asks for a model family, then for a name and the images, and writes the config."""
        from tui.app.widgets.picker import Picker
        from tui.simpletuner.config.starters import STARTERS

        def picked(value: str | None) -> None:
            if value is not None:
                self._starter = (value, "")
                name = self._free_name(self._folder, f"my-{value}")
                self._ask("starter-name", "Name of the new config", name)

        choices = [
            (starter.id, starter.title, f"{starter.family} {starter.flavour}")
            for starter in STARTERS.values()
        ]
        self._context.push_screen(Picker("Begin with", choices), picked)

    def _write_starter(self, images: str) -> str:
        from tui.simpletuner.config.starters import write_starter
        from tui.simpletuner.errors import ConfigError

        starter, name = self._starter
        folder = Path(images).expanduser() if images else None
        try:
            return self._use(write_starter(starter, self._folder, name, images=folder))
        except ConfigError as error:
            return f"{error.message}. {error.advice}"

    # -- examples -----------------------------------------------------------------------------

    def example(self, folder: str = "") -> None:
        """Lists the examples of SimpleTuner, in a folder or where SimpleTuner usually is."""
        self._screen.run_worker(self._list_examples(folder), group="pick", exclusive=True)

    async def _list_examples(self, folder: str) -> None:
        from tui.app.widgets.picker import Picker
        from tui.simpletuner.config.examples import find_examples, usual_folders

        here = self._folder
        folders = [here / Path(folder).expanduser()] if folder else usual_folders(here, os.environ)
        found = await asyncio.to_thread(find_examples, folders)

        def other() -> None:
            self._ask("examples", "Folder of SimpleTuner, or of its environment",
                      folder or "~/SimpleTuner")  # fmt: skip

        def picked(value: str | None) -> None:
            if value == _OTHER:
                other()
            elif value is not None:
                self._example = Path(value)
                name = self._free_name(here, self._example.parent.name)
                self._ask("example", "Name of the new config", name)

        if not found:
            where = folder or "the usual places"
            self._context.tell(f"There are no examples of SimpleTuner in {where}.", level="warning")
            other()
            return
        choices = [(str(ref.path), ref.name, "") for ref in found]
        choices.append((_OTHER, "another folder…", f"not {found[0].path.parent.parent}"))
        self._context.push_screen(Picker("An example of SimpleTuner", choices), picked)

    def _write_example(self, name: str) -> str:
        from tui.simpletuner.config.examples import load_example
        from tui.simpletuner.config.save import save_as
        from tui.simpletuner.errors import ConfigError

        try:
            path, _ = save_as(load_example(self._example, self._folder), self._folder, name)
        except ConfigError as error:
            return f"{error.message}. {error.advice}"
        return self._use(path)

    # -- this one with its changes ------------------------------------------------------------

    def save_as(self, config: TrainingConfig) -> None:
        """Asks for the name under which the config is written with the draft's changes."""
        self._saved = config
        root = self._root_of(config)
        name = self._free_name(root, config.name)
        self._ask("save-as", f"New name below {root / 'config'}", name)

    def _root_of(self, config: TrainingConfig) -> Path:
        """Returns the project that a config is of; the user's folder where it is of none."""
        from tui.simpletuner.config.load import project_of

        project = project_of(config.path)
        return project if project and project.is_dir() else self._folder

    def _write_changed(self, name: str) -> str:
        from tui.simpletuner.config.overrides import with_options
        from tui.simpletuner.config.save import save_as
        from tui.simpletuner.errors import ConfigError

        if self._saved is None:
            return "There is no config to save."
        changed = with_options(self._saved, form.option_changes(self._flow.draft))
        try:
            path, secrets = save_as(changed, self._root_of(self._saved), name)
        except ConfigError as error:
            return f"{error.message}. {error.advice}"
        left = f" Left out, since they are secrets: {', '.join(secrets)}." if secrets else ""
        return self._use(path, left)
