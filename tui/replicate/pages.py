"""Reads paginated lists."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeVar

from tui.replicate.errors import BadAnswerError
from tui.replicate.models import Answer
from tui.replicate.session import Call, Session

log = logging.getLogger(__name__)

A = TypeVar("A", bound=Answer)


async def pages(
    session: Session, call: Call, kind: type[A], *, whole: bool = False
) -> AsyncIterator[list[A]]:
    """Yield all pages of a list, following the opaque `next` links on the service's own host.

    Rows that are not objects are left out or, if the list must be `whole`, an error.

    Raises:
        BadAnswerError: an answer without rows, a link to another host, or a cycle of links.
        ReplicateError: a page could not be fetched.
    """
    seen = {call.url}
    while True:
        read, link = await session.read(call, partial(_page, session, call.what, kind, whole))
        yield read
        if not isinstance(link, str) or not link:
            return
        url = session.base.pin(link, relative_to=call.url)
        if url in seen:
            raise BadAnswerError(f"{session.base.service} pages {call.what} in a circle.")
        seen.add(url)
        call = Call(what=call.what, method="GET", url=url)


def _page(
    session: Session, what: str, kind: type[A], whole: bool, answer: Any
) -> tuple[list[A], object]:
    """The rows of a page, and its link to the next one."""
    rows = answer.get("results") if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise BadAnswerError(f"{session.base.service} answered {what} without a list.")
    read = read_rows(rows, kind, what)
    if whole and len(read) < len(rows):
        raise BadAnswerError(f"{session.base.service} answered {what} only in part.")
    return read, answer.get("next") if isinstance(answer, dict) else None


async def each(session: Session, call: Call, kind: type[A]) -> AsyncIterator[A]:
    """Yield the rows of all pages."""
    async for page in pages(session, call, kind):
        for row in page:
            yield row


def read_rows(rows: list[object], kind: type[A], what: str) -> list[A]:
    """Parse the objects among `rows`; logs and leaves out other values."""
    objects = []
    for row in rows:
        try:
            objects.append(kind.read(row))
        except ValueError:
            log.warning("%s: a row that is not an object was left out", what)
    return objects
