"""The form for a new job: one page, always saying what is still wrong and what it will cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import events, on
from textual.containers import Container, Vertical
from textual.widget import Widget

from tui.app import check_words, new_job_form
from tui.app.actions import MOVE, Action
from tui.app.job_facts import upload_words
from tui.app.messages import EngineState, JobsChanged, UploadProgress
from tui.app.new_job_flow import NewJobFlow
from tui.app.page_actions import NEW
from tui.app.screens.base import AppScreen
from tui.app.styles import style_sheet
from tui.app.widgets.form_list import FormList
from tui.app.widgets.job_head import JobHead
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.piece_list import Entry, PieceList, entry
from tui.app.widgets.prompt_line import PromptLine
from tui.app.widgets.virtual_list import VirtualList
from tui.engine.control_client import ControlError
from tui.store.records import JobStatus
from tui.store.schema import StoreError

_WIDE: Final = 100


class NewJobScreen(AppScreen):
    """A job in the making.

    Args:
        draft: what is filled in already, as `engine.draft` describes it.
    """

    CSS_PATH = style_sheet("new_job")
    ACTIONS: ClassVar = NEW
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"
    AUTO_FOCUS = "FormList"

    def __init__(self, draft: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._given = dict(draft or {})
        self._upload: UploadProgress | None = None
        self._starter: tuple[str, str] = ("", "")
        self._left = False

    def body(self) -> Iterable[Widget]:
        """Form and checks, what leaves, and the upload's progress when there is one."""
        self._given.setdefault("cwd", str(Path.cwd()))
        self._given.setdefault("delivery", {"kind": self.owner.settings.cloud.delivery})
        self._given.setdefault("hardware", self.owner.settings.cloud.hardware)
        self.flow = NewJobFlow(self.owner, self, self._given, self.show_all)
        self.form = FormList()
        self.checks = PieceList("enter chooses a config, b is for a starter")
        self.form_title, self.checks_title = PanelTitle(), PanelTitle(id="checks-title")
        self.edge = PanelTitle(joined=True)
        self.leaves, self.progress = JobHead(), JobHead()
        self.progress.display = False
        return (
            Container(
                Vertical(self.form_title, self.form, id="form-side"),
                Vertical(self.checks_title, self.checks, id="checks-side"),
                id="new-job",
            ),
            self.edge,
            self.leaves,
            self.progress,
        )

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Fill in what is known and check it."""
        super().on_mount()
        self.owner.engine_changed.subscribe(self, self._engine_changed)
        self.owner.jobs_changed.subscribe(self, self._jobs_changed)
        self.owner.upload_progress.subscribe(self, self._uploading)
        if not self.flow.draft.get("config"):
            self.flow.draft["config"] = self._usual_config()
        self.flow.touch(at_once=True)

    def _usual_config(self) -> str | None:
        """The config of the newest job, if it is still there."""
        try:
            newest = self.owner.reader.records(limit=1)
        except StoreError:
            return None
        path = newest[0].config_path if newest else ""
        return path if path and Path(path).exists() else None

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
        """Once the job is on its way, its own page takes over; a stopped one comes back here."""
        try:
            job = self.owner.reader.job(self.flow.job_id)
        except StoreError:
            return
        if job is None or self._left or not self.is_current:
            return
        if job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
            self._show_progress()
        elif job.status is JobStatus.CANCELLED and not job.prediction_id:
            self.flow.job_id, self.flow.submitting, self._upload = "", False, None
            self.progress.display = False
            self.owner.tell("Stopped. Nothing was started.")
            self.flow.touch(at_once=True)
        else:
            from tui.app.screens.job import JobScreen

            self._left = True
            self.owner.switch_screen(JobScreen(job.job_id))

    # -- drawing ------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Side by side where there is room, else one below the other."""
        super().on_resize(event)
        self.set_class(event.size.width >= _WIDE, "-wide")
        self.call_after_refresh(self.show_all)

    def show_all(self) -> None:
        """Everything the flow knows."""
        if not self.is_attached:
            return
        flow = self.flow
        fields = new_job_form.fields_of(flow.draft, flow.answer, flow.errors)
        self.form.set(fields)
        self.form.styles.height = "1fr" if self.has_class("-wide") else len(fields)
        self.form_title.set(("New job",))
        self.checks.set(self._check_lines())
        self.checks_title.set(("Checks", *self._state_words()))
        answer = flow.answer
        heading, what = check_words.leaves_words(answer) if answer else ("Leaves this machine", "")
        skipped = check_words.skipped_words(answer) if answer else ""
        self.edge.set((heading, skipped) if skipped else (heading,))
        self.leaves.set([(what, "base")] if what else [])
        self._show_progress()
        self.update_footer()
        if flow.job_id:
            self._follow_job()

    def _state_words(self) -> tuple[str, ...]:
        flow = self.flow
        if flow.wanted:
            return ("checking… then it starts",)
        if flow.checking:
            waits = "" if self.owner.control else " (the engine is starting)"
            return (f"checking…{waits}",)
        if flow.answer is None:
            return ()
        levels = [check.get("level") for check in flow.answer.get("checks") or ()]
        errors, warnings = levels.count("error"), levels.count("warn")
        if errors:
            return (f"{errors} to correct",)
        return (f"ready · {warnings} to know" if warnings else "ready",)

    def _check_lines(self) -> list[Entry]:
        flow, width = self.flow, max(30, self.checks.size.width - 6)
        lines: list[Entry] = []
        if flow.problem is not None:
            lines.append(entry("✗ ", "bad", (flow.problem.message, "base")))
            if flow.problem.advice:
                lines.append(entry(f"  {flow.problem.advice}", "dim"))
        if flow.answer is not None:
            lines += check_words.check_entries(flow.answer, width)
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
                               ("x stops it" if flow.job_id else "", "dim")])  # fmt: skip
        self.progress.display = shown

    # -- what can be done ---------------------------------------------------------------------

    def actions(self) -> tuple[Action, ...]:
        """The submit key says the price."""
        found = super().actions()
        price = check_words.price(self.flow.answer)
        if not price:
            return found
        return tuple(
            replace(action, label=f"submit ({price})") if action.id == "new.submit" else action
            for action in found
        )

    def command_line(self, action: Action) -> str:
        """With the form's own values."""
        if action.id in ("new.submit", "new.copy_command"):
            return new_job_form.command_line(self.flow.draft)
        return super().command_line(action)

    def why_not(self, action: Action) -> str:
        """Reasons by action."""
        flow, name = self.flow, action.name
        busy = flow.submitting or bool(flow.job_id)
        if action.group != "new":
            return super().why_not(action)
        if name == "stop":
            return "" if flow.job_id else "Nothing is being uploaded."
        if busy and name in ("submit", "edit", "starter", "clear", "dry_run"):
            return "The job is being started."
        if name == "submit":
            return self._no_submit()
        if name == "request" and flow.answer is None:
            return "There is no check yet."
        if name == "dry_run" and not (flow.draft.get("config") and self.owner.control):
            return "Choose a config first." if self.owner.control else "The engine is starting."
        if name == "clear" and (self.form.current is None or not self.form.current.own):
            return "This field says what the config says."
        return ""

    def _no_submit(self) -> str:
        flow = self.flow
        if not flow.draft.get("config") and not flow.checking:
            return "Choose a config first."
        if self.owner.settings.cloud.consent == "never" and flow.answer and flow.asks:
            return "Your settings forbid submitting (cloud.consent = never)."
        if flow.checking:
            return ""
        if flow.answer is None:
            return flow.problem.message if flow.problem else "There is no check yet."
        if not flow.answer.get("ok"):
            errors = [c for c in flow.answer.get("checks") or () if c.get("level") == "error"]
            return f"Correct this first: {errors[0].get('message')}" if errors else "Not ready."
        return ""

    def do_submit(self) -> None:
        """Start the job, or start it once the check is done."""
        self.flow.submit()

    def do_switch(self) -> None:
        """Between form and checks."""
        (self.checks if self.form.has_focus else self.form).focus()

    def do_copy_command(self) -> None:
        """Copy the command line."""
        self.owner.copy(new_job_form.command_line(self.flow.draft))

    def do_stop(self) -> None:
        """Cancel packing or uploading."""
        job_id = self.flow.job_id

        async def cancel(control: Any) -> str:
            await control.cancel(job_id)
            return ""

        self.owner.deeds.run(cancel)

    def do_request(self) -> None:
        """Show the request of the newest check."""
        from tui.app.widgets.picker import Page

        if self.flow.answer is not None:
            lines = check_words.request_entries(self.flow.answer)
            self.owner.push_screen(Page("The exact request", lines))

    async def do_dry_run(self) -> None:
        """Check again now, and show everything."""
        self.flow.touch(at_once=True)
        self.run_worker(self._dry_run(), group="dry-run", exclusive=True)

    async def _dry_run(self) -> None:
        from tui.app.widgets.picker import Page

        control = self.owner.control
        if control is None:
            self.owner.tell("The engine is still starting; try again in a moment.")
            return
        try:
            answer = await control.check(self.flow.draft)
        except ControlError as error:
            self.owner.tell(error.message, error.advice, "error")
            return
        lines = check_words.dry_run_entries(answer, max(40, self.size.width - 12))
        self.owner.push_screen(Page("Dry run: nothing was sent", lines))

    def do_back(self) -> None:
        """Leave; a started upload goes on."""
        if self.flow.job_id:
            self.owner.tell("The upload goes on. The job is on the list.")
        self._left = True
        self.owner.pop_screen()

    # -- changing fields ----------------------------------------------------------------------

    @on(VirtualList.Opened)
    def do_edit(self) -> None:
        """A list to choose from, or a line to type in."""
        field = self.form.current
        if field is None:
            return
        if field.key == "config":
            self.run_worker(self._pick_config(), group="pick", exclusive=True)
        elif field.choice:
            self._pick(field.key, field.label)
        else:
            value = new_job_form.value_for_editing(self.flow.draft, self.flow.answer, field.key)
            self._ask(field.key, field.label, value)

    def do_clear(self) -> None:
        """Take the config's own value back."""
        if self.form.current is not None and self.form.current.key != "config":
            self._take(self.form.current.key, "")

    def _ask(self, key: str, label: str, value: str) -> None:
        for old in self.query(PromptLine):
            old.remove()
        self.mount(PromptLine(key, label, value), before=self.edge)

    @on(PromptLine.Answered)
    async def _answered(self, event: PromptLine.Answered) -> None:
        event.stop()
        purpose, value = event.purpose, event.value.strip()
        if purpose == "starter-name" and value:
            self._starter = (self._starter[0], value)
            self._ask("starter-images", "Folder of your images", f"datasets/{value}")
            return
        if purpose == "starter-images":
            problem = self._write_starter(value)
        else:
            problem = self._take(purpose, value) if purpose else ""
        if problem:
            self.owner.tell(problem, level="warning")
            return
        await self.query(PromptLine).remove()
        self.form.focus()

    def _take(self, key: str, value: str) -> str:
        before = repr(self.flow.draft)
        problem = new_job_form.set_field(self.flow.draft, key, value)
        if not problem and repr(self.flow.draft) != before:
            self.flow.touch()
        return problem

    def _pick(self, key: str, label: str) -> None:
        from tui.app.new_job_choices import choices_of
        from tui.app.widgets.picker import Picker

        choices, current = choices_of(key, self.flow.draft, self.owner.settings)

        def picked(value: str | None) -> None:
            if value is not None:
                self._take(key, value)

        self.owner.push_screen(Picker(label, choices, current), picked)

    async def _pick_config(self) -> None:
        """Configs that were found, any other path, or a starter."""
        from tui.app.new_job_choices import OTHER, STARTER, config_choices
        from tui.app.widgets.picker import Picker

        found: list[dict[str, Any]] = []
        control = self.owner.control
        if control is not None:
            try:
                found = await control.configs()
            except ControlError as error:
                self.owner.tell(error.message, error.advice, "error")
        choices = config_choices(found)

        def picked(value: str | None) -> None:
            if value == OTHER:
                self._ask("config", "Path of a config", str(self.flow.draft.get("config") or ""))
            elif value == STARTER:
                self.do_starter()
            elif value:
                self._take("config", value)

        current = str(self.flow.draft.get("config") or "")
        self.owner.push_screen(Picker("Config", choices, current), picked)

    def do_starter(self) -> None:
        """Choose a family, then a name and the images."""
        from tui.app.new_job_choices import starter_choices
        from tui.app.widgets.picker import Picker

        def picked(value: str | None) -> None:
            if value is not None:
                self._starter = (value, "")
                self._ask("starter-name", "Name of the new config", f"my-{value}")

        self.owner.push_screen(Picker("Begin with", starter_choices()), picked)

    def _write_starter(self, images: str) -> str:
        from tui.app.new_job_choices import write_starter_config

        starter, name = self._starter
        path, problem = write_starter_config(starter, self.flow.draft["cwd"], name, images)
        if problem:
            return problem
        self.owner.tell(f"Wrote {path}.")
        return self._take("config", path)
