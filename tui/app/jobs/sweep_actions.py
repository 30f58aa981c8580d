"""What the keys of the Jobs list do on the line of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tui.app.jobs.groups import best_words, own_name, sweep_cost, sweep_words
from tui.app.keys.actions import PROGRAM
from tui.base.formatting import ended, plural
from tui.base.job_status import JobStatus
from tui.store.sweep_standing import changes_words

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep
    from tui.app.context import AppContext
    from tui.client.client import ControlClient

LABELS: Final[Mapping[str, str]] = {
    "open": "unfold", "cancel": "cancel all", "publish": "publish best", "rerun": "go on",
    "mark": "mark all", "compare": "compare", "copy": "copy name", "copy_command": "copy …",
}  # fmt: skip
"""Actions that a sweep's line has, with the words for them."""
ABOUT_MARKS: Final = frozenset({"cancel", "publish", "compare"})
"""Those that are about the marked jobs where there are any."""


class SweepActions:
    """Does the actions of the list for a whole sweep.

    Args:
        context: the app.
        toggle: folds or unfolds a sweep in the list.
        marked: is called when marks have changed.
    """

    def __init__(
        self, context: AppContext, toggle: Callable[[str], None], marked: Callable[[], None]
    ) -> None:
        self._context = context
        self._toggle = toggle
        self._marked = marked

    def why_not(self, name: str, sweep: Sweep) -> str:
        """Return why an action cannot be done on a sweep now; empty when it can."""
        context = self._context
        if name not in LABELS:
            return f"{sweep['name']} is a sweep; enter shows its jobs, and this is done on one."
        if name in ("cancel", "publish", "rerun") and not context.control:
            return context.engine.refusal
        active = sweep["running"] + sweep["waiting"]
        if name == "cancel" and not active:
            return f"All of {sweep['name']} is over already."
        if name == "rerun" and sweep["state"] != "paused":
            return f"{sweep['name']} has not stopped; r on one of its jobs runs that one again."
        if name == "publish" and sweep["best"] is None:
            return f"No job of {sweep['name']} is done yet."
        if name == "compare" and len(self._posted(sweep)) < 2:
            return f"Fewer than two jobs of {sweep['name']} have begun."
        return ""

    def do(self, name: str, sweep: Sweep) -> None:
        """Do an action on a sweep."""
        does: Mapping[str, Callable[[Sweep], None]] = {
            "open": lambda one: self._toggle(one["name"]),
            "cancel": self._cancel,
            "publish": self._publish,
            "rerun": self._resume,
            "mark": self._mark,
            "compare": self._compare,
            "copy": lambda one: self._context.copy(one["name"]),
            "copy_command": self._copy_command,
        }
        does[name](sweep)

    def _posted(self, sweep: Sweep) -> list[str]:
        """Its jobs whose turn has come, the best first."""
        ids = [one["job_id"] for one in sweep["members"] if not one["waits"]]
        return sorted(ids, key=lambda job_id: job_id != sweep["best"])

    def _compare(self, sweep: Sweep) -> None:
        from tui.app.compare.screen import CompareScreen

        if best := best_words(sweep):
            self._context.tell(f"Best so far: {best}.", "p on the sweep's line publishes it.")
        self._context.push_screen(CompareScreen(self._posted(sweep)))

    def _publish(self, sweep: Sweep) -> None:
        from tui.app.publishing.publish_form import publish_jobs

        if sweep["best"] is not None:
            self._context.tell(f"The best of {sweep['name']}: {best_words(sweep)}.")
            publish_jobs(self._context, [sweep["best"]], what="best")

    def _mark(self, sweep: Sweep) -> None:
        ids = {one["job_id"] for one in sweep["members"]}
        marks = self._context.model.marks
        if ids <= marks:
            marks -= ids
        else:
            marks |= ids
        self._marked()

    def _cancel(self, sweep: Sweep) -> None:
        from tui.app.widgets.confirm import Confirm

        name = sweep["name"]
        active = sweep["running"] + sweep["waiting"]

        async def cancel(control: ControlClient) -> str:
            answer = await control.sweeps.cancel(name)
            if answer["failed"]:
                return f"Not all of it could be cancelled: {'; '.join(answer['failed'])}"
            return f"Cancelling {name}: {len(answer['ended'])} of it never started."

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._context.call_engine(cancel)

        lines = [sweep_words(sweep), sweep_cost(sweep), ""]
        lines.append("Those that wait are never started. What has been used is still charged.")
        question = f"Cancel all {plural(active, 'job')} of {name}?"
        self._context.push_screen(Confirm(question, lines, yes="Yes, cancel all"), answered)

    def _resume(self, sweep: Sweep) -> None:
        from tui.app.widgets.confirm import Confirm

        name = sweep["name"]

        async def resume(control: ControlClient) -> str:
            await control.sweeps.resume(name)
            return f"{name} goes on."

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._context.call_engine(resume)

        waits = plural(sweep["waiting"], "job waits", "jobs wait")
        lines = [f"It stopped: {sweep['reason']}.", f"{waits}, at most {sweep['at_once']} at once."]
        self._context.push_screen(Confirm(f"Go on with {name}?", lines, yes="Yes, go on"), answered)

    def _copy_command(self, sweep: Sweep) -> None:
        from tui.app.shell.copy_list import ask_what_to_copy

        choices = [("command", f"{PROGRAM} sweep show {sweep['name']}"), ("name", sweep["name"])]
        ask_what_to_copy(self._context, choices)


def preview_lines(sweep: Sweep) -> list[str]:
    """Return the jobs of a sweep as lines: name, state, what differs; `*` marks the best."""
    names = [own_name(one["name"], sweep["name"]) for one in sweep["members"]]
    width = max(map(len, names), default=0)
    return [
        f"{'*' if one['job_id'] == sweep['best'] else ' '} {name:<{width}}  "
        f"{'waits' if one['waits'] else ended(JobStatus(one['status']), one['stage']):<11} "
        f"{changes_words(one['changes'])}"
        for name, one in zip(names, sweep["members"], strict=True)
    ]
