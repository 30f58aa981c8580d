"""Packing photographs, beside `zip -0 -r` on the same folder."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.benchmarks import Row
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import scan

_ROUNDS = 7
_LIMIT = 4 * 1024**3

# VmHWM and not ru_maxrss, which a child inherits from a larger parent.
_PEAK = """
import sys
from pathlib import Path
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import scan

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

report = scan(load_config(sys.argv[1]))
before = peak()
pack(report, Path(sys.argv[2]), limit=1 << 40)
print(peak() - before)
"""


def _photographs(folder: Path, count: int, edge: int) -> int:
    folder.mkdir(parents=True)
    noise = Image.effect_noise((edge, edge), 80).convert("RGB")
    noise.save(folder / "first.jpg", quality=92)
    data = (folder / "first.jpg").read_bytes()
    for number in range(count):
        (folder / f"photo-{number:05}.jpg").write_bytes(data)
        (folder / f"photo-{number:05}.txt").write_text(f"a photograph, number {number}")
    (folder / "first.jpg").unlink()
    return count * len(data)


def _project(root: Path, count: int, edge: int) -> tuple[Path, int]:
    size = _photographs(root / "photos", count, edge)
    entry = {
        "id": "photos",
        "type": "local",
        "instance_data_dir": str(root / "photos"),
        "caption_strategy": "textfile",
    }
    (root / "multidatabackend.json").write_text(json.dumps([entry]))
    (root / "config.json").write_text('{"model_family": "flux"}')
    return root / "config.json", size


def _compare(root: Path, what: str, count: int, edge: int) -> Row:
    config, size = _project(root, count, edge)
    report = scan(load_config(config))
    ours, peer = [], []
    for _ in range(_ROUNDS):  # in turns, so that a slow moment affects both
        (root / "ours.zip").unlink(missing_ok=True)
        start = time.perf_counter()
        pack(report, root / "ours.zip", limit=_LIMIT)
        ours.append(time.perf_counter() - start)
        (root / "peer.zip").unlink(missing_ok=True)
        start = time.perf_counter()
        subprocess.run(
            ["zip", "-0", "-q", "-r", "../peer.zip", "."], cwd=root / "photos", check=True
        )
        peer.append(time.perf_counter() - start)
    mine, theirs = statistics.median(ours), statistics.median(peer)
    mib = size / 2**20
    return Row(
        f"pack {count} photographs, {mib:.0f} MiB{what}",
        f"{mib / mine:.0f} MiB/s (with SHA-256 of each and of all)",
        f"zip -0 -r {mib / theirs:.0f} MiB/s",
        theirs / mine,
        ">= 0.80",
    )


def _peak(root: Path, count: int, edge: int) -> tuple[int, int]:
    config, size = _project(root, count, edge)
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, str(config), str(root / "out.zip")],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout), size


def run() -> list[Row]:
    """The table."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        if shutil.which("zip"):
            rows.append(_compare(root / "large", "", 120, 1024))
            rows.append(_compare(root / "small", ", small ones", 2000, 256))
        little, small = _peak(root / "one", 20, 1024)
        much, large = _peak(root / "two", 500, 1024)
    rows.append(
        Row(
            f"memory added by packing {large >> 20} MiB",
            f"{much} KiB",
            f"packing {small >> 20} MiB: {little} KiB",
            None,
            "flat",
        )
    )
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
