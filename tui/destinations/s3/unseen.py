"""Writes an object under a key that these keys may write and not look at.

Nobody can say before whether something lies there. The server can: it is asked to write only where
nothing is (`If-None-Match: *`). An answer that does not come leaves open whose object it is that
the next try meets, so that a request is written down in the resume data before it is made.

Servers that do not know the condition ignore it, or refuse it; there it is written as before.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import httpx

from tui.destinations.common.contract import Item, Resume
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.errors import answer_of, code_of

_T = TypeVar("_T")
Request = Callable[[Mapping[str, str]], _T]
Retry = Callable[[Callable[[], _T]], _T]
BEGUN: Final = "begun"
"""Resume data: the SHA-256 of what a request of ours may have written already."""
_MET: Final = frozenset({"412", "PreconditionFailed"})
_UNKNOWN: Final = frozenset({"501", "NotImplemented"})


def write(item: Item, resume: Resume, request: Request[_T], retry: Retry[_T]) -> None:
    """Write an item's object, and where it is `unseen` only if nothing lies there.

    Args:
        item: the planned transfer.
        resume: keeps what was begun, beyond the end of this process.
        request: makes one request, with these options in addition.
        retry: calls it again after failures that pass.

    Raises:
        PublishError: the write failed; `Trouble.TAKEN` if something lies there that is not ours.
    """
    if not item.unseen:
        retry(lambda: request({}))
        return
    may_be_ours = resume.data.get(BEGUN) == item.sha256
    resume.data[BEGUN] = item.sha256
    resume.changed()

    def attempt() -> _T:
        nonlocal may_be_ours
        try:
            return request({"IfNoneMatch": "*"})
        except Exception as error:
            may_be_ours = may_be_ours or not _wrote_nothing(error)
            raise

    try:
        retry(attempt)
    except PublishError as error:
        code = code_of(error.__cause__) if error.__cause__ is not None else ""
        if code in _MET and may_be_ours:
            return
        if not may_be_ours:
            del resume.data[BEGUN]
            resume.changed()
        if code in _MET:
            raise _taken(item) from error
        if code not in _UNKNOWN:
            raise
        retry(lambda: request({}))


def _wrote_nothing(error: Exception) -> bool:
    status, _ = answer_of(error)
    return 400 <= status < 500 or status in (
        httpx.codes.NOT_IMPLEMENTED, httpx.codes.SERVICE_UNAVAILABLE,
    )  # fmt: skip


def _taken(item: Item) -> PublishError:
    return PublishError(
        f"Something lies at {item.target} already, and these keys may not see what it is.",
        "Publish to another folder, or publish again and let it be replaced (--overwrite).",
        Trouble.TAKEN,
    )
