"""Deployments: a model version on hardware of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tui.sandbox.clock import stamp
from tui.sandbox.registry import Version


@dataclass(slots=True)
class Deployment:
    """One deployment with its current release."""

    owner: str
    name: str
    version: Version
    hardware: str
    min_instances: int
    max_instances: int
    created_at: datetime
    number: int = 1

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def view(self, account: dict[str, Any]) -> dict[str, Any]:
        """The deployment as an answer shows it."""
        return {
            "owner": self.owner,
            "name": self.name,
            "current_release": {
                "number": self.number,
                "model": self.version.model,
                "version": self.version.id,
                "created_at": stamp(self.created_at, 6),
                "created_by": account,
                "configuration": {
                    "hardware": self.hardware,
                    "min_instances": self.min_instances,
                    "max_instances": self.max_instances,
                },
            },
        }
