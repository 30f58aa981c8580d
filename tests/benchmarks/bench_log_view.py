"""Opening, searching and following a large log: `python -m tests.benchmarks log_view`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from textual.app import App, ComposeResult

from tests.benchmarks import Row
from tui.app.log.document import LogDocument, Query
from tui.app.log.view import LogView

LINES = 1_000_000
RATE = 5_000
SECONDS = 6


class _LogApp(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def compose(self) -> ComposeResult:
        yield LogView(self.path)


def _write(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            if number == LINES * 3 // 5:
                file.write("A rare Needle stands here, once in a million lines of this log file\n")
            elif number % 200 == 0:
                file.write(f"[STAGE] ✓ Saving Checkpoint (100.0%): checkpoint-{number}\n")
            else:
                file.write(
                    f"Epoch 1/20, Steps:  {number * 100 // LINES}%|█▍    | {number}/{LINES} "
                    f"[00:03<05:41,  3.45s/it, lr=0.0001, step_loss={number % 997 / 997:.3f}]\n"
                )


def _ms(begin: float) -> float:
    return (time.perf_counter() - begin) * 1000


def _search(path: Path, query: Query) -> tuple[float, float, int]:
    """Milliseconds to the first hit from the middle, milliseconds to all hits, number of hits."""
    first, whole = [], []
    count = 0
    for _ in range(5):
        document = LogDocument(path)
        document.look_for(query)
        begin = time.perf_counter()
        assert document.first_hit(document.log.size // 2) is not None
        first.append(_ms(begin))
        begin = time.perf_counter()
        document.scan()
        whole.append(_ms(begin))
        count = document.hits
    return min(first), min(whole), count


def _peer(command: list[str]) -> float | None:
    if shutil.which(command[0]) is None:
        return None
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        # Into /dev/null grep would stop at the first hit.
        subprocess.run(command, stdout=subprocess.PIPE, check=False)
        times.append(_ms(begin))
    return min(times)


def _searches(path: Path) -> list[Row]:
    rows = []
    for what, query, command, goal in (
        ("rare string, either case", Query("rare needle"), ("-i", "rare needle"), "<= 2 x grep"),
        ("rare string, capitals meant", Query("A rare N"), ("A rare N",), "<= 2 x grep"),
        ("regex with fixed text", Query(r"checkpoint-\d*7\d*00$", regex=True),
         (r"checkpoint-[0-9]*7[0-9]*00$",), "<= 2 x grep"),
        ("regex without", Query(r"[5-7]\d[5-7]\d/\d+ \[", regex=True),
         (r"[5-7][0-9][5-7][0-9]/[0-9]\+ \[",), "<= 5 x grep"),
    ):  # fmt: skip
        first, ours, count = _search(path, query)
        peer = _peer(["grep", "-c", *command, str(path)])
        rows += [
            Row(f"log view: search 1 000 000 lines, {what}, all {count:,} hits counted",
                f"{ours:.0f} ms", "no grep here" if peer is None else f"{peer:.0f} ms grep -c",
                None if not peer else ours / peer, goal),
            Row(f"log view: the first hit from the middle, {what}", f"{first:.1f} ms", "", None,
                "<= 30 ms"),
        ]  # fmt: skip
    return rows


async def _open(path: Path) -> list[Row]:
    app = _LogApp(path)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.query_one(LogView).remove()
        await pilot.pause()
        painted = asyncio.Event()
        begin = time.perf_counter()
        view = LogView(path)
        app.screen.mount(view)
        view.call_after_refresh(painted.set)
        await painted.wait()
        first = view.render_line(38).text
        opened = _ms(begin)
        assert str(LINES - 1) in first or str(LINES - 2) in first
        while view.document.log.line_count is None:
            await asyncio.sleep(0.001)
        numbered = _ms(begin)
        pages = []
        for _ in range(30):
            begin = time.perf_counter()
            view.window.turn_page(down=False)
            view.changed()
            for y in range(view.size.height):
                view.render_line(y)
            pages.append(_ms(begin))
    begin = time.perf_counter()
    with path.open("rb") as file:
        for _ in file:
            pass
    loop = _ms(begin)
    return [
        Row("log view: open 1 000 000 lines at the end", f"{opened:.0f} ms",
            f"{loop:.0f} ms bare `for line in file`", opened / loop, "<= 100 ms"),
        Row("log view: all lines numbered behind it", f"{numbered:.0f} ms",
            f"{loop:.0f} ms bare `for line in file`", numbered / loop, "-"),
        Row("log view: page up, laid out and painted, p95",
            f"{sorted(pages)[int(len(pages) * 0.95)]:.1f} ms", "", None, "<= 25 ms"),
    ]  # fmt: skip


async def _follow(path: Path) -> list[Row]:
    app = _LogApp(path)
    async with app.run_test(size=(120, 40)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        view.live(True)
        await pilot.pause()
        stop = asyncio.get_running_loop().time() + SECONDS
        written = 0
        begin_cpu = time.process_time()
        with path.open("a", encoding="utf-8") as file:
            while asyncio.get_running_loop().time() < stop:
                for _ in range(RATE // 20):
                    written += 1
                    file.write(f"[INFO] followed line {written} of many, said the trainer\n")
                file.flush()
                await asyncio.sleep(0.05)
        cpu = (time.process_time() - begin_cpu) / SECONDS * 100
        begin = time.perf_counter()
        while f"followed line {written} " not in view.render_line(39).text:
            await asyncio.sleep(0.001)
        behind = _ms(begin)
    return [
        Row(f"log view: follow 5 000 lines/s for {SECONDS} s, CPU with the writer",
            f"{cpu:.0f} %", "", None, "<= 15 %"),
        Row("log view: behind the file at the end", f"{behind:.0f} ms", "", None, "<= 250 ms"),
    ]  # fmt: skip


def run() -> list[Row]:
    """All rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.log"
        _write(path)
        rows = asyncio.run(_open(path))
        rows += _searches(path)
        rows += asyncio.run(_follow(path))
        return rows
