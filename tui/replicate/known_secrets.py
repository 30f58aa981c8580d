"""The secrets that this process knows, so that every writer can mask them by value.

Patterns find tokens of known services only. A bucket's key, a proxy's password or a job's own key
look like any other text, and travel in other forms as well: percent-encoded in an address, in
base64 in a header, escaped in JSON.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from tui.replicate.secret import MASK, Secret

SHORTEST: Final = 8
"""Characters of a secret that is masked by value; a shorter one would mask parts of words."""
_LONGEST: Final = 8192
_UNMISTAKABLE: Final = 16
_UNMISTAKABLE_MIXED: Final = 12
_MOST: Final = 256
"""Secrets that are remembered. A process meets a few dozen; the oldest are forgotten beyond it."""


class KnownSecrets:
    """Values to mask, in every form that they are written in. Thread-safe."""

    def __init__(self) -> None:
        self._forms_of: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._forms: tuple[str, ...] = ()
        self._sure: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def add(self, *values: str | Secret | None) -> None:
        """Mask these values from now on; empty and very short ones are left out."""
        for value in values:
            text = value.reveal() if isinstance(value, Secret) else value or ""
            if not SHORTEST <= len(text) <= _LONGEST or text in self._forms_of:
                continue
            with self._lock:
                self._forms_of[text] = tuple(_forms(text))
                while len(self._forms_of) > _MOST:
                    self._forms_of.popitem(last=False)
                self._forms = self._sorted(lambda _value: True)
                self._sure = self._sorted(_is_unmistakable)

    def forget(self) -> None:
        """Forget every value."""
        with self._lock:
            self._forms_of.clear()
            self._forms = self._sure = ()

    def _sorted(self, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        forms = {form for value, of in self._forms_of.items() if wanted(value) for form in of}
        # A secret may begin like another: the longer one is masked first.
        return tuple(sorted(forms, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return a message with every known secret masked."""
        return _masked(text, self._forms)

    def redact_data(self, text: str) -> str:
        """Return data with every secret masked that no ordinary text could be.

        Somebody's password may be `minioadmin` or `training`. What programs read again, names of
        buckets or a trainer's log, must not lose such words.
        """
        return _masked(text, self._sure)

    def begun(self, text: str) -> int:
        """Return how many characters at the end of data may be the start of a secret.

        Who writes a text in pieces holds them back: the next piece tells whether it is one. Whole
        secrets must be masked before: the end of one may be the start of another.
        """
        longest = 0
        for form in self._sure:
            for length in range(min(len(form) - 1, len(text)), longest, -1):
                if text.endswith(form[:length]):
                    longest = length
                    break
        return longest


def _masked(text: str, forms: tuple[str, ...]) -> str:
    if len(text) >= SHORTEST:
        for form in forms:
            if form in text:
                text = text.replace(form, MASK)
    return text


def _is_unmistakable(value: str) -> bool:
    mixed = any(letter.isdigit() for letter in value) and any(map(str.isalpha, value))
    return len(value) >= _UNMISTAKABLE or (len(value) >= _UNMISTAKABLE_MIXED and mixed)


def _forms(value: str) -> Iterator[str]:
    yield value
    raw = value.encode("utf-8", "surrogatepass")
    yield repr(value)[1:-1]
    yield quote(raw, safe="")
    yield quote(raw, safe="/")
    for plain in (True, False):
        yield json.dumps(value, ensure_ascii=plain)[1:-1]
    # In base64 the inner part of a text has three forms, by its offset modulo three.
    for shift in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            coded = alphabet(b"\0" * shift + raw).decode("ascii")
            yield coded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


KNOWN: Final = KnownSecrets()
"""The registry of this process: filled where a secret enters, asked by every writer."""
