"""What is shown when the terminal is too small for anything else."""

from __future__ import annotations

from textual.widget import Widget


class TooSmall(Widget):
    """One message instead of a broken screen."""

    def render(self) -> str:
        """How large the terminal is and has to be."""
        width, height = self.app.size
        return f"Too small: {width}×{height}\nMake the window at least 60×15."
