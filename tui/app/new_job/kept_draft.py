"""The form's draft on disk, so that `esc`, a lost line or a restart loses nothing that was chosen.

One small file of this user's. What the user agreed to, and what may be a secret, is not in it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tui.api.submission import Draft as JobDraft
from tui.app.new_job.sweep_axes import AT_ONCE, KEY, OF_A_SWEEP
from tui.replicate.known_secrets import KNOWN
from tui.simpletuner.config.secrets_found import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from tui.settings import Home

_FORMAT: Final = 1
_LARGEST: Final = 1024 * 1024
_KEPT: Final = (frozenset(JobDraft.__annotations__) | OF_A_SWEEP) - {
    *("consent", "agreed", "accept_delivery", "accept_data", "idempotency_key", "fix_delivery")
}
"""Fields of a draft that are chosen on the form; an agreement is for one moment only."""
_SHAPES: Final = {
    "overrides": dict,
    KEY: dict,
    AT_ONCE: int,
    "delivery": dict,
    "unset": list,
    "tags": list,
}


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """A draft that was not sent.

    Attributes:
        draft: its fields.
        saved_at: when it was changed last.
    """

    draft: dict[str, Any]
    saved_at: datetime


def storable(draft: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what of a draft may be on disk: what was chosen, without secrets."""
    chosen = {name: value for name, value in draft.items() if name in _KEPT and value}
    if "?" in str(chosen.get("images_url") or ""):
        del chosen["images_url"]  # a signed address is a key
    kept = {name: json.dumps(value) for name, value in without_secrets(chosen)[0].items()}
    # Nothing masked: a mask that comes back would be sent.
    return {
        name: json.loads(text) for name, text in kept.items() if KNOWN.redact_data(text) == text
    }


class DraftFile:
    """The file of the draft.

    Args:
        home: whose state it belongs to.
    """

    def __init__(self, home: Home) -> None:
        self._path: Path = home.root / "draft.json"

    def load(self) -> KeptDraft | None:
        """Returns the draft that was kept; None where there is none that can be read."""
        try:
            with self._path.open("rb") as file:
                data = json.loads(file.read(_LARGEST))
            saved_at = datetime.fromisoformat(data["saved_at"])
            given = data["draft"] if data["format"] == _FORMAT else {}
            draft = {name: value for name, value in given.items() if name in _KEPT}
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
            return None
        right = all(isinstance(draft.get(name, shape()), shape) for name, shape in _SHAPES.items())
        return KeptDraft(draft, saved_at) if draft and right and saved_at.tzinfo else None

    def keep(self, draft: Mapping[str, Any], saved_at: datetime) -> None:
        """Replaces the file. Blocking; a full disk is not worth a message at each key."""
        from tui.settings import write_atomically

        state = {"format": _FORMAT, "saved_at": saved_at.isoformat(), "draft": dict(draft)}
        with contextlib.suppress(OSError):
            write_atomically(self._path, json.dumps(state, ensure_ascii=False))

    def forget(self) -> None:
        """Removes the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()


class DraftKeeper:
    """Follows one form, and keeps its draft while it differs from what the form began with.

    Args:
        home: whose state the draft belongs to.
        draft: the form's, which is changed in place.
        fresh: what the form begins with where nothing was chosen.
        restored: whether the form began with the draft of the file.

    Attributes:
        found: the config that the form found by itself, which is no choice.
    """

    def __init__(
        self, home: Home, draft: dict[str, Any], fresh: Mapping[str, Any], *, restored: bool
    ) -> None:
        self._file = DraftFile(home)
        self._draft = draft
        self._fresh = dict(fresh)
        self._written = storable(draft) if restored else None
        self._put_back: dict[str, Any] | None = None
        self.found = ""

    @property
    def changed(self) -> bool:
        """Whether the draft differs from what the form began with."""
        begun = storable({"config": self.found, **self._fresh})
        return storable(self._draft) != begun and bool(self._draft)

    def write(self, saved_at: datetime) -> Callable[[], None] | None:
        """Returns what brings the file up to date; None where it is, or need not be there.

        It blocks, and is called in a thread where somebody types.
        """
        now = storable(self._draft)
        if not self.changed:
            return self.forget() if self._written is not None else None
        if now == self._written:
            return None
        self._written = now
        return lambda: self._file.keep(now, saved_at)

    def forget(self) -> Callable[[], None] | None:
        """Returns what removes this form's draft from the disk; None where it is not there."""
        if self._written is None:
            return None
        self._written = None
        return self._file.forget

    @property
    def can_put_back(self) -> bool:
        """Whether `discard` has something to take back."""
        return self._put_back is not None

    def discard(self) -> None:
        """Makes the draft what the form begins with; a second time takes that back."""
        back, self._put_back = self._put_back, None
        if self.changed:
            self._put_back, back = dict(self._draft), None
        self._draft.clear()
        self._draft.update(self._fresh if back is None else back)
