"""Judges a text that should be a token: pasted, piped, in the environment or in a request.

Standard library only. Replicate's tokens are `r8_` and 37 letters and digits; those of Hugging Face
begin with `hf_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

TokenKind = Literal["replicate", "huggingface"]
NAMES: Final = {"replicate": "Replicate", "huggingface": "Hugging Face"}
_PREFIXES: Final = {"replicate": "r8_", "huggingface": "hf_"}
_FORMATS: Final = {
    "replicate": (re.compile(r"r8_[A-Za-z0-9]{37}"), "Replicate's tokens are r8_ and 37 letters"),
    "huggingface": (re.compile(r"hf_[A-Za-z0-9]{20,}"), "Hugging Face's tokens begin with hf_"),
}
_OTHER_WAY: Final = {
    "replicate": "Store it with: simpletuner-tui token set --hub (or as HF_TOKEN). "
    "Replicate's is at https://replicate.com/account/api-tokens",
    "huggingface": "Store it with: simpletuner-tui token set (or as REPLICATE_API_TOKEN). "
    "Hugging Face's is at https://huggingface.co/settings/tokens",
}
_COPY_AGAIN: Final = "Copy it again, in one piece."
_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=(.*)", re.DOTALL)
_QUOTES: Final = "\"'`“”‘’"
_MOST: Final = 4096  # characters of a token


@dataclass(frozen=True, slots=True)
class TokenText:
    """The judgement of a text; it never holds the token in a message.

    Attributes:
        value: the token without what does not belong to it; "" when it cannot be used.
        problem: why it cannot be used, worded to follow “The token”; "" when it can.
        advice: what to do about the problem.
        notes: what was taken away, and what looks odd, as sentences.
    """

    value: str
    problem: str = ""
    advice: str = ""
    notes: tuple[str, ...] = ()


def judge_token(kind: TokenKind, text: str) -> TokenText:
    """Judge a text, and take away what was pasted along with a token."""
    expected, expected_words = _FORMATS[kind]
    found: list[str] = []
    text = text.removesuffix("\n").removesuffix("\r")
    if match := _ASSIGNMENT.fullmatch(text):  # the line of a shell was pasted
        text = match[2].strip().strip("\"'")
    body = text.strip()
    if body != text:
        found.append("spaces or line breaks around it")
    unquoted = body.strip(_QUOTES)
    if unquoted != body:
        found.append("quotes around it")
    inner = unquoted.strip()
    value = "".join(inner.split())
    broken = "a line break inside" if re.search(r"[\r\n]", inner) else "spaces inside"
    if not value:
        return TokenText("", "must not be empty", _COPY_AGAIN)
    other = next(name for name in NAMES if name != kind)
    if value.startswith(_PREFIXES[other]):
        problem = f"is one of {NAMES[other]} ({_PREFIXES[other]}…), not of {NAMES[kind]}"
        return TokenText("", problem, _OTHER_WAY[kind])
    if value != inner:
        if not expected.fullmatch(value):
            return TokenText("", f"has {broken}, so it cannot be a token", _COPY_AGAIN)
        found.append(broken)
    if any(letter in _QUOTES for letter in value):
        return TokenText("", "has a quote inside, so it cannot be a token", _COPY_AGAIN)
    if len(value) > _MOST or not value.isascii() or not value.isprintable():
        return TokenText("", "holds characters that no token has", _COPY_AGAIN)
    notes = [f"Left out of the token: {' and '.join(found)}."] if found else []
    if not expected.fullmatch(value):
        odd = "this one looks different"
        if value.startswith(_PREFIXES[kind]):
            odd = "this one does, but its length or its characters are unusual"
        notes.append(f"{expected_words}; {odd}.")
    return TokenText(value, notes=tuple(notes))
