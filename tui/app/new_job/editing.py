"""Changes fields of the form: by lists, and by lines to type in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tui.app.new_job import form, publishing
from tui.app.new_job.delivery_lookups import DeliveryLookups
from tui.app.new_job.form import DELIVERY, KEEP_STAGED, LEAVE_OUT, Draft
from tui.app.new_job.new_config import PURPOSES, NewConfigs
from tui.app.new_job.submission import DraftSubmission
from tui.app.widgets.input_line import PromptLine
from tui.base import formatting
from tui.client.client import ControlError
from tui.settings import Settings

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widget import Widget

    from tui.api.planning import AvailableConfig
    from tui.app.context import AppContext
    from tui.app.new_job.form import Field
    from tui.app.new_job.form_list import FormList
Choices = list[tuple[str, str, str]]
"""Name, words, and words in a quiet tone."""
_YES_OR_NO: Final = {"keep_staged": KEEP_STAGED, "leave_out_uncaptioned": LEAVE_OUT}
OTHER: Final = "\0other"
STARTER: Final = "\0starter"
EXAMPLE: Final = "\0example"


class FieldEditor:
    """Asks for a field's value and puts it into the draft.

    Args:
        context: the app, for lists on top of everything.
        screen: the screen that lines to type in are mounted on.
        flow: holds the draft that is changed.
        below: the widget above which they appear.
        plan_sweep: plans a sweep of several configs, by their paths.
        form: the list that covers the whole screen's fields: a value is typed where it stands.
    """

    def __init__(
        self,
        context: AppContext,
        screen: Screen[Any],
        flow: DraftSubmission,
        below: Widget,
        *,
        plan_sweep: Callable[[Sequence[str]], None] = lambda _configs: None,
        form: FormList | None = None,
    ) -> None:
        self._form = form
        self._context = context
        self._screen = screen
        self._flow = flow
        self._below = below
        self._plan_sweep = plan_sweep
        self.names = DeliveryLookups(context, screen, flow)
        self.new_configs = NewConfigs(context, screen, flow, self._ask)

    def edit(self, field: Field) -> None:
        """Opens a list to choose from, or a line to type in."""
        if field.key == "config":
            self._screen.run_worker(self._pick_config(), group="pick", exclusive=True)
        elif field.key == "hub_owner":
            self.names.pick_owner(self.take, lambda: self._type("hub_model_id", "Hub repo"))
        elif field.key == "destination":
            self.names.pick_destination(self.take)
        elif field.key == "data":
            self.names.pick_data(self.take)
        elif field.key in publishing.SWITCHES:
            self.take(field.key, "no" if field.value == "yes" else "yes")
        elif field.key in publishing.FIXED:
            self._context.tell(publishing.FIXED[field.key])
        elif field.choice:
            self._pick(field)
        else:
            self._type(field.key, field.label)

    def _type(self, key: str, label: str) -> None:
        flow = self._flow
        value = form.value_for_editing(flow.draft, flow.answer, key)
        self._ask(key, label, value, here=self._form is not None)

    def clear(self, field: Field) -> None:
        """Clears a field, so that the config's own value counts again."""
        if field.key == "publishing":
            for key in publishing.INSIDE:
                self.take(key, "")
        elif field.key != "config":
            self.take(field.key, "")

    def take(self, key: str, value: str) -> str:
        """Puts a value into the draft; returns what is wrong with it, else an empty text."""
        draft = self._flow.draft
        before = repr(draft)
        problem = form.set_field(draft, key, value)
        if not problem and repr(draft) != before:
            self._flow.draft_changed()
        return problem

    # -- lines to type in ---------------------------------------------------------------------

    def _ask(self, key: str, label: str, value: str, *, here: bool = False) -> None:
        for old in self._screen.query(PromptLine):
            old.remove()
        line = PromptLine(key, label, value, typed=self._typed if key == "hub_model_id" else None)
        line.set_class(here, "-in-place")
        self._screen.mount(line, before=None if here else self._below)
        self.place()

    def place(self) -> None:
        """Puts the line to type in on the line of its field, whose value it begins with."""
        if self._form is None:
            return
        for line in self._screen.query("PromptLine.-in-place"):
            fields = self._form.region
            line.styles.width = fields.width - 2
            line.styles.offset = (fields.x + 1, fields.y + self._form.index - self._form.top)

    def _typed(self, text: str) -> None:
        """Shows below the line whether the typed name is free."""
        for line in self._screen.query(PromptLine):
            self.names.typing(text, line.say)

    async def answered(self, purpose: str, value: str) -> bool:
        """Takes what was typed; returns whether the line is closed."""
        value = value.strip()
        self.names.forget()
        if purpose in PURPOSES:
            problem = self.new_configs.answered(purpose, value)
        else:
            problem = self.take(purpose, value) if purpose else ""
        if problem is None:
            return False
        if problem:
            for line in self._screen.query(PromptLine):
                line.say(problem)
            return False
        await self._screen.query(PromptLine).remove()
        return True

    # -- lists --------------------------------------------------------------------------------

    def _pick(self, field: Field) -> None:
        from tui.app.widgets.picker import Picker

        choices, current = choices_of(field.key, self._flow.draft, self._context.settings)

        def picked(value: str | None) -> None:
            if value is not None:
                self.take(field.key, value)

        self._context.push_screen(Picker(field.label, choices, current), picked)

    async def _pick_config(self) -> None:
        """Returns the configs that were found, another path, or a starter; several are a sweep."""
        from tui.app.new_job.config_picker import ConfigPicker

        configs: list[AvailableConfig] = []
        control = self._context.control
        if control is not None:
            try:
                configs = await control.configs(str(self._flow.draft.get("cwd") or ""))
            except ControlError as error:
                self._context.tell(error.message, error.advice, "error")
        current = str(self._flow.draft.get("config") or "")

        def picked(value: str | None) -> None:
            if value is not None and len(picker.marked) > 1:
                self._plan_sweep(picker.marked)
            elif value == OTHER:
                self._ask("config", "Path of a config", current)
            elif value == STARTER:
                self.new_configs.starter()
            elif value == EXAMPLE:
                self.new_configs.example()
            elif value:
                self.take("config", value)

        choices = config_choices(configs, str(self._flow.draft.get("cwd") or ""))
        picker = ConfigPicker("Config", choices, current, [one["path"] for one in configs])
        self._context.push_screen(picker, picked)


def choices_of(key: str, draft: Draft, settings: Settings) -> tuple[Choices, str]:
    """Returns the choices of a field, and the one that is chosen now."""
    if key == "hardware":
        return _hardware(settings), str(draft.get("hardware") or "")
    if key in _YES_OR_NO:
        options = [(name, words, "") for name, words in _YES_OR_NO[key].items()]
        return options, "yes" if draft.get(key) else ""
    current = str((draft.get("delivery") or {}).get("kind") or "")
    return [(name, words, "") for name, words in DELIVERY.items()], current


def _hardware(settings: Settings) -> Choices:
    from tui.simpletuner.request.hardware import PROFILES

    choices: Choices = []
    for profile in PROFILES.values():
        rate = formatting.rate(settings.rates_micros.get(profile.id, profile.micros_per_second))
        if profile.model:
            text = f"{profile.label:10} {profile.vram_gb:>3} GB  {rate:>10}"
            choices.append((profile.id, text, profile.best_for))
    return choices


def config_choices(configs: Sequence[AvailableConfig], here: str = "") -> Choices:
    """Returns the configs that were found, another path, or a starter.

    Args:
        configs: as the engine lists them.
        here: the user's folder; what is below it is named from there.
    """
    paths = [(config["path"], config["name"]) for config in configs]
    choices = [(path, name, path.removeprefix(f"{here}/" if here else "")) for path, name in paths]
    return [
        *choices,
        (OTHER, "another path…", "type it"),
        (STARTER, "a starter…", "a new config for a common model family"),
        (EXAMPLE, "an example…", "one of SimpleTuner's own, from a copy on this machine"),
    ]
