"""The Cloud screen: account, hardware, versions, delivery – what is true now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from tui.app.actions import CLOUD, MOVE, Action
from tui.app.cloud_facts import cloud_facts, trainer_models
from tui.app.messages import EngineState
from tui.app.screens.base import AppScreen
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.sheet import Sheet

if TYPE_CHECKING:
    from tui.engine.control_client import ControlClient


class CloudScreen(AppScreen):
    """Facts, and the two checks that can be made again."""

    ACTIONS: ClassVar = CLOUD
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "cloud"

    def body(self) -> Iterable[Widget]:
        """Title and page."""
        self.page_title = PanelTitle()
        self.page_title.set(("Cloud", "what jobs started now would use"))
        self.sheet = Sheet(lambda: cloud_facts(self.owner), id="cloud")
        return (self.page_title, self.sheet)

    def on_mount(self) -> None:
        """Follow facts and the engine."""
        super().on_mount()
        self.owner.fact_changed.subscribe(self, self._fact_changed)
        self.owner.engine_changed.subscribe(self, self._engine_changed)

    def _fact_changed(self, _: str) -> None:
        self.sheet.update()

    def _engine_changed(self, _: EngineState) -> None:
        self.sheet.update()
        self.update_footer()

    def on_screen_resume(self) -> None:
        """What was heard meanwhile."""
        super().on_screen_resume()
        self.sheet.update()

    def why_not(self, action: Action) -> str:
        """Checks need the engine."""
        if action.name in ("validate", "versions") and self.owner.control is None:
            return "The engine is not running; this is possible when it is."
        return super().why_not(action)

    def do_validate(self) -> None:
        """Ask whose token it is."""

        async def validate(control: ControlClient) -> str:
            answer = await control.validate()
            user = answer.get("user_info") or {}
            if answer.get("valid"):
                return f"The token is valid: @{user.get('username', '?')}."
            return str(answer.get("error") or "The token was not accepted.")

        self.owner.tell("Checking the token…")
        self.owner.deeds.run(validate)

    def do_versions(self) -> None:
        """Read the newest version of each trainer."""

        async def read(control: ControlClient) -> str:
            for model in trainer_models():
                await control.versions(model)
            return "Versions are up to date."

        self.owner.tell("Reading versions…")
        self.owner.deeds.run(read)

    def do_copy(self) -> None:
        """Copy where the settings are."""
        self.owner.copy(str(self.owner.home.settings_file))

    def do_back(self) -> None:
        """Back."""
        self.owner.pop_screen()
