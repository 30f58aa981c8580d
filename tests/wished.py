"""The release that most tests run: the trainer as one would wish it.

It accepts every option and any dataset, so a test of another part needs no whole training setup.
The tests of the release that is true to SimpleTuner 4.10.1 name that one.
"""

from __future__ import annotations

from typing import Any

from tui.sandbox.config import SandboxConfig

RELEASE = "wished"
OPTION = ("--release", RELEASE)
"""The same for the command."""


def wished(**settings: Any) -> SandboxConfig:
    """Options of a sandbox whose newest trainer is the kind one, unless `settings` name another."""
    return SandboxConfig(**{"release": RELEASE} | settings)
