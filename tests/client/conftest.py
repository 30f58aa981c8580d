"""The fixtures of the engine's tests: a client has nobody to talk to without one."""

from __future__ import annotations

from tests.engine.conftest import home, project, world

__all__ = ["home", "project", "world"]
