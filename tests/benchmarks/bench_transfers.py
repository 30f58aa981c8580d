"""The Publishing screen while eight transfers move: what it writes and costs.

`python -m tests.benchmarks transfers`. A stand-in engine tells of each transfer as often as the
real one does; the app runs in a pseudo terminal.
"""

from __future__ import annotations

import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.app.stand_in_engine import StandInEngine
from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill, home_at
from tests.benchmarks import Row
from tui.engine.transfers.transfer_progress import REPORT_SECONDS
from tui.settings import Home
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState
from tui.store.writer import StoreWriter

COUNT = 8
TOTAL = 5 << 30
SECONDS = 10.0


def run() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        home = home_at(Path(folder))
        fill(home, 100, running=-1, now=datetime.now(UTC))
        positions = _transfers(home)
        engine, stop = StandInEngine(home.socket), threading.Event()
        teller = threading.Thread(target=_tell, args=(engine, stop, positions))
        terminal = Terminal(["app", folder])
        try:
            terminal.until("● api")
            terminal.send(b"3")
            terminal.until("Destinations")
            terminal.quiet(1.0)
            teller.start()
            terminal.until("MiB/s")
            start, before, written = time.monotonic(), terminal.cpu(), 0
            while time.monotonic() - start < SECONDS:
                written += len(terminal.read(0.1))
            cpu = 100 * (terminal.cpu() - before) / SECONDS
            keys = terminal.press(b"j", 30)
        finally:
            stop.set()
            if teller.ident is not None:
                teller.join()
            terminal.close()
            engine.close()
    events_per_second = COUNT / REPORT_SECONDS
    return [
        Row("bytes while 8 transfers move", f"{written / SECONDS:.0f} B/s",
            f"{events_per_second:.0f} events/s", None, "≤ 1.5 kB/s"),
        Row("CPU while 8 transfers move", f"{cpu:.1f} %", "", None, "≤ 3 %"),
        Row("key j while 8 transfers move, p95", f"{keys.p95():.1f} ms", "", None, "≤ 8 ms"),
    ]  # fmt: skip


def _transfers(home: Home) -> list[int]:
    """Insert eight running transfers; return their positions in the queue."""
    writer = StoreWriter(home)
    for number in range(COUNT):
        record = TransferRecord(
            f"{number}" * 10, "job00003", "https://api.replicate.com/v1", f"dir:/models/{number}",
            datetime.now(UTC), state=TransferState.RUNNING, total_bytes=TOTAL,
        )  # fmt: skip
        writer.transfers.insert(record, [TransferItem(0, "a.safetensors", "/a", TOTAL)])
    positions = [transfer.position for transfer in writer.transfers.all()]
    writer.close()
    return positions


def _tell(engine: StandInEngine, stop: threading.Event, positions: list[int]) -> None:
    done = 0
    while not stop.wait(REPORT_SECONDS / COUNT):
        done += 1
        number = done % COUNT
        engine.send("transfer", {
            "transfer_id": f"{number}" * 10, "job_id": "job00003", "state": "running",
            "done": done << 20, "total": TOTAL, "bytes_per_second": (20 + done % 5) << 20,
            "eta_seconds": (TOTAL - (done << 20)) / (20 << 20), "message": "",
            "position": positions[number],
        })  # fmt: skip
