"""What `report_to: simpletuner` writes into the run folder: every number and every picture.

Source: SimpleTuner 4.10.1, `helpers/training/local_metrics.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

METRICS_FILE: Final = "training_metrics.jsonl"
MEDIA_FILE: Final = "validation_media.jsonl"
_SCHEMA: Final = 1


class Records:
    """Appends records to the run folder, unless the run reports elsewhere."""

    def __init__(self, folder: Path, report_to: str) -> None:
        """Take the run folder and the value of `report_to`."""
        self._folder = folder
        self._enabled = "simpletuner" in {name.strip() for name in report_to.split(",")}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Record the numbers of a step."""
        self._append(METRICS_FILE, {"step": step, "metrics": dict(values)})

    def picture(self, step: int, label: str, path: Path, edge: int) -> None:
        """Record a picture of a validation.

        Args:
            step: the step of the validation.
            label: the prompt's short name.
            path: the picture, below the run folder.
            edge: its width and height in pixels.
        """
        record = {
            "step": step,
            "type": "image",
            "label": label,
            "index": 0,
            "resolution": f"{edge}x{edge}",
            "path": path.relative_to(self._folder).as_posix(),
        }
        self._append(MEDIA_FILE, record)

    def _append(self, name: str, record: Mapping[str, Any]) -> None:
        if not self._enabled:
            return
        head = {"schema_version": _SCHEMA, "timestamp": datetime.now(UTC).isoformat()}
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(head | dict(record), separators=(",", ":")) + "\n")
