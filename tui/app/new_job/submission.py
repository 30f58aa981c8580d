"""The life of a draft: checked as it changes, agreed to, submitted once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tui.app.keys.choices import in_app
from tui.app.new_job.check_text import (
    Answer,
    change_words,
    estimate_words,
    is_free,
    leaves_words,
    limit_words,
    price,
    skipped_words,
    staged_words,
    stays_here,
    weights_words,
)
from tui.app.new_job.form import Draft, change_options
from tui.app.new_job.sweep_axes import job_draft, swept
from tui.app.widgets.confirm import Confirm
from tui.base import formatting
from tui.client.agreement import with_consent
from tui.client.client import ControlError

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from tui.api.check_report import CheckReport
    from tui.api.submission import Draft as JobDraft
    from tui.app.context import AppContext
    from tui.client.client import ControlClient


DEBOUNCE: Final = 0.3
"""Seconds without a change before a draft is checked."""
_STARTING = "The engine is starting."
_ACCEPTS: Final = ("accept_delivery", "accept_data")
"""Fields of the draft that accept failed checks."""


class DraftSubmission:
    """Checks a draft and submits it.

    Attributes:
        draft: the values chosen so far.
        answer: the newest check, also while a newer one is made; None before the first.
        errors: messages by field, for values that the engine refused.
        problem: the error of the check or of the submit.
        checking: whether a check is being made or waited for.
        submit_waits: whether the submit key was pressed and waits for the check.
        submitting: whether the submit is on its way.
        job_id: the started job; empty before.
        refused_field: the field that the engine refused at the submit; the screen goes there once
            and clears it.
        untouched: whether the draft is still the one that was given.
        usual_config: the config to take where the user's folder has none; empty for none.
        found_config: the config that was taken without being chosen; empty for none.
        choices_here: how many configs were found in that folder.
        watchers: called whenever any of this changes.
    """

    def __init__(
        self, context: AppContext, screen: Screen[Any], draft: Draft, changed: Callable[[], None]
    ) -> None:
        self.draft = draft
        self.answer: Answer | None = None
        self.errors: dict[str, str] = {}
        self.problem: ControlError | None = None
        self.checking = False
        self.submit_waits = False
        self._seen: Answer | None = None  # the check that was shown when the submit key was pressed
        self.submitting = False
        self.job_id = ""
        self.refused_field = ""
        self._context = context
        self._screen = screen
        self.watchers = [changed]
        self._round = 0
        self._timer: Timer | None = None
        self._idempotency_key = str(uuid.uuid4())
        self._searched = False
        self.untouched = True
        self.usual_config = ""
        self.found_config = ""
        self.choices_here = 0

    def _changed(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    # -- checking -----------------------------------------------------------------------------

    def draft_changed(self, *, at_once: bool = False) -> None:
        """Checks the draft, once no further change has come for a moment.

        What was accepted was accepted for the draft before the change, so it is withdrawn.
        """
        for name in _ACCEPTS:
            self.draft.pop(name, None)
        self._check_soon(at_once=at_once)

    def sweep_changed(self) -> None:
        """Shows what is swept now; the check is of the draft without it."""
        self._changed()

    def _check_soon(self, *, at_once: bool) -> None:
        self.untouched = self._round == 0 or (self.untouched and at_once)
        self._round += 1
        self._idempotency_key = str(uuid.uuid4())
        self.errors.clear()
        self.problem = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self.draft.get("config") and self._searched:
            self.checking, self.answer, self.submit_waits = False, None, False
        else:
            self.checking = True
            if at_once:
                self._start()
            else:
                self._timer = self._screen.set_timer(DEBOUNCE, self._start)
        self._changed()

    def _start(self) -> None:
        """Asks the engine; without one, `engine_ready` asks later."""
        self._timer = None
        if self._context.control is not None:
            self._screen.run_worker(self._check(self._round), group="check")

    def engine_ready(self) -> None:
        """Makes the check that waits for the engine."""
        if self.checking and self._timer is None:
            self._start()

    async def _check(self, number: int) -> None:
        control = self._context.control
        if control is None:
            return
        answer: Answer | None = None
        problem: ControlError | None = None
        try:
            if not self.draft.get("config"):
                self.draft["config"] = await self._find_config(control)
            if self.draft.get("config"):
                answer = await control.check_at_once(cast("JobDraft", job_draft(self.draft)))
            while answer is not None and answer.get("asking") and number == self._round:
                self.checking = False
                self.answer, self.problem = answer, None
                self._changed()
                answer = await control.check_later(cast("CheckReport", answer))
        except ControlError as error:
            problem = error
        if number != self._round:
            return  # the draft has changed since: a newer check is under way
        if problem is not None and self.proving and problem.code == "not_found":
            self._check_soon(at_once=True)  # another engine answers now
            return
        self.checking = False
        if problem is not None and answer is not None:
            answer = {**answer, "asking": []}  # nobody answers any more
        self.answer, self.problem = answer, problem
        if problem is not None:
            self._refused(problem)
        self._changed()
        if self.submit_waits:
            self.submit_waits = False
            self._submit(self._seen)

    async def _find_config(self, control: ControlClient) -> str | None:
        """Returns the config of the user's folder, the usual one, or the only one there is.

        The demo has an example of its own. Several in the folder are the user's to choose from.
        """
        demo = self._context.sandbox
        folder = "" if demo else str(self.draft.get("cwd") or "")
        paths = [str(config["path"]) for config in await control.configs(folder)]
        self._searched = True
        here = [path for path in paths if folder and Path(path).is_relative_to(folder)]
        self.choices_here = len(here)
        if here:
            found = here[0] if len(here) == 1 else ""
        elif self.usual_config:
            found = self.usual_config
        else:
            found = paths[0] if len(paths) == 1 or (paths and demo) else ""
        self.found_config = found
        return found or None

    def _refused(self, error: ControlError) -> None:
        """Puts an error's messages at the fields that they are about."""
        fields = error.details.get("fields")
        if isinstance(fields, dict):
            for name, words in fields.items():
                self.errors[str(name).rpartition(".")[2]] = str(words)
        elif error.code in ("invalid_config", "config_error") or "config" in error.code:
            self.errors["config"] = error.message

    # -- submitting ---------------------------------------------------------------------------

    @property
    def proving(self) -> bool:
        """Whether the check is there, and the network has yet to prove some of it."""
        return not self.checking and bool((self.answer or {}).get("asking"))

    @property
    def ready(self) -> bool:
        """Whether the newest check allows the submit."""
        return not self.checking and self.answer is not None and bool(self.answer.get("ok"))

    @property
    def only_acceptable_failed(self) -> bool:
        """Whether only findings stand in the way that the user may accept."""
        unknown = self.checking or self.proving or self.answer is None
        answer = {} if unknown else self.answer or {}
        return not answer.get("ok") and bool(answer.get("acceptable"))

    def accept(self) -> None:
        """Accepts the failed checks: checks again, then asks about the price."""
        for name in (self.answer or {}).get("accepts") or ():
            self.draft[name] = True
        self._check_soon(at_once=True)
        self.submit()

    @property
    def mends(self) -> list[Answer]:
        """The changes after which the final weights leave the trainer; the mildest first."""
        weights = {} if self.checking or self.answer is None else self.answer.get("weights") or {}
        return list(weights.get("mends") or ())

    def mend_delivery(self) -> str:
        """Puts the first of these changes into the draft; returns it in words, "" for none."""
        if not self.mends:
            return ""
        mend = self.mends[0]
        overrides = {**(self.draft.get("overrides") or {}), **mend["overrides"]}
        if overrides:
            self.draft["overrides"] = overrides
        if mend["delivery"]:
            self.draft["delivery"] = dict(mend["delivery"])
        words = str(mend["words"])
        self.draft_changed(at_once=True)
        return words

    @property
    def mendable(self) -> list[Answer]:
        """The findings that carry changes of options, errors first."""
        checks = [] if self.checking or self.answer is None else self.answer.get("checks") or []
        found = [check for check in checks if change_words(check, self.answer)]
        return sorted(found, key=lambda check: check.get("level") != "error")

    def mend(self, finding: Answer | None) -> str:
        """Puts the changes of a finding into the draft; returns them in words, "" for none.

        Args:
            finding: the finding of the cursor; without changes of its own, or None, the delivery
                is mended first, then the first finding that can be.
        """
        if finding not in self.mendable:
            finding = None
        if self.mends and (finding is None or finding.get("id") == "delivery-schedule"):
            return self.mend_delivery()
        finding = finding or next(iter(self.mendable), None)
        if finding is None:
            return ""
        words = change_words(finding, self.answer)
        change_options(self.draft, finding["changes"])
        self.draft_changed(at_once=True)
        return words

    @property
    def needs_consent(self) -> bool:
        """Whether the user must agree: something leaves the machine, or it costs money."""
        return not is_harmless(self.answer) and self._context.settings.cloud.consent != "allow"

    def submit(self) -> None:
        """Submits the draft, once it is checked and agreed to; before that, the submit waits."""
        if self.submitting or self.job_id:
            return
        if self.checking or self.proving:
            self.submit_waits, self._seen = True, self.answer
            self._changed()
            return
        self._submit(self.answer)

    def _submit(self, seen: Answer | None) -> None:
        """Asks where it must, and sends the draft.

        Args:
            seen: the check that was shown when the user pressed the key.
        """
        if self.only_acceptable_failed:
            ask_acceptance(self._context, self.answer or {}, self.accept)
            return
        if not self.ready:
            return
        shown = self.answer or {}
        # A setting that asks for no yes covers the offer on the screen, not one that came after it.
        if not self.needs_consent and (is_harmless(shown) or offer(seen) == offer(shown)):
            self.send(shown)
            return

        ask_consent(self._context, shown, lambda: self.send(shown))

    def send(self, shown: Answer) -> None:
        """Sends the draft; the idempotency key makes one job of repeated presses.

        Args:
            shown: the check that the user agrees to.
        """
        if not self.submitting:
            self.submitting = True
            self._changed()
            self._screen.run_worker(self._send(shown), group="submit")

    async def _send(self, shown: Answer) -> None:
        control = self._context.control
        body = with_consent(
            {**job_draft(self.draft), "idempotency_key": self._idempotency_key}, shown
        )
        if control is None:
            self.submitting = False
            self._context.tell("The engine is not there; it is being started again.")
            self._changed()
            return
        try:
            answer = await control.submit(body)
        except ControlError as error:
            self.submitting = False
            if error.code == "consent_required":  # the next question shows what is sent now
                self._context.tell(error.message, error.advice, "warning")
                self._check_soon(at_once=True)
                return
            self.problem = error
            if error.code == "check_failed" and self.answer is not None:
                checks = {
                    key: error.details.get(key) for key in ("checks", "acceptable", "accepts")
                }
                self.answer = {**self.answer, **checks, "ok": False}
            self._refused(error)
            self.refused_field = next(iter(self.errors), "")
        else:
            self.job_id = str(answer.get("job_id") or "")
        self._changed()


def is_harmless(answer: Answer | None) -> bool:
    """Whether a check shows a job that costs nothing and sends nothing away."""
    return answer is not None and is_free(answer) and stays_here(answer)


def offer(answer: Answer | None) -> tuple[object, ...]:
    """What a yes to a check would agree to: the price, and what leaves this machine for where."""
    shown = answer or {}
    leaves = shown.get("leaves") or {}
    return ((shown.get("estimate") or {}).get("micros"), leaves.get("digest"))


def ask_consent(context: AppContext, answer: Answer, agreed: Callable[[], None]) -> None:
    """Shows the price and what leaves the machine; calls `agreed` after a yes."""
    hardware = (answer.get("hardware") or {}).get("label") or ""
    version = answer.get("version") or {}
    warnings = [
        f"! {in_app(str(check.get('message')))}"
        for check in answer.get("checks") or ()
        if check.get("level") == "warn"
    ]
    charged = "" if is_free(answer) else " It is charged by the second."
    details = [
        ": ".join(leaves_words(answer)) + ".",
        *staged_words(answer),
        *filter(None, [skipped_words(answer), weights_words(answer)]),
        f"On {hardware}: {estimate_words(answer)}.{charged}",
        *limit_words(answer),
        f"Model {version.get('model')}, version {str(version.get('id'))[:8]}.",
        *(["", *warnings] if warnings else []),
    ]
    known = price(answer)
    yes = f"Yes, start it ({known})" if known else "Yes, start it"

    def answered(yes: bool | None) -> None:
        if yes:
            agreed()

    context.push_screen(
        Confirm(f"Start {answer.get('run_name') or 'this job'}?", details, yes=yes), answered
    )


def ask_acceptance(context: AppContext, answer: Answer, agreed: Callable[[], None]) -> None:
    """Shows what would go wrong; calls `agreed` if the job is to start anyway."""
    fields = answer.get("accepts") or ()
    outcome = "the results would not arrive"
    if "accept_data" in fields:
        more = f", and {outcome}" if "accept_delivery" in fields else ""
        outcome = f"the trainer would not get the images{more}"
    failed = [check for check in answer.get("checks") or () if check.get("level") == "error"]
    details = [
        *(f"✗ {in_app(str(check.get('message')))}" for check in failed),
        "",
        f"As far as can be told from here {outcome}, and the run is paid for.",
    ]

    def answered(yes: bool | None) -> None:
        if yes:
            agreed()

    context.push_screen(
        Confirm("Start it all the same?", details, yes="Yes, I know better", no="No, correct it"),
        answered,
    )


def why_not(name: str, flow: DraftSubmission, *, engine: bool, own: bool, forbidden: bool) -> str:
    """Returns why an action of the form cannot be done; empty when it can.

    Args:
        name: the action.
        flow: the draft and its newest check.
        engine: whether an engine is there.
        own: whether the cursor's field says something that was chosen here.
        forbidden: whether the settings forbid submitting.
    """
    if name == "stop":
        return "" if flow.job_id else "Nothing is being uploaded."
    busy = flow.submitting or bool(flow.job_id)
    if busy and name in ("submit", "edit", "starter", "clear", "dry_run", "recommend", "search",
                         "sweep", "fix_delivery", "editor", "save_as", "clear_all",
                         "example"):  # fmt: skip
        return "The job is being started."
    if name == "submit" and swept(flow.draft):
        return "" if flow.draft.get("config") and engine else _no_plan(flow)
    if name == "submit":
        return _no_submit(flow, forbidden=forbidden)
    if name in ("search", "compare", "editor", "save_as", "sweep") and not flow.draft.get("config"):
        return "Choose a config first."
    if name == "editor" and flow.draft.get("rerun_of"):
        return "This config is in the record of a job: save it under a name (W) to edit its file."
    if name in ("request", "data") and flow.answer is None:
        return "There is no check yet."
    if name in ("dry_run", "recommend") and not (flow.draft.get("config") and engine):
        return "Choose a config first." if engine else _STARTING
    if name == "fix_delivery" and not flow.mends and not flow.mendable:
        if flow.checking or flow.answer is None:
            return "There is no check yet."
        weights = flow.answer.get("weights") or {}
        if weights.get("promise") in ("yes", None):
            return "No finding here can be mended by a change of options."
        return "No change of the config helps here: choose another delivery."
    if name == "clear" and not own:
        return "This field says what the config says."
    return ""


def _no_plan(flow: DraftSubmission) -> str:
    return _STARTING if flow.draft.get("config") else "Choose a config first."


def _no_submit(flow: DraftSubmission, *, forbidden: bool) -> str:
    if not flow.draft.get("config") and not flow.checking:
        return "Choose a config first."
    if forbidden and flow.answer and flow.needs_consent:
        return "Your settings forbid submitting (cloud.consent = never)."
    if flow.checking or flow.proving:
        return ""
    if flow.answer is None:
        return flow.problem.message if flow.problem else "There is no check yet."
    if not flow.answer.get("ok") and not flow.only_acceptable_failed:
        errors = [c for c in flow.answer.get("checks") or () if c.get("level") == "error"]
        return f"Correct this first: {errors[0].get('message')}" if errors else "Not ready."
    return ""


def state_words(flow: DraftSubmission, *, engine: bool) -> tuple[str, ...]:
    """Returns the state of the check, for the title of its pane."""
    if flow.submit_waits:
        return ("checking… then it starts",)
    if flow.checking:
        return ("checking…" if engine else "checking… (the engine is starting)",)
    if flow.answer is None:
        return ()
    levels = [check.get("level") for check in flow.answer.get("checks") or ()]
    errors, warnings = levels.count("error"), levels.count("warn")
    if errors:
        return (f"{errors} to correct",)
    if flow.proving:
        return (f"proving {formatting.plural(levels.count('asking'), 'thing')}…",)
    return (f"ready · {formatting.plural(warnings, 'warning')}" if warnings else "ready",)
