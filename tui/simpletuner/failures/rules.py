"""All rules of failure, in the order in which they are tried on a line.

The patterns match texts of SimpleTuner 4.10.1 and its container, PyTorch, huggingface_hub,
datasets, botocore and Replicate. The texts for the screen are our own.
"""

from __future__ import annotations

from typing import Final

from tui.simpletuner.failures.data_rules import DATA_RULES
from tui.simpletuner.failures.hub_rules import HUB_RULES
from tui.simpletuner.failures.input_rules import ARGUMENT_RULES, INPUT_RULES
from tui.simpletuner.failures.machine_rules import MACHINE_RULES
from tui.simpletuner.failures.rule import DiagnosisKind, Rule
from tui.simpletuner.failures.run_rules import NOTICE_RULES, PLATFORM_RULES, RESUME_RULES

RULES: Final[tuple[Rule, ...]] = (
    *ARGUMENT_RULES,
    *INPUT_RULES,
    *MACHINE_RULES,
    *HUB_RULES,
    *DATA_RULES,
    *NOTICE_RULES,
    *RESUME_RULES,
    *PLATFORM_RULES,
)

UNKNOWN: Final = Rule(
    "unknown",
    DiagnosisKind.UNKNOWN,
    "failed",
    "The run failed, and the log does not show a cause that is known here.",
    (),
    ("Read the lines below: they are the last ones that say something.",),
    again="maybe",
)
