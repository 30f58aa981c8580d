"""The introduction for a new user: six short pages; each can be skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot

if TYPE_CHECKING:
    from tui.app.cloud.state import CloudState
    from tui.client.client import ControlClient

_LIMIT: Final = "50"


@dataclass(frozen=True, slots=True)
class Step:
    """A page of the introduction.

    Attributes:
        title: its heading.
        text: its text; `{name}` stands for a fact.
        enter: the label of the enter key.
    """

    title: str
    text: str
    enter: str = "next"


PAGES: Final = (
    Step(
        "Where your data go",
        "Images and captions are packed on this machine and sent to Replicate, where the job runs "
        "on a rented GPU. Replicate deletes them after the job. Each time you are shown what "
        "leaves, and asked.",
    ),
    Step(
        "How results come back",
        "Logs and metrics are kept on this disk while they stream, for ever. Weights come to this "
        "machine ({outputs}), to the Hugging Face Hub, or to an S3 bucket. The Delivery card "
        "proves the way before you pay.",
    ),
    Step(
        "What it costs",
        "Replicate bills GPU seconds: {hardware} costs {rate}. Waiting in the queue is free. "
        "Every job shows its price before it starts, and is counted against your own limit.",
    ),
    Step(
        "A token",
        "Make one at https://replicate.com/account/api-tokens. It is kept in this system's "
        "keyring or for this session only, never in a file. {token}",
        "set the token",
    ),
    Step(
        "A limit",
        "$50 in 30 days is a good beginning: you are warned from 80 %, and jobs over it are "
        "refused. It can be changed at any time. {limit}",
        "set $50 a month",
    ),
    Step(
        "Try it without paying",
        "simpletuner-tui demo shows all of this against a sandbox on this machine: no account, no "
        "network, nothing to pay. Leave with q and run it, or begin with n on the Jobs screen.",
        "done",
    ),
)
_TOKEN, _LIMIT_PAGE = 3, 4


class FirstRun(ModalScreen[None], PromptFrames):
    """Shows the pages one after the other."""

    CSS = """
    FirstRun { align: center middle; background: transparent; }
    FirstRun > Vertical { width: 72; max-width: 98%; height: auto; max-height: 96%;
                          background: $surface; }
    FirstRun PanelFoot { height: 1; }
    FirstRun #first-text { height: auto; padding: 1 2;
                           border-left: solid $border; border-right: solid $border; }
    FirstRun #first-keys { height: auto; padding: 0 2; color: $dim;
                           border-left: solid $border; border-right: solid $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "do it"),
        Binding("right,l,n,space,tab", "next", "next"),
        Binding("left,h,p,shift+tab", "previous", "back"),
        Binding("escape,q,s", "skip", "skip"),
    ]

    def __init__(self, data: CloudState) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def compose(self) -> ComposeResult:
        """Yields title, text and keys."""
        self.first_title = PanelTitle()
        self.text = Static("", id="first-text", markup=False)
        self.keys = Static("", id="first-keys", markup=False)
        with Vertical():
            yield self.first_title
            yield self.text
            yield self.keys
            yield PanelFoot()

    def on_mount(self) -> None:
        """Shows the first page."""
        self.show()

    def on_screen_resume(self) -> None:
        """Shows what was set in a form over the page."""
        self.show()

    def show(self) -> None:
        """Shows the present page."""
        page = PAGES[self._at]
        self.first_title.set((page.title,), (f"{self._at + 1} of {len(PAGES)}",))
        self.text.update(page.text.format(**self._words()))
        back = "←  back    " if self._at else ""
        self.keys.update(f"enter  {page.enter}    →  next    {back}esc  skip all")

    def _words(self) -> dict[str, object]:
        from tui.app.cloud.hardware import HardwareCard
        from tui.base import formatting

        card = HardwareCard(self._data)
        hardware, rate = card.state()[0].split(", ")
        account = self._data.get("account")
        state = self._data.get("tokens").get("replicate") or {}
        token = "You have one that works." if account.get("valid") else ""
        if not token and state.get("in_use"):
            token = "There is one already."  # noqa: S105  words about a token
        money = self._data.get("spending")
        limit = ""
        if money.get("enabled"):
            limit = f"Now: {formatting.dollars(int(money.get('limit_micros') or 0))}."
        return {"outputs": self._data.context.outputs, "hardware": hardware, "rate": rate,
                "token": token, "limit": limit}  # fmt: skip

    # -- keys ---------------------------------------------------------------------------------

    def action_next(self) -> None:
        """Goes to the next page; after the last one it ends."""
        if self._at + 1 < len(PAGES):
            self._at += 1
            self.show()
        else:
            self._finish()

    def action_previous(self) -> None:
        """Goes to the page before."""
        self._at = max(0, self._at - 1)
        self.show()

    def action_choose(self) -> None:
        """Does what enter does on this page."""
        if self._at == _TOKEN:
            from tui.app.cloud.account import AccountCard
            from tui.app.cloud.card_form import CardForm

            def back(_: None) -> None:
                self.action_next()

            self.app.push_screen(CardForm(AccountCard(self._data), "replicate", typing=True), back)
        elif self._at == _LIMIT_PAGE:
            self._data.context.call_engine(self._set_limit)
            self.action_next()
        else:
            self.action_next()

    async def _set_limit(self, control: ControlClient) -> str:
        answer = await control.cloud.set_limit(
            enabled=True, amount=_LIMIT, period="monthly", action="block"
        )
        self._data.context.reload_settings()
        self._data.load(("spending", "onboarding"))
        return f"{answer.get('message') or 'The limit is set'}."

    def action_skip(self) -> None:
        """Ends the introduction; the checklist stays on the Cloud screen."""
        self._finish()

    def _finish(self) -> None:
        async def finish(control: ControlClient) -> str:
            self._data.known["onboarding"] = await control.cloud.change_onboarding(finished=True)
            return ""

        self._data.context.call_engine(finish)
        self.dismiss()
