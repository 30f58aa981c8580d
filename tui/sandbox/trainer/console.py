"""The run's two outputs: the log that the service shows, and debug.log whose end it repeats."""

from __future__ import annotations

import time

from tui.sandbox.trainer import wording
from tui.sandbox.trainer.wording import StageState
from tui.sandbox.worker import RunContext

TAIL_CHARACTERS = 5000
_FRAMES = (
    ("/src/predict.py", 214, "predict"),
    ("/src/simpletuner/cog.py", 388, "run"),
    ("/src/simpletuner/helpers/training/trainer.py", 1, "run"),
)


class Console:
    """Writes a run's log in SimpleTuner's formats.

    Bars begin with a carriage return and end without a line feed, so that a tagged line may
    follow one on the same line, as in real logs.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._debug: list[str] = []
        self._open_bar = False

    def line(self, text: str) -> None:
        """One line on standard output."""
        self._run.line(text)
        self._open_bar = False

    def stage(
        self,
        label: str,
        message: str = "",
        *,
        state: StageState = "running",
        count: tuple[int, int] | None = None,
    ) -> None:
        """A stage begins, moves on or ends."""
        self.line(wording.stage(label, message, state=state, count=count))

    def notice(self, message: str, *, title: str = "", level: str = "INFO") -> None:
        """A notification."""
        self.line(wording.notice(message, title=title, level=level))

    def debug(self, message: str, *, logger: str = "SimpleTuner") -> None:
        """A line of debug.log alone."""
        self._debug.append(wording.logger_line(message, logger=logger))

    def error(self, message: str) -> None:
        """A logger's error: on the console and in debug.log."""
        self.line(wording.logger_line(message, level="ERROR"))
        self._debug.append(wording.logger_line(message, level="ERROR", logger="SimpleTuner"))

    def bar(self, text: str) -> None:
        """The next state of a progress bar."""
        self._run.write(f"\r{text}")
        self._open_bar = True

    def end_bar(self) -> None:
        """A bar is finished."""
        if self._open_bar:
            self._run.write("\n")
            self._open_bar = False

    def count_up(self, label: str, total: int, seconds: float) -> None:
        """Run a side bar (never the job's progress) from nothing to its end."""
        begin = time.monotonic()
        steps = min(total, 8)
        for step in range(steps + 1):
            elapsed = time.monotonic() - begin
            self.bar(wording.bar(label, total * step // steps, total, elapsed))
            if step < steps:
                self._run.pause(seconds / steps)
        self.end_bar()

    def traceback(self, kind: str, message: str) -> None:
        """What Python prints for an error that nobody caught."""
        self.end_bar()
        frames = [
            f'  File "{path}", line {number}, in {name}\n    ...' for path, number, name in _FRAMES
        ]
        self.line("\n".join(["Traceback (most recent call last):", *frames, f"{kind}: {message}"]))

    def debug_tail(self) -> None:
        """The last characters of debug.log, which repeat what was said before."""
        text = "\n".join(self._debug)
        self.line("=== debug.log tail ===")
        self.line(text[-TAIL_CHARACTERS:])
