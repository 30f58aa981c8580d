"""Answers as JSON, without secrets that this process knows and without what a caller must not see.

The text is searched, not the data: that takes a hundredth of the time for a large answer, and names
are looked at as well as values.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from tui.replicate.known_secrets import KNOWN

_INLINE: Final = 128 * 1024
"""Longest text in characters that is searched on the loop; a thread takes longer for it."""


async def json_answer(
    data: Any,
    status: int,
    *,
    hide: Callable[[str], str] | None = None,
    tells_secret: bool = False,
) -> web.Response:
    """Return data as an answer.

    Args:
        data: what is answered.
        status: of the answer.
        hide: removes what the caller must not see from JSON text.
        tells_secret: the answer gives its caller a secret, on purpose.
    """
    text = json.dumps(data)

    def searched() -> str:
        clean = text if tells_secret else KNOWN.redact_data(text)
        return clean if hide is None else hide(clean)

    clean = searched() if len(text) <= _INLINE else await asyncio.to_thread(searched)
    return web.json_response(text=clean, status=status)
