"""Who gets a job's staged data, as the consent named it, and whether that is still so.

A destination, a token or an address may be edited between the submit and the staging, and again
before the keys of a waiting job are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.destinations.common.errors import PublishError, Trouble
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.store.submit_state import StoredReceiver

_ADVICE: Final = "Set it back, or run the job again and agree to the new one."


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a consent names; it is stored with the job, and has no secrets.

    Attributes:
        words: the receiver for people.
        parts: all that must stay as it is, by the name that people know it by.
        home: which of several homes of a place's data it is; "" where a place has only one. Data
            with another home are other data.
    """

    words: str
    parts: Mapping[str, str]
    home: str = ""

    def stored(self) -> StoredReceiver:
        """As it is kept in the job's record."""
        return {"words": self.words, "parts": dict(self.parts), "home": self.home}


def receiver_of(job: JobRecord) -> Receiver | None:
    """Who was agreed to; None for a job of an earlier version, which did not keep it."""
    stored = (job.submit.get("staging") or {}).get("receiver")
    return None if stored is None else Receiver(**stored)


def require_same(agreed: Receiver | None, now: Receiver) -> None:
    """Refuse another receiver than the one that was agreed to.

    Raises:
        PublishError: one of the parts that were agreed to is another one now.
    """
    if agreed is None:
        return
    changed = [name for name, value in agreed.parts.items() if now.parts.get(name) != value]
    if changed:
        raise PublishError(
            f"You agreed to {agreed.words}, and now it would be {now.words} "
            f"(changed: {', '.join(changed)}).",
            _ADVICE,
            Trouble.CHANGED,
        )
