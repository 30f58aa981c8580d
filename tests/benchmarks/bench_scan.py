"""Scanning 10 000 images with captions, beside `find` piped into `file`."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.benchmarks import Row
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan

_COUNT = 10_000
_ROUNDS = 3


def _fill(folder: Path) -> None:
    folder.mkdir()
    kinds = {}
    for suffix in ("jpg", "png", "webp"):
        Image.effect_noise((512, 384), 60).convert("RGB").save(folder / f"seed.{suffix}")
        kinds[suffix] = (folder / f"seed.{suffix}").read_bytes()
        (folder / f"seed.{suffix}").unlink()
    names = ("jpg", "jpg", "jpg", "png", "webp")
    for number in range(_COUNT):
        suffix = names[number % len(names)]
        (folder / f"image-{number:05}.{suffix}").write_bytes(kinds[suffix])
        (folder / f"image-{number:05}.txt").write_text(f"a picture of noise, number {number}\n")


def run() -> list[Row]:
    """The table. "Cold" is without our cache; the files are in the system's for both."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        _fill(root / "images")
        entry = {
            "id": "images",
            "type": "local",
            "instance_data_dir": str(root / "images"),
            "caption_strategy": "textfile",
        }
        (root / "multidatabackend.json").write_text(json.dumps([entry]))
        (root / "config.json").write_text('{"model_family": "flux"}')
        config = load_config(root / "config.json")
        cache = root / "cache.json"
        cold, warm, peer = [], [], []
        for _ in range(_ROUNDS):
            cache.unlink(missing_ok=True)
            start = time.perf_counter()
            report = scan(config, cache=cache)
            cold.append(time.perf_counter() - start)
            start = time.perf_counter()
            again = scan(config, cache=cache)
            warm.append(time.perf_counter() - start)
            if again != report or report.images != _COUNT or report.captions != _COUNT:
                raise AssertionError("the scan is wrong, its speed means nothing")
            if shutil.which("file"):
                start = time.perf_counter()
                subprocess.run(
                    "find images -type f -print0 | xargs -0 file > /dev/null",
                    shell=True,
                    cwd=root,
                    check=True,
                )
                peer.append(time.perf_counter() - start)
    theirs = statistics.median(peer) if peer else None
    beside = f"find + file {theirs:.2f} s" if theirs else "file is not installed"
    rows = []
    for what, times, goal in (("cold", cold, "<= 3 s"), ("nothing changed", warm, "<= 0.5 s")):
        mine = statistics.median(times)
        rows.append(
            Row(
                f"scan {_COUNT} images and captions, {what}",
                f"{mine:.2f} s",
                beside,
                mine / theirs if theirs else None,
                goal,
            )
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
