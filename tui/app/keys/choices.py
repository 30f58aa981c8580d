"""Choices that a sentence names by an option of the command line, as the app has them.

The engine's sentences are read on the command line and by scripts, where a choice is an option. Who
reads the same sentence in the app has keys and the lines of forms in front of them.
"""

from __future__ import annotations

import re
from typing import Final

from tui.app.keys.actions import NEW, by_id
from tui.app.keys.keymap import shown_first

OPTION: Final = re.compile(r"(?:^|[\s(“`])--[a-z]+(?:-[a-z]+)*(?![\w-])")
"""An option of the command line in a sentence; the trainer's own have underscores."""
_MEND, _SUBMIT, _SWEEP = (
    shown_first(by_id(NEW, f"new.{name}")) for name in ("fix_delivery", "submit", "sweep")
)
_IN_APP: Final = {
    r"--fix-delivery applies the first of these": f"{_MEND} makes the first of these changes",
    r"Say --delivery hub --hub-model-id (\S+) for that": rf"{_MEND} chooses \1 there",
    r"\(--accept-(?:data|delivery)\)": f"({_SUBMIT} asks)",
    r": --data staged\b": ": “staged” in the line Data of a new job",
    r"\(--data upload\)": "(“upload” in the line Data)",
    r"\(--leave-out-uncaptioned\)": "(the line Without caption)",
    r"say so: --trainer-release (\S+), or the setting cloud\.trainer_release": (
        r"say so: Cloud, Hardware, the line SimpleTuner"
    ),
    r"a sweep: --sweep (\S+)": rf"a sweep: {_SWEEP} on the form takes \1",
    r" \(--overwrite\)": "",  # the form asks by itself
    r"\(--session-only\)": "(the line Keep keys)",
    r"(?:, or --yes| \(--yes) on the command line\)?": "",  # the app asks by itself
    r"with --listen HOST:PORT": "(Cloud, Webhook listener)",
}
_PHRASES: Final = [(re.compile(phrase), words) for phrase, words in _IN_APP.items()]


def in_app(sentence: str) -> str:
    """Return a sentence that names the keys and lines of the app in place of options."""
    if "--" in sentence:
        for phrase, words in _PHRASES:
            sentence = phrase.sub(words, sentence)
    return sentence
