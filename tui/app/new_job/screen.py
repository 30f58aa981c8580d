"""The new-job screen: a form that always shows what is wrong and what the job will cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from textual import events, on
from textual.containers import Container, Vertical
from textual.widget import Widget

from tui.app.job.facts import upload_words
from tui.app.keys.actions import MOVE, NEW, Action
from tui.app.new_job import check_text, form
from tui.app.new_job.command import command_line
from tui.app.new_job.editing import FieldEditor
from tui.app.new_job.form_list import FormList
from tui.app.new_job.kept_draft import DraftFile, DraftKeeper
from tui.app.new_job.submission import DraftSubmission, state_words, why_not
from tui.app.new_job.summary import LEAST_ROOM, Summary, summary_entries
from tui.app.new_job.sweep_axes import count_words, job_draft, swept
from tui.app.shell.messages import EngineState, JobsChanged, UploadProgress
from tui.app.shell.screen import AppScreen
from tui.app.terminal.styles import style_sheet
from tui.app.widgets.entry_list import Entry, EntryList, entry
from tui.app.widgets.input_line import PromptLine
from tui.app.widgets.panel_title import PanelTitle, StatusLine
from tui.app.widgets.virtual_list import VirtualList
from tui.base import formatting
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.simpletuner.checks.leaving_words import LEAVES
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from textual.geometry import Size
    from textual.timer import Timer

    from tui.api.submission import Draft as JobDraft
    from tui.simpletuner.config.training_config import TrainingConfig


_KEEP_AFTER: Final = 0.5
"""Seconds without a change before a draft is written down."""
_WIDE: Final = 100
_AROUND: Final = 6
"""Lines of a wide screen beside the fields and the summary: bars, titles, what leaves."""
_TALL: Final = 20
"""Below both, either the form or the checks are shown."""


class NewJobScreen(AppScreen):
    """Fills in, checks and submits a draft.

    Args:
        draft: the values to begin with, in the shape of the engine's request.
        refused: words by line of the form, where an earlier job was refused; they stand until the
            first change.
        sweep: whether the sheet of a sweep is opened, once there is a config.
    """

    CSS_PATH = style_sheet("new_job")
    ACTIONS: ClassVar = NEW
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"
    AUTO_FOCUS = "FormList"

    def __init__(
        self,
        draft: dict[str, Any] | None = None,
        refused: Mapping[str, str] | None = None,
        *,
        sweep: bool = False,
    ) -> None:
        super().__init__()
        self._sweep_waits = sweep
        self._given = dict(draft or {})
        self._asked_for = draft is not None
        self._refused = dict(refused or {})
        self._upload: UploadProgress | None = None
        self._left = False

    def body(self) -> Iterable[Widget]:
        """Makes form, checks, what leaves the machine, and the progress of the upload."""
        self._given.setdefault("cwd", str(Path.cwd()))
        self._given.setdefault("delivery", {"kind": self.context.settings.cloud.delivery})
        self._given.setdefault("hardware", self.context.settings.cloud.hardware)
        kept = None if self._asked_for else DraftFile(self.context.home).load()
        self._kept_at = kept.saved_at if kept else None
        begin = dict(self._given if kept is None else kept.draft)
        begin.setdefault("cwd", self._given["cwd"])
        self.flow = DraftSubmission(self.context, self, begin, self.show_all)
        self.keeper = DraftKeeper(
            self.context.home, self.flow.draft, self._given, restored=kept is not None
        )
        self._keep_timer: Timer | None = None
        self.form = FormList()
        self.checks = EntryList("enter chooses a config, n is for a starter")
        self.form_title, self.checks_title = PanelTitle(), PanelTitle(id="checks-title")
        self.summary, self.summary_title = Summary(), PanelTitle(joined=True)
        self.edge = PanelTitle(joined=True)
        self.editor = FieldEditor(
            self.context, self, self.flow, self.edge, plan_sweep=self._plan_sweep, form=self.form
        )
        self.leaves, self.progress = StatusLine(), StatusLine()
        self.progress.display = False
        self._arrange(self.context.size)  # the screen learns its size after its first frame
        return (
            Container(
                Vertical(
                    self.form_title, self.form, self.summary_title, self.summary, id="form-side"
                ),
                Vertical(self.checks_title, self.checks, id="checks-side"),
                id="new-job",
            ),
            self.edge,
            self.leaves,
            self.progress,
        )

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Fills in what is known and checks it."""
        super().on_mount()
        self.context.signals.engine_changed.subscribe(self, self._engine_changed)
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self.context.signals.upload_progress.subscribe(self, self._uploading)
        self.flow.watchers.append(self._keep_soon)
        self.flow.watchers.append(self._sweep_once)
        self._begin()

    def _begin(self) -> None:
        """Fills in the config where none is named, and checks the draft."""
        if not self.flow.draft.get("config"):
            self.flow.usual_config = usual = self._usual_config()
            here = self.context.sandbox or Path(usual).is_relative_to(self.flow.draft["cwd"])
            self.flow.draft["config"] = self.flow.found_config = usual if here else ""
        self.flow.draft_changed(at_once=True)

    def _keep_soon(self) -> None:
        """Writes the draft once no further change has come for a moment."""
        self.keeper.found = self.flow.found_config
        if self._keep_timer is not None:
            self._keep_timer.stop()
        self._keep_timer = self.set_timer(_KEEP_AFTER, self._keep)

    def sweep_started(self) -> None:
        """Forgets the draft, which has become a sweep, and goes back to the list."""
        self.flow.submitting = True
        if forget := self.keeper.forget():
            forget()
        if self.is_current:
            self._left = True
            self.context.pop_screen()

    def _keep(self) -> None:
        sent = self.flow.submitting or bool(self.flow.job_id)
        if not sent and (write := self.keeper.write(self.context.clock())):
            self.run_worker(asyncio.to_thread(write), group="draft")

    def on_unmount(self) -> None:
        """Keeps the draft of a form that is left by any way."""
        sent = self.flow.submitting or bool(self.flow.job_id)
        if not sent and (write := self.keeper.write(self.context.clock())):
            write()

    def _usual_config(self) -> str:
        """Returns the config of the newest job, if it is still there."""
        try:
            newest = self.context.reader.records(limit=1)
        except StoreError:
            return ""
        path = newest[0].config_path if newest else ""
        return path if path and Path(path).exists() else ""

    def _engine_changed(self, state: EngineState) -> None:
        if state.state == "ready":
            self.flow.engine_ready()
        self.update_footer()

    def _uploading(self, progress: UploadProgress) -> None:
        if progress.job_id == self.flow.job_id:
            self._upload = progress
            self._show_progress()

    def _jobs_changed(self, change: JobsChanged) -> None:
        if self.flow.job_id in change.job_ids:
            self._follow_job()

    def _follow_job(self) -> None:
        """Opens the page of the job once Replicate has it; a stopped job can be changed again."""
        try:
            job = self.context.reader.job(self.flow.job_id)
        except StoreError:
            return
        if job is None or self._left or not self.is_current:
            return
        if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
            self._show_progress()
        elif job.status is JobStatus.CANCELLED and not job.prediction_id:
            self.flow.job_id, self.flow.submitting, self._upload = "", False, None
            self.progress.display = False
            self.context.tell("Stopped. Nothing was started.")
            self.flow.draft_changed(at_once=True)
        else:
            self._left = True
            self.context.open_job(job.job_id, replace=True)

    # -- drawing ------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Puts form and checks side by side where there is room."""
        super().on_resize(event)
        self._arrange(event.size)
        self.call_after_refresh(self.show_all)

    def on_screen_resume(self) -> None:
        """Wraps the lines anew: below a sheet no widget learns that there is another room now."""
        super().on_screen_resume()
        if self.is_mounted:
            self.call_after_refresh(self.show_all)

    def _arrange(self, size: Size) -> None:
        wide = size.width >= _WIDE
        self.set_class(wide, "-wide")
        self.set_class(not wide and size.height < _TALL, "-short")

    def show_all(self) -> None:
        """Shows the draft, its check and the progress."""
        if not self.is_attached:
            return
        flow = self.flow
        errors = {**self._refused, **flow.errors} if flow.untouched else flow.errors
        fields = form.fields_of(flow.draft, flow.answer, errors)
        self.form.set(fields)
        self._show_summary(len(fields))
        state = state_words(flow, engine=self.context.control is not None)
        self.form_title.set(
            ("New job", *(state if self.has_class("-short") else ()), *self._kept())
        )
        self.checks.set(self._check_lines())
        self.checks_title.set(("Checks", *state))
        answer = flow.answer
        heading, what = check_text.leaves_words(answer) if answer else (LEAVES, "")
        skipped = check_text.skipped_words(answer) if answer else ""
        self.edge.set((heading, skipped) if skipped else (heading,))
        self.leaves.set([(what, "base")] if what else [])
        self._show_progress()
        self.update_footer()
        self.editor.place()
        if flow.refused_field:
            self.form.go_to(form.line_of(flow.refused_field))
            flow.refused_field = ""
            self._face(self.form)
        if flow.job_id:
            if forget := self.keeper.forget():
                forget()
            self._follow_job()

    def _show_summary(self, fields: int) -> None:
        """Shows below the fields what the check found, where there is room for it."""
        answer, wide = self.flow.answer, self.has_class("-wide")
        room = self.context.size.height - fields - _AROUND
        shown = wide and answer is not None and room >= LEAST_ROOM
        self.form.styles.height = "1fr" if wide and not shown else fields
        self.summary_title.display = self.summary.display = shown
        if answer is not None and shown:
            self.summary_title.set(("This job",))
            width = max(30, self.form.size.width - 6)
            self.summary.set(summary_entries(answer, width, room))

    def _kept(self) -> tuple[str, ...]:
        """Returns since when the draft on the form has been kept; empty for a new one."""
        if self._kept_at is None or not self.keeper.changed:
            return ()
        ago = formatting.duration((self.context.clock() - self._kept_at).total_seconds())
        return (f"your draft, {ago} old: D discards it",)

    def _check_lines(self) -> list[Entry]:
        flow, width = self.flow, max(30, self.checks.size.width - 6)
        lines: list[Entry] = []
        if flow.problem is not None:
            lines += check_text.problem_entries(flow.problem, width)
        if flow.answer is not None:
            lines += check_text.check_entries(flow.answer, width, estimate=not self.summary.display)
        elif not lines and not flow.draft.get("config") and flow.choices_here:
            found = formatting.plural(flow.choices_here, "config")
            lines.append(entry(f"{found} in this folder: enter chooses one", "base"))
        return lines

    def _show_progress(self) -> None:
        flow = self.flow
        shown = flow.submitting or bool(flow.job_id)
        if shown:
            upload = self._upload
            words = "starting…" if upload is None else upload_words(upload)
            bar = ""
            if upload is not None and upload.total:
                filled = round(30 * min(1.0, upload.done / upload.total))
                bar = "█" * filled + "░" * (30 - filled)
            self.progress.set([(f"▲ {bar} {words}".replace("  ", " "), "accent"),
                               ("c stops it" if flow.job_id else "", "dim")])  # fmt: skip
        self.progress.display = shown

    # -- what can be done ---------------------------------------------------------------------

    def actions(self) -> tuple[Action, ...]:
        """Returns the actions; the label of submit has the price."""
        actions = super().actions()
        if swept(self.flow.draft):
            label = f"plan sweep ({count_words(self.flow.draft)})"
            return tuple(
                replace(action, label=label) if action.id == "new.submit" else action
                for action in actions
            )
        price = check_text.price(self.flow.answer)
        if not price:
            return actions
        return tuple(
            replace(action, label=f"submit ({price})") if action.id == "new.submit" else action
            for action in actions
        )

    def command_line(self, action: Action) -> str:
        """Returns the command line of an action, with the form's values."""
        if action.id in ("new.submit", "new.copy_command"):
            return command_line(self.flow.draft)
        return super().command_line(action)

    def why_not(self, action: Action) -> str:
        """Returns why an action cannot be done now; empty when it can."""
        if action.group != "new":
            return super().why_not(action)
        if action.name == "clear_all" and not self.keeper.changed and not self.keeper.can_put_back:
            return "Nothing was chosen here yet."
        return why_not(
            action.name,
            self.flow,
            engine=self.context.control is not None,
            own=self.form.current is not None and self.form.current.own,
            forbidden=self.context.settings.cloud.consent == "never",
        )

    def do_submit(self) -> None:
        """Submits the job, now or once the check is done; of a sweep, shows the plan."""
        if swept(self.flow.draft):
            self._plan_sweep([str(self.flow.draft.get("config") or "")])
        else:
            self.flow.submit()

    def _sweep_once(self) -> None:
        """Opens the sheet where the form was opened for a sweep, once there is a config."""
        if self._sweep_waits and self.flow.answer is not None and self.is_current:
            self._sweep_waits = False
            self.do_sweep()

    def do_sweep(self) -> None:
        """Opens the sheet of what is swept."""
        self.run_worker(self._over_config(self._sweep), group="options", exclusive=True)

    def _sweep(self, config: TrainingConfig) -> None:
        from tui.app.new_job.sweep_sheet import SweepSheet

        self.context.push_screen(SweepSheet(self.flow, config, self.do_submit))

    def _plan_sweep(self, configs: Sequence[str]) -> None:
        from tui.app.new_job.sweep_plan import plan_sweep

        plan = plan_sweep(self.context, self.sweep_started, self.flow.draft, configs)
        self.run_worker(plan, group="sweep", exclusive=True)

    def do_switch(self) -> None:
        """Goes to the checks, or back to the form."""
        self._face(self.form if self.checks.has_focus else self.checks)

    def _face(self, side: Widget) -> None:
        """Gives the keys to one side; on a small screen only that side is shown."""
        self.set_class(side is self.checks, "-checks")
        self.call_after_refresh(side.focus)
        self.call_after_refresh(self.show_all)  # lines are wrapped to the room there is now

    def do_copy_command(self) -> None:
        """Copy the command line."""
        self.context.copy(command_line(self.flow.draft))

    def do_stop(self) -> None:
        """Cancel packing or uploading."""
        job_id = self.flow.job_id

        async def cancel(control: Any) -> str:
            await control.cancel(job_id)
            return ""

        self.context.call_engine(cancel)

    def do_request(self) -> None:
        """Shows the request of the newest check."""
        from tui.app.widgets.picker import Page, page_width

        if self.flow.answer is not None:
            lines = check_text.request_entries(self.flow.answer, page_width(self.size.width))
            self.context.push_screen(Page("The exact request", lines))

    def do_data(self) -> None:
        """Shows what is in the data."""
        from tui.app.new_job.data_card import data_entries
        from tui.app.widgets.picker import Page, page_width

        if self.flow.answer is not None:
            lines = data_entries(self.flow.answer, page_width(self.size.width))
            self.context.push_screen(Page("Data", lines))

    def do_search(self) -> None:
        """Opens the sheet of every option."""
        self.run_worker(self._over_config(self._options), group="options", exclusive=True)

    def do_compare(self) -> None:
        """Shows what the job changes of the config's file."""
        self.run_worker(self._over_config(self._changes), group="options", exclusive=True)

    def _options(self, config: TrainingConfig) -> None:
        from tui.app.new_job.options_sheet import OptionsSheet

        self.context.push_screen(OptionsSheet(self.flow, config))

    def _changes(self, config: TrainingConfig) -> None:
        from tui.app.new_job.options import change_entries
        from tui.app.widgets.picker import Page

        lines = change_entries(config, self.flow.draft)
        self.context.push_screen(Page("What this job changes", lines))

    def do_editor(self) -> None:
        """Opens the config's file in the user's editor."""
        self.run_worker(self._over_config(self._edit_file), group="options", exclusive=True)

    def _edit_file(self, config: TrainingConfig) -> None:
        from tui.app.new_job.editor import edit_file

        if edit_file(self.app, self.context, config.path):
            self.context.tell(f"Read again: {config.path.name} has changed.")
            self.flow.draft_changed(at_once=True)

    def do_save_as(self) -> None:
        """Asks for a name, and writes the config with all changes under it."""
        self.run_worker(
            self._over_config(self.editor.new_configs.save_as), group="options", exclusive=True
        )

    async def _over_config(self, show: Callable[[TrainingConfig], None]) -> None:
        """Reads the config, and shows something about it."""
        from tui.app.new_job.config_source import read_config

        config = await read_config(self.context, self.flow)
        if config is not None and self.is_current:
            show(config)

    async def do_dry_run(self) -> None:
        """Checks again now and shows all of it."""
        self.flow.draft_changed(at_once=True)
        self.run_worker(self._dry_run(), group="dry-run", exclusive=True)

    async def _dry_run(self) -> None:
        from tui.app.widgets.picker import Page, page_width

        control = self.context.control
        if control is None:
            self.context.tell(self.context.engine.refusal)
            return
        try:
            answer = await control.check(cast("JobDraft", job_draft(self.flow.draft)))
        except ControlError as error:
            self.context.tell(error.message, error.advice, "error")
            return
        lines = check_text.dry_run_entries(answer, max(40, self.size.width - 12))
        lines += [
            Entry(),
            entry("The exact request", "strong"),
            *check_text.request_entries(answer, page_width(self.size.width)),
        ]
        self.context.push_screen(Page("Dry run: nothing was sent", lines))

    def do_clear_all(self) -> None:
        """Discards the draft; a second time brings it back."""
        self.keeper.discard()
        self._kept_at = None
        if self.keeper.can_put_back:
            self.context.tell("The draft is discarded. D brings it back.")
        self._begin()

    def do_back(self) -> None:
        """Goes back; a started upload goes on, and a draft is kept."""
        if self.flow.job_id:
            self.context.tell("The upload goes on. The job is on the list.")
        elif self.keeper.changed:
            self.context.tell("The draft is kept: the form brings it back (n).")
        self._left = True
        self.context.pop_screen()

    # -- changing fields ----------------------------------------------------------------------

    @on(VirtualList.Opened)
    def do_edit(self) -> None:
        """Changes the field of the cursor; the publishing fields have a sheet of their own."""
        field = self.form.current
        if field is None:
            return
        if field.key == "publishing":
            from tui.app.new_job.publish_sheet import PublishSheet

            self.context.push_screen(PublishSheet(self.flow))
        elif field.key == "sweep":
            self.do_sweep()
        else:
            self.editor.edit(field)

    def do_clear(self) -> None:
        """Clears the field, so that the config's own value counts again."""
        if self.form.current is not None:
            self.editor.clear(self.form.current)

    def do_recommend(self) -> None:
        """Fills in the delivery that is most likely to work."""
        self.editor.names.recommend()

    def do_fix_delivery(self) -> None:
        """Makes the changes that a finding names: that of the cursor, else the first."""
        line = self.checks.current if self.checks.has_focus else None
        if changes := self.flow.mend(check_text.finding_of(line, self.flow.answer)):
            self.context.tell(f"Changed: {changes}.")

    def do_starter(self) -> None:
        """Asks for a model family, then for a name and the images."""
        self.editor.new_configs.starter()

    def do_example(self) -> None:
        """Asks for an example of SimpleTuner, and writes it as a config of this folder."""
        self.editor.new_configs.example()

    @on(PromptLine.Answered)
    async def _answered(self, event: PromptLine.Answered) -> None:
        event.stop()
        if await self.editor.answered(event.purpose, event.value):
            self._face(self.form)
