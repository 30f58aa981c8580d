from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simpletuner.log import samples
from tui.simpletuner.log.classify import LineKind, classify_line
from tui.simpletuner.log.text import safe_text

SUMMARY = samples.SUMMARY.format(
    step=100, total=1000, loss=0.0873, epoch=1, epochs=5, train_loss=0.0912
)
EXPECTED: list[tuple[str, LineKind]] = [
    *((line, LineKind.STAGE) for line in samples.STAGE_LINES + samples.AFTER_STEPS),
    *((line, LineKind.TRAINING) for line in samples.TRAINING_LINES),
    *((line, LineKind.CHECKPOINT) for line in samples.CHECKPOINT_LINES),
    *((line, LineKind.BAR) for line in samples.TRAINING_BARS + samples.OTHER_BARS),
    *(
        (line, LineKind.TRAINING)
        for line in samples.BANNER_LINES.format(epochs=1, total=2, done=0, left=2).splitlines()
    ),
    *((line, LineKind.COG) for line in samples.NOTIFICATIONS[:2]),
    *((line, LineKind.INFO) for line in samples.NOTIFICATIONS[2:6]),
    (samples.NOTIFICATIONS[6], LineKind.WARN),
    (samples.NOTIFICATIONS[7], LineKind.ERROR),
    *((line, LineKind.EVENT) for line in samples.NOTIFICATIONS[8:12]),
    (samples.NOTIFICATIONS[12], LineKind.ERROR),
    ("[DEBUG] x", LineKind.DEBUG),
    (samples.DEBUG_LINE + SUMMARY, LineKind.STEP_SUMMARY),
    (f"[INFO] Checkpoint: `{SUMMARY}`", LineKind.STEP_SUMMARY),
    (SUMMARY, LineKind.STEP_SUMMARY),
    (samples.OOM_TRACEBACK[0], LineKind.TRACEBACK),
    (samples.OOM_TRACEBACK[1], LineKind.TRACEBACK),
    (samples.OOM_TRACEBACK[3], LineKind.TRACEBACK),
    (samples.OOM_TRACEBACK[-1], LineKind.ERROR),
    ("KeyboardInterrupt", LineKind.ERROR),
    ("/usr/lib/python3.12/warnings.py:110: FutureWarning: changes", LineKind.WARN),
    ("Model published to: https://huggingface.co/me/my-lora", LineKind.PUBLISHED),
    ("Training complete. Output: output/cog/cog-0a1b2c3d4e", LineKind.PUBLISHED),
    ("", LineKind.TEXT),
    ("hello", LineKind.TEXT),
    ("=== debug.log tail ===", LineKind.TEXT),
    (samples.TRAINING_BARS[1] + samples.STAGE_LINES[0], LineKind.STAGE),
    (samples.TRAINING_BARS[1] + "Traceback (most recent call last):", LineKind.TRACEBACK),
]


@pytest.mark.parametrize(("line", "kind"), EXPECTED)
def test_kinds(line: str, kind: LineKind) -> None:
    assert classify_line(line) is kind


@given(st.text())
def test_every_line_has_a_kind(text: str) -> None:
    assert classify_line(text) in LineKind


@given(st.text())
def test_safe_text_has_no_control_characters_and_is_idempotent(text: str) -> None:
    safe = safe_text(text)
    assert safe_text(safe) == safe
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in safe)
    assert not set(safe) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def test_safe_text_keeps_words() -> None:
    assert (
        safe_text("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\tØ 猫")
        == "red link    Ø 猫"
    )
