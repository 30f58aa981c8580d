"""What the screens for watching send to the terminal: `python -m tests.benchmarks screens`.

Each figure stands beside that of the same app with Textual's own display step.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from tests.app.compare.world import fill_runs
from tests.app.stand_in_engine import StandInEngine
from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import home_at
from tests.benchmarks import Row
from tui.app.shell.away import notice_sequence
from tui.settings import Home
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

RUNS, STEPS, CHARTS = 8, 2_000, 9
PROMPTS = ("validation", "unconditional")
SEEN = (100, 200, 300)
"""Steps with pictures at first; a page has room for four beside each other."""
ENTER, TAB, BACK_TAB, LEFT = b"\r", b"\t", b"\x1b[Z", b"\x1b[D"
SETTLED = 0.6
GOALS = {
    "list: one row changes": "<= 250 B",
    "metrics: opened, 9 charts of 2,000 points": "<= 9 kB",
    "metrics: one more step": "<= 600 B",
    "pictures: grid of 8": "<= 105 kB true, 50 kB of 256 colours",
    "pictures: one more": "<= 13 kB",
    "pictures: one enlarged": "<= 90 kB true, 28 kB of 256 colours",
    "compare: 8 runs of 2,000 points": "<= 10 kB",
    "compare: cursor key": "<= 500 B",
}


class _World:
    """Runs with curves and pictures, and an engine that tells of what changes."""

    def __init__(self, folder: Path) -> None:
        self.home = home_at(folder)
        self.ids = fill_runs(self.home, RUNS, STEPS)
        source = random.Random(3)
        names = ("lr", "grad_norm", "it_s", *(f"metric_{at}" for at in range(CHARTS - 4)))
        self.points = [(name, step, source.random()) for name in names
                       for step in range(1, STEPS + 1)]  # fmt: skip
        self.write(Change(metrics=self.points))
        for step in SEEN:
            self.draw(step, source)
        self.engine = StandInEngine(self.home.socket)
        self._rev = 0

    def write(self, change: Change) -> None:
        writer = StoreWriter(self.home)
        writer.apply(self.ids[0], change)
        writer.close()

    def draw(self, step: int, source: random.Random) -> None:
        files = []
        for prompt in PROMPTS:
            path = f"{self.ids[0]}/validation_images/step_{step}_{prompt}_0_512x512.png"
            small = Image.new("RGB", (12, 12))
            small.putdata([tuple(source.randrange(256) for _ in range(3)) for _ in range(144)])
            file = self.home.outputs / path
            file.parent.mkdir(parents=True, exist_ok=True)
            small.resize((512, 512), Image.Resampling.BICUBIC).save(file)
            files.append(FileRecord(path, 1, "", "delivered", datetime.now(UTC)))
        self.write(Change(files=files))

    def tell(self) -> None:
        self._rev += 1
        self.engine.send("job", {"job_id": self.ids[0], "rev": self._rev})


def _settled(terminal: Terminal) -> int:
    """Bytes until nothing has come for a moment."""
    before, quiet = len(terminal.raw), time.monotonic()
    while time.monotonic() - quiet < SETTLED:
        if terminal.read(0.05):
            quiet = time.monotonic()
    return len(terminal.raw) - before


def _bytes(world: _World, child: str) -> Iterator[tuple[str, int]]:
    terminal = Terminal([child, str(world.home.root)])
    step = STEPS

    def after(keys: bytes = b"", text: str = "") -> int:
        before = len(terminal.raw)
        if keys:
            terminal.send(keys)
        else:
            world.tell()
        if text:
            terminal.until(text)
        _settled(terminal)
        return len(terminal.raw) - before

    try:
        terminal.until(" api")
        _settled(terminal)
        world.write(Change({"step": step + 1, "loss": 0.2}))
        yield "list: one row changes", after()
        after(ENTER, "Metrics")
        yield "metrics: opened, 9 charts of 2,000 points", after(TAB, "series")
        world.write(Change(metrics=[(name, step + 1, 0.5) for name, at, _ in world.points
                                    if at == step]))  # fmt: skip
        yield "metrics: one more step", after()
        after(TAB, "prompts")
        world.draw(400, random.Random(4))
        yield "pictures: one more", after() // len(PROMPTS)
        after(BACK_TAB, "series")
        yield "pictures: grid of 8", after(TAB, "prompts")
        world.draw(500, random.Random(5))
        yield "pictures: a step more, all move on by a place", after()
        yield "pictures: one enlarged", after(ENTER)
        after(b"\x1b\x1b\x1b2", "PROGRESS")
        terminal.send(b"gg" + b" j" * RUNS)
        _settled(terminal)
        yield "compare: 8 runs of 2,000 points", after(b"=", "differ")
        yield "compare: cursor key", terminal.press(LEFT, 5).median_bytes().__ceil__()
    finally:
        terminal.close()


def _plain_sequences() -> list[Row]:
    text = "x" * 120
    notice = len(notice_sequence(text, {"TERM": "xterm"})) + 1
    title = len(f"\x1b]2;● 62 % {'n' * 40} · 11 m\x07".encode())
    return [
        Row("a notice of 120 letters, with its bell", f"{notice} B", "", None, "<= 200 B"),
        Row("a title of a name of 40 letters", f"{title} B", "", None, "<= 80 B"),
    ]


def _measured(folder: Path, child: str) -> dict[str, int]:
    world = _World(folder)
    try:
        return dict(_bytes(world, child))
    finally:
        world.engine.close()


def _stock(home: Home) -> None:
    home.create()
    home.settings_file.write_text("[ui]\nframe_diff = false\n")


def run() -> list[Row]:
    """All rows of this benchmark."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        ours = _measured(root / "a", "app")
        few = _measured(root / "b", "app256")
        _stock(home_at(root / "c"))
        stock = _measured(root / "c", "app")
    rows = [
        Row(what, f"{count:,} B", f"{stock[what]:,} B stock display", count / max(1, stock[what]),
            GOALS.get(what, ""))
        for what, count in ours.items()
    ]  # fmt: skip
    rows += [Row(f"{what}, 256 colours", f"{few[what]:,} B", "", None, GOALS.get(what, ""))
             for what in few if what.startswith("pictures")]  # fmt: skip
    return rows + _plain_sequences()
