"""The line to type in, made and taken away by keys that follow one another at once."""

from __future__ import annotations

import asyncio

from textual.app import App

from tui.app.widgets.input_line import PromptLine


async def test_a_line_can_be_taken_away_while_it_is_made() -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        for turns in range(6):
            line = PromptLine("step", "Step")
            app.screen.mount(line)
            for _ in range(turns):
                await asyncio.sleep(0)
            line.remove()
            await pilot.pause()
            assert not app.screen.query(PromptLine)
