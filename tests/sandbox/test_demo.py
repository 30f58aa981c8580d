"""The example project of the demo."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.sandbox.conftest import FAST
from tests.wished import wished
from tui.sandbox.demo import write_demo_project
from tui.sandbox.server import RunningSandbox, run_forever
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan


def test_the_example_is_a_project_that_can_be_trained(tmp_path: Path) -> None:
    config = load_config(write_demo_project(tmp_path / "demo"))
    assert (config.family, config.flavour, config.lora_rank) == ("flux", "dev", 16)
    assert (config.max_train_steps, config.checkpoint_interval) == (200, 50)
    report = scan(config).datasets[0]
    assert (report.images, report.captions, report.problems) == (9, 9, ())
    assert "CC0" in (tmp_path / "demo/SOURCES.md").read_text()
    before = json.loads(config.path.read_text())
    assert json.loads(write_demo_project(tmp_path / "demo").read_text()) == before


async def test_serving_until_cancelled(tmp_path: Path) -> None:
    announced: asyncio.Queue[RunningSandbox] = asyncio.Queue()
    config = wished(**FAST, work_dir=tmp_path / "work")
    task = asyncio.create_task(run_forever(config, announced.put_nowait))
    sandbox = await asyncio.wait_for(announced.get(), 10)
    assert sandbox.base_url.endswith("/v1")
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert task.cancelled()
