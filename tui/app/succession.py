"""Replaces an engine of an older version, at a moment when nothing is lost by it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tui import __version__

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.client.client import ControlClient

_ASK_AGAIN: Final = 3.0
"""Seconds until an engine is asked again that has something under way."""


def is_older(version: str, than: str = __version__) -> bool:
    """Returns whether a release came before another one; an unreadable one did not."""
    numbers, others = (
        tuple(map(int, re.findall(r"\d+", text.partition("+")[0]))) for text in (version, than)
    )
    return bool(numbers) and numbers < others


async def replace_older(
    context: AppContext, control: ControlClient, is_current: Callable[[], bool]
) -> bool:
    """Asks an engine of an older version to end, again and again until nothing is in the way.

    The app then starts one of its own version, which follows the running jobs from where the older
    one was.

    Args:
        context: the app; hears once what is going on.
        control: the engine.
        is_current: whether the app still works with this engine.

    Returns:
        Whether the engine ends for this reason.
    """
    from tui.client.errors import ControlError

    told, version = False, control.engine_version
    if not is_older(version):
        return False
    try:
        while is_current():
            answer = await control.ask_to_give_way()
            if answer["gives_way"]:
                context.tell(f"The engine of version {version} gives way to {__version__}.")
                return True
            if not told:
                told = True
                context.tell(
                    f"The engine is of version {version}; it gives way to {__version__} later.",
                    f"It waits for: {answer['waits_for']}.",
                )
            await asyncio.sleep(_ASK_AGAIN)
    except ControlError as error:
        if error.status == 404:  # it is too old to know the question
            context.tell(
                f"The engine is of version {version}, older than this window.",
                "When nothing is under way: simpletuner-tui engine restart",
                "warning",
            )
    return False
