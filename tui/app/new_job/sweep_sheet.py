"""The sheet of a sweep: options and the values that each takes in turn, then the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from tui.app.new_job import options, sweep_axes
from tui.app.new_job.options_sheet import OptionsSheet
from tui.app.terminal.text_lines import plain
from tui.app.widgets.entry_list import Entry, entry
from tui.app.widgets.input_line import PromptLine
from tui.app.widgets.virtual_list import VirtualList
from tui.base.formatting import plural
from tui.simpletuner.sweep import AxisError, read_axis

if TYPE_CHECKING:
    from tui.app.new_job.options import OptionRow
    from tui.app.new_job.submission import DraftSubmission
    from tui.simpletuner.config.training_config import TrainingConfig


class SweepSheet(OptionsSheet):
    """Lists the options of a config; `enter` asks for values of one, with commas between them.

    Args:
        flow: the draft, which holds what is swept.
        config: the config as its file has it.
        plan: shows the plan of the sweep; called once the sheet is closed.
    """

    CSS = OptionsSheet.CSS.replace("OptionsSheet", "SweepSheet")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "plan", "plan"),
        Binding("plus", "at_once(1)", "more at once"),
        Binding("minus", "at_once(-1)", "fewer at once"),
    ]

    def __init__(
        self, flow: DraftSubmission, config: TrainingConfig, plan: Callable[[], None]
    ) -> None:
        super().__init__(flow, config)
        self._plan = plan

    # -- drawing ------------------------------------------------------------------------------

    def read_rows(self) -> list[OptionRow]:
        """Returns the options, those that are swept first."""
        wanted = list(sweep_axes.swept(self.flow.draft))
        rows = super().read_rows()
        return sorted(
            rows, key=lambda row: wanted.index(row.name) if row.name in wanted else len(wanted)
        )

    def row_entry(self, row: OptionRow, width: int) -> Entry:
        """Returns the line of an option: the values that it takes, or the one that it has."""
        values = sweep_axes.swept(self.flow.draft).get(row.name)
        if values is None:
            return options.row_entry(row, width)
        name = plain(row.name).ljust(min(34, max(20, width // 2 - 6)))
        count = plural(len(read_axis(f"{row.name}={values}").texts), "value")
        return entry("× ", "accent", (f"{name} ", "strong"), (plain(values), "strong"),
                     (f"   {count}", "dim"), copy=row.name)  # fmt: skip

    def title_words(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns what the title says: how many runs there would be, and the keys."""
        draft = self.flow.draft
        names = sweep_axes.swept(draft)
        if not names:
            return ("Sweep", "choose options"), ("/ find", "enter values", "esc back")
        words = ("Sweep", sweep_axes.count_words(draft), f"{sweep_axes.at_once(draft)} at once")
        return words, ("+ - at once", "del out", "enter values", "ctrl+s plan", "esc back")

    # -- keys ---------------------------------------------------------------------------------

    @on(VirtualList.Opened)
    def action_edit(self) -> None:
        """Asks for the values of the option under the cursor."""
        row = self.current
        if row is None or self.query(PromptLine):
            return
        values = sweep_axes.swept(self.flow.draft).get(row.name, row.value or row.default)

        def typed(text: str) -> None:
            level, words = judge_values(row.name, text)
            for line in self.query(PromptLine):
                line.say(words, {"error": "bad", "warn": "warn"}.get(level, "dim"))

        label = f"{row.name}, with commas between values"
        self.mount(PromptLine(row.name, label, values, typed=typed), before=self.foot)

    def action_clear(self) -> None:
        """Sweeps the option under the cursor no more."""
        if self.current is not None and self.current.name in sweep_axes.swept(self.flow.draft):
            self._take(self.current.name, "")

    def action_leave_out(self) -> None:
        """Nothing: an option is left out on the sheet of options."""

    def action_at_once(self, by: int) -> None:
        """Lets more or fewer runs be under way at a time."""
        sweep_axes.change_at_once(self.flow.draft, by)
        self.flow.sweep_changed()

    def action_plan(self) -> None:
        """Closes the sheet and shows the plan."""
        if not sweep_axes.swept(self.flow.draft):
            self.context.tell("Nothing is swept yet: enter on an option asks for its values.")
            return
        self.dismiss()
        self._plan()

    def _clear(self, name: str) -> None:
        """An empty answer: the option is swept no more."""
        self._take(name, "")

    def _take(self, name: str, text: str) -> str:
        level, words = judge_values(name, text) if text else ("", "")
        problem = words if level == "error" else sweep_axes.set_axis(self.flow.draft, name, text)
        if not problem:
            self.flow.sweep_changed()
        return problem


def judge_values(name: str, text: str) -> tuple[str, str]:
    """Return level and words of typed values: the worst finding, else how many they are."""
    if not text.strip():
        return "", "Empty: it is swept no more."
    try:
        axis = read_axis(f"{name}={text}")
    except AxisError as error:
        return "error", f"{error}."
    found = [options.judge(axis.name, one) for one in axis.texts]
    for level in ("error", "warn"):
        if words := next((words for other, words in found if other == level), ""):
            return level, words
    return "", plural(len(axis.texts), "value")
