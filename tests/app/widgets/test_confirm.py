"""A question about more things than there is room for."""

from __future__ import annotations

import pytest

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tui.app.terminal.text_lines import wrap
from tui.app.widgets.confirm import Confirm
from tui.settings import Home

PATHS = [
    f"output/models/a-run-with-a-long-name/checkpoint-{number}00/pytorch_lora_weights.safetensors"
    f"  231 MiB  → Hub alice/cat-lora-of-the-{number}th-try"
    for number in range(1, 31)
]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_all_of_it_can_be_read_by_keys_and_no_stays_the_answer(
    home: Home, size: tuple[int, int]
) -> None:
    answers: list[bool | None] = []
    async with opened(home, size=size) as (app, pilot):
        confirm = Confirm("Delete 30 local files of cat-lora?", PATHS, yes="Yes, delete here")
        app.push_screen(confirm, answers.append)
        await wait_for(pilot, lambda: "more" in text_of(app))
        seen = text_of(app)
        assert "▸ n  No, leave it" in seen
        assert sum("  231 MiB" in line for line in lines_of(app)) > 3
        await pilot.press("j")
        await wait_for(pilot, lambda: "↑ 1 above" in text_of(app))
        seen += text_of(app)
        for _ in range(12):
            await pilot.press("pagedown")
            seen += text_of(app)
        await wait_for(pilot, lambda: "more" not in text_of(app))
        for number in range(1, 31):
            assert f"{number}th-try" in seen
            assert f"checkpoint-{number}00/" in seen
        await pilot.press("g", "g")
        await wait_for(pilot, lambda: "above" not in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: answers == [False])


async def test_the_box_is_as_wide_as_it_must_be(home: Home) -> None:
    async with opened(home, size=(120, 40)) as (app, pilot):
        for details, least, most in ((["short"], 60, 66), (PATHS[:1], 112, 112)):
            app.push_screen(Confirm("Delete it?", details, yes="Yes"))
            await pilot.pause()
            confirm = app.screen
            assert least <= confirm.query_one("#confirm-box").outer_size.width <= most
            await pilot.press("y")


def test_a_word_is_broken_only_where_it_has_joints() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("to models/cat-lora/weights.safetensors", 20) == [
        "to models/cat-lora/", "weights.safetensors",
    ]  # fmt: skip
    assert wrap("pytorch_lora_weights.safetensors", 14) == [
        "pytorch_lora_", "weights.", "safetensors",
    ]  # fmt: skip
    assert wrap("", 5) == [""]
    assert wrap("abcdefgh", 5) == ["abcde", "fgh"]
