"""The delivery card: whether the result of a job submitted now would arrive, by each way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item
from tui.app.cloud.text import LABEL, Words, row, step_lines, wrapped
from tui.base import formatting

if TYPE_CHECKING:
    from tui.api.base import Delivery
    from tui.api.diagnostics import DeliveryCheckRequest
    from tui.client.client import ControlClient

WAYS: Final = {
    "local": ("this machine", "files arrive here while the job runs"),
    "hub": ("the Hub", "a repository of yours on Hugging Face"),
    "s3": ("S3", "a bucket of yours"),
}
VERDICTS: Final = {
    "works": ("● works", "good", "verified", "good"),
    "fails": ("✗ would fail", "bad", "does not work", "bad"),
    "unknown": ("○ not proved", "warn", "not proved", "warn"),
}
"""Mark and tone of a way, and of the whole card."""
_NOWHERE: Final = ("none", "nowhere", "only log and metrics are kept")


class DeliveryCard(Card):
    """Shows and changes the default delivery, and checks each way."""

    NAME: ClassVar = "delivery"
    TITLE: ClassVar = "Delivery"
    COLUMN: ClassVar = 1

    @property
    def usual(self) -> str:
        """The delivery of jobs that name no other."""
        return self.data.context.settings.cloud.delivery

    def checks(self) -> tuple[str, ...]:
        """Returns the checks of the default and of the ways that were checked before."""
        tried = [f"delivery:{kind}" for kind in WAYS if f"delivery:{kind}" in self.data.known]
        usual = [f"delivery:{self.usual}"] if self.usual in WAYS else []
        return tuple(dict.fromkeys([*usual, *tried]))

    def state(self) -> tuple[str, str]:
        """Returns whether the default works."""
        known = self.data.get(f"delivery:{self.usual}")
        if self.usual == "none":
            return "results are lost", "bad"
        if not known:
            arrived = self.data.get(f"arrived:{self.usual}")
            return ("worked last time", "good") if arrived else ("not verified", "dim")
        verdict = verdict_of(known)
        if verdict != "works":
            return VERDICTS[verdict][2], VERDICTS[verdict][3]
        warned = any(one.get("level") == "warn" for one in known.get("steps") or ())
        return ("verified, see below", "warn") if warned else ("verified", "good")

    def lines(self, width: int) -> list[Words]:
        """Returns the last check of each way, the default first."""
        words, what = WAYS.get(self.usual, _NOWHERE[1:])
        lines = [row("results to", words, "strong", (f"  {what}", "dim"))]
        for kind in sorted(WAYS, key=lambda one: one != self.usual):
            lines += self._way(kind, width)
        return lines

    def _way(self, kind: str, width: int) -> list[Words]:
        known = self.data.get(f"delivery:{kind}")
        name = WAYS[kind][0]
        if f"delivery:{kind}" in self.data.busy and not known:
            return [row(name, "◌ checking…", "dim")]
        error = self.data.failed.get(f"delivery:{kind}")
        if error is not None:
            lines = wrapped(f"✗ {error.message}", "bad", width, label=name)
            return lines + wrapped(error.advice, "base", width, indent=LABEL)
        arrived = self.data.get(f"arrived:{kind}")
        if not known and arrived:
            when = formatting.ago(
                datetime.fromisoformat(str(arrived["at"])), self.data.context.clock()
            )
            words = f"  of {arrived['name']}, {when}; t checks it again"
            return [row(name, "✓ results arrived", "good", (words, "dim"))]
        if not known:
            return [row(name, "– not verified", "dim", ("  e verifies it", "dim"))]
        at = known.get("_at")
        when = f"  {formatting.ago(at, self.data.context.clock())}" if at else ""
        mark, tone, *_ = VERDICTS[verdict_of(known)]
        lines = [row(name, mark, tone, (when, "dim"))]
        lines += wrapped(str(known.get("summary") or ""), "dim", width, indent=2)
        for step in known.get("steps") or ():
            if isinstance(step, dict):
                lines += [(("  ", "base"), *one) for one in step_lines(step, width - 2)]
        return lines

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the default and a check of each way."""
        ways = (*((kind, *words) for kind, words in WAYS.items()), _NOWHERE)
        words = WAYS.get(self.usual, _NOWHERE[1:])[0]
        return [
            Item("delivery", "Results to", "choice", words, "unless a job says otherwise", ways,
                 self.usual),
            Item("local", "Prove here", "do", "", "sends a file through the public URL"),
            Item("hub", "Prove the Hub", "text", self.data.hub_repo or "—",
                 "owner/name, or empty; a new one is made and removed", current=self.data.hub_repo),
            Item("s3", "Prove S3", "do", "", "writes to each bucket of the Publishing screen"),
        ]  # fmt: skip

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes the default, or checks a way."""
        if key == "delivery":
            await control.cloud.set_defaults(delivery=value)
            return ChangeResult(f"New jobs deliver to {WAYS.get(value, _NOWHERE[1:])[0]}.")
        body: DeliveryCheckRequest = {"kind": cast("Delivery", key)}  # a key of `WAYS`
        if key == "hub":
            body["hub_model_id"] = self.data.hub_repo = value.strip()
            body["try"] = True
        answer = await control.cloud.check_delivery(**body)
        self.data.known[f"delivery:{key}"] = {**answer, "_at": self.data.context.clock()}
        wrong = [str(step.get("message")) for step in answer.get("steps") or ()
                 if step.get("level") == "error"]  # fmt: skip
        name = WAYS[key][0]
        if wrong:
            return ChangeResult(f"{name}: {wrong[0]}.", level="error")
        if verdict_of(answer) == "unknown":
            return ChangeResult(f"Delivery to {name} could not be proved.", level="warning")
        return ChangeResult(f"Delivery to {name} works.")

    def copies(self) -> str:
        """Returns the folder of the delivered files."""
        return str(self.data.context.outputs)


def verdict_of(known: Mapping[str, Any]) -> str:
    """Returns the verdict of a check: `works`, `fails` or `unknown`."""
    verdict = str(known.get("verdict"))
    return verdict if verdict in VERDICTS else "works" if known.get("ok") else "fails"
