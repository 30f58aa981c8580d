"""The setup card: the first steps, shown until each is done or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item
from tui.app.cloud.text import Words
from tui.base.json_types import JsonObject

if TYPE_CHECKING:
    from tui.api.diagnostics import OnboardingChange
    from tui.client.client import ControlClient

_MARKS: Final = {"done": ("✓", "good"), "skipped": ("–", "dim"), "open": ("○", "warn")}
_HOW: Final = {
    "demo": "Leave with q and run: simpletuner-tui demo",
    "token": "On the card Account & token press e.",
    "limit": "On the card Spending press e.",
    "delivery": "On the card Delivery press e, or t to check it.",
    "first_job": "Press 2, then n.",
}


class SetupCard(Card):
    """Shows the checklist and skips steps."""

    NAME: ClassVar = "setup"
    TITLE: ClassVar = "Setup"
    READS: ClassVar = ("onboarding",)

    @property
    def steps(self) -> list[JsonObject]:
        """The steps as the engine knows them."""
        steps = self.data.get("onboarding").get("steps")
        return [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []

    @property
    def shown(self) -> bool:
        """Whether a step is open."""
        return any(one.get("state") == "open" for one in self.steps)

    def state(self) -> tuple[str, str]:
        """Returns how many steps are open."""
        left = sum(one.get("state") == "open" for one in self.steps)
        return f"{left} to do", "warn"

    def lines(self, width: int) -> list[Words]:  # noqa: ARG002  short lines
        """Returns a line for each step."""
        lines: list[Words] = []
        for step in self.steps:
            mark, tone = _MARKS.get(str(step.get("state")), ("·", "dim"))
            is_open = step.get("state") == "open"
            words = str(step.get("title"))
            detail = f"  {step.get('detail')}" if is_open else ""
            lines.append(
                ((f"{mark} ", tone), (words, "base" if is_open else "dim"), (detail, "dim"))
            )
        return lines

    def items(self) -> list[Item]:
        """Returns an item for each open or skipped step, and one for the introduction."""
        items: list[Item] = []
        for step in self.steps:
            name, state = str(step.get("id")), str(step.get("state"))
            if state == "open":
                items.append(Item(f"skipped {name}", str(step.get("title")), "do", "skip it",
                                  _HOW.get(name, "")))  # fmt: skip
            elif state == "skipped":
                items.append(Item(f"reopened {name}", str(step.get("title")), "do", "skipped",
                                  "enter brings it back"))  # fmt: skip
        items.append(Item("again", "First steps", "do", "", "the short introduction again"))
        return items

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:  # noqa: ARG002  none has one
        """Skips a step, reopens it, or opens the introduction."""
        action, _, step = key.partition(" ")
        if action == "again":
            from tui.app.cloud.first_run import FirstRun

            self.data.context.push_screen(FirstRun(self.data))
            return ChangeResult()
        change = cast("OnboardingChange", {action: [step]})
        self.data.known["onboarding"] = await control.cloud.change_onboarding(**change)
        return ChangeResult()
