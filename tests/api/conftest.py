"""The same world as the engine's tests have."""

from __future__ import annotations

from tests.engine.conftest import home, project, world

__all__ = ["home", "project", "world"]
