"""Charts without colours."""

from __future__ import annotations

from rich.style import Style

from tui.app.chart.paint import Tones

TONES = Tones(*[Style.null()] * len(Tones.__dataclass_fields__))
