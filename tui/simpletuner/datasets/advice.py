"""The advice for local images that an archive does not bring to the trainer."""

from __future__ import annotations

from typing import Final

STAGE: Final = "Stage the images: --data staged."
"""How local images reach every release of the trainer that reads a dataloader."""
STAGED_DATA: Final = {"data": "staged"}
"""The same as a change of the draft: a field of its own, not an option of the config."""
