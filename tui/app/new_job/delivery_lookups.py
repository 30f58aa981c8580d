"""Questions of the form about delivery: owners, destinations, free names, recommendations.

Nothing here makes a key wait: lists open when their answer is there, names are looked up when no
key has come for a moment, and a newer question replaces an older one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from tui.app.new_job import publishing
from tui.app.new_job.form import data_choices, data_key
from tui.app.new_job.sweep_axes import job_draft
from tui.client.client import ControlError
from tui.client.jobs import JobCalls

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from tui.api.destinations import ListedS3
    from tui.api.submission import Draft as JobDraft
    from tui.app.context import AppContext
    from tui.app.new_job.submission import DraftSubmission
    from tui.client.client import ControlClient

DEBOUNCE: Final = 0.35
"""Seconds without a key before a repository's name is looked up."""
NEW: Final = "\0new"
_TONES: Final = {"ok": "good", "warn": "warn", "error": "bad"}
Say = Callable[[str, str], None]
"""Takes words and their tone."""


class DeliveryLookups:
    """Asks the engine and opens lists of the answers.

    Args:
        context: the app.
        screen: runs workers and timers; they end with it.
        flow: the draft.
    """

    def __init__(self, context: AppContext, screen: Screen[Any], flow: DraftSubmission) -> None:
        self._context = context
        self._screen = screen
        self._flow = flow
        self._timer: Timer | None = None

    # -- while a name is typed -----------------------------------------------------------------

    def typing(self, text: str, say: Say) -> None:
        """Looks a repository's name up, once no key has come for a moment."""
        self.forget()
        if text.strip():
            say("…", "dim")
            self._timer = self._screen.set_timer(DEBOUNCE, lambda: self._start(text, say))
        else:
            say("", "dim")

    def forget(self) -> None:
        """Cancels the lookup: no name is being typed any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._screen.workers.cancel_group(self._screen, "repository")

    def _start(self, text: str, say: Say) -> None:
        control = self._context.control
        if control is not None:
            worker = self._look(control, text, say)
            self._screen.run_worker(worker, group="repository", exclusive=True)

    async def _look(self, control: ControlClient, text: str, say: Say) -> None:
        own = (self._flow.draft.get("overrides") or {}).get("model_card_private")
        try:
            answer = await JobCalls(control).repository(text, private=own is not False)
        except ControlError as error:
            say(error.message, "warn")
            return
        mark = {"ok": "✓", "warn": "!"}.get(str(answer.get("level")), "✗")
        words = f"{mark} {answer.get('words')}"
        say(words, _TONES.get(str(answer.get("level")), "warn"))

    # -- lists --------------------------------------------------------------------------------

    def pick_owner(self, take: Callable[[str, str], str], otherwise: Callable[[], None]) -> None:
        """Opens a list of the user and his organisations; without an answer, the name is typed."""
        self._screen.run_worker(self._owners(take, otherwise), group="pick", exclusive=True)

    async def _owners(self, take: Callable[[str, str], str], otherwise: Callable[[], None]) -> None:
        from tui.app.widgets.picker import Picker

        control = self._context.control
        if control is None:
            return otherwise()
        try:
            namespaces = await JobCalls(control).namespaces()
        except ControlError as error:
            self._context.tell(error.message, error.advice, "warning")
            return otherwise()
        flow = self._flow
        kinds = {"user": "you", "org": "organisation"}
        rights = {
            False: ", the token may not write there",
            None: ", whether it may write is not known",
        }
        choices = [
            (str(space["name"]), str(space["name"]),
             kinds.get(str(space["kind"]), "") + rights.get(space["writable"], ""))
            for space in namespaces
        ]  # fmt: skip
        line = publishing.owned_by(flow.draft, flow.answer, "")
        current = str((flow.draft.get("delivery") or {}).get("hub_model_id") or line)

        def picked(owner: str | None) -> None:
            if owner is not None:
                take("hub_model_id", publishing.owned_by(flow.draft, flow.answer, owner))

        self._context.push_screen(Picker("Owner", choices, current.partition("/")[0]), picked)
        return None

    def pick_destination(self, take: Callable[[str, str], str]) -> None:
        """Opens a list of the S3 destinations."""
        self._screen.run_worker(self._destinations(take), group="pick", exclusive=True)

    async def _destinations(self, take: Callable[[str, str], str]) -> None:
        from tui.app.widgets.picker import Picker

        control = self._context.control
        if control is None:
            self._context.tell(self._context.engine.refusal)
            return
        try:
            rows = await control.publishing.destinations()
        except ControlError as error:
            self._context.tell(error.message, error.advice, "error")
            return
        choices = [
            (str(row["name"]), str(row["name"]), _where(row))
            for row in rows if row["kind"] == "s3"
        ]  # fmt: skip
        words = "on the Publishing screen (3), where its keys go to the keyring"
        choices.append((NEW, "another bucket…", words))
        current = str((self._flow.draft.get("delivery") or {}).get("destination") or "")

        def picked(name: str | None) -> None:
            if name == NEW:
                self._context.tell(f"Add it {words}. What is filled in here stays.")
                self._context.tell("Or: simpletuner-tui destinations add NAME --kind s3 …")
            elif name is not None:
                take("destination", name)

        self._context.push_screen(Picker("S3 destination", choices, current), picked)

    def pick_data(self, take: Callable[[str, str], str]) -> None:
        """Opens a list of the ways of the data; the S3 destinations are places among them."""
        self._screen.run_worker(self._data(take), group="pick", exclusive=True)

    async def _data(self, take: Callable[[str, str], str]) -> None:
        from tui.app.widgets.picker import Picker

        control, draft = self._context.control, self._flow.draft
        buckets: list[ListedS3] = []
        if control is not None:
            try:
                rows = await control.publishing.destinations()
            except ControlError as error:  # the other ways are offered all the same
                self._context.tell(error.message, error.advice, "warning")
            else:
                buckets = [row for row in rows if row["kind"] == "s3"]

        def picked(way: str | None) -> None:
            if way is not None:
                take("data", way)

        choices = data_choices([(str(row["name"]), _where(row)) for row in buckets])
        self._context.push_screen(Picker("Data", choices, data_key(draft)), picked)

    # -- sensible choices ---------------------------------------------------------------------

    def recommend(self) -> None:
        """Fills in the delivery that is most likely to work."""
        self._screen.run_worker(self._recommend(), group="recommend", exclusive=True)

    async def _recommend(self) -> None:
        control, flow = self._context.control, self._flow
        if control is None:
            self._context.tell(self._context.engine.refusal)
            return
        before = repr(flow.draft)
        try:
            answer = await JobCalls(control).recommended(cast("JobDraft", job_draft(flow.draft)))
        except ControlError as error:
            self._context.tell(error.message, error.advice, "warning")
            return
        if repr(flow.draft) != before:
            return  # the user was quicker: what was chosen by hand stays
        own = flow.draft.get("delivery") or {}
        flow.draft["delivery"] = {**own, **answer["delivery"]}
        flow.draft["overrides"] = {**(flow.draft.get("overrides") or {}), **answer["overrides"]}
        self._context.tell(str(answer["words"]))
        flow.draft_changed()


def _where(row: ListedS3) -> str:
    options = row["options"]
    tested = row["tested"]
    state = "" if not tested else " · tested" if tested["ok"] else " · its last test failed"
    return f"{options['bucket']} at {options['endpoint'] or 'Amazon S3'}{state}"
