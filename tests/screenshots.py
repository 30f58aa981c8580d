"""Renders the pictures of the README: `python -m tests.screenshots [FOLDER]`.

Runs the app on the sandbox, presses keys, and saves what is on the screen. Needs `resvg-py` and
the fonts Fira Code and Symbola.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import resvg_py
from textual.pilot import Pilot

from tests.support import eventually
from tui.app.app import SimpleTunerApp
from tui.app.cloud.first_run import FirstRun
from tui.app.cloud.screen import CloudScreen
from tui.cli.demo import DemoSession
from tui.settings import Home

WIDTH = 1400  # pixels
LARGE, SMALL = (120, 36), (80, 24)


async def main(folder: Path) -> None:
    """Render all pictures into a folder."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none")
    root = Path(tempfile.gettempdir()) / "demo"  # a short path for the pictures
    root.mkdir()
    session = DemoSession(Home(root / "state", root / "cloud_outputs"), root / "project")
    session.build()
    app = SimpleTunerApp(session.home, session.settings(), attach=session.open, sandbox=True)
    try:
        async with app.run_test(size=LARGE) as pilot:
            await _walk(app, pilot, folder)
    finally:
        await asyncio.to_thread(session.close)
        shutil.rmtree(root)


async def _walk(app: SimpleTunerApp, pilot: Pilot[int], folder: Path) -> None:
    await eventually(lambda: app.control is not None, within=30)
    await pilot.press("n")
    await _seen(app, pilot, "token valid")
    _save(app, folder / "new-job.png")
    await pilot.press("ctrl+s")
    await eventually(lambda: len(app.reader.job_ids()) == 1, within=30)
    await _done(app, pilot, steps=200)
    for _ in range(2):
        await pilot.press("escape", "2", "n")
        await _seen(app, pilot, "token valid")
        await pilot.press("ctrl+s")
        await pilot.pause()
    await pilot.press("escape", "2")
    await _done(app, pilot, steps=90)
    await pilot.press("g", "g")
    await pilot.pause(1)
    _save(app, folder / "jobs.png")
    await pilot.press("enter")
    await pilot.pause(1)
    _save(app, folder / "log.png")
    await pilot.press("tab")
    await pilot.pause(1)
    _save(app, folder / "metrics.png")
    await pilot.press("tab")
    await _seen(app, pilot, "prompts")
    await pilot.pause(1)
    _save(app, folder / "pictures.png")
    await pilot.press("escape", "g", "g", "space", "space", "space", "equals_sign")
    await _seen(app, pilot, "differ")
    await pilot.pause(1)
    _save(app, folder / "compare.png")
    await pilot.press("escape", "1")
    await pilot.pause(2)
    _save(app, folder / "cloud.png")
    await _cloud(app, pilot, folder)
    await pilot.press("3")
    await _publish(app, pilot)
    _save(app, folder / "publishing.png")
    await pilot.resize_terminal(*SMALL)
    await pilot.pause(1)
    _save(app, folder / "publishing-80x24.png")
    await pilot.press("p")
    await pilot.pause(1)
    _save(app, folder / "publish-80x24.png")


async def _cloud(app: SimpleTunerApp, pilot: Pilot[int], folder: Path) -> None:
    """Pictures of each card's form, of verified cards, of the small size, of the first steps."""
    screen = app.screen
    if not isinstance(screen, CloudScreen):
        raise TypeError(screen)
    for view in screen.views:
        if not (view.display and view.card.items()):
            continue
        view.focus()
        await pilot.press("e")
        await pilot.pause(0.5)
        _save(app, folder / f"cloud-{view.card.NAME}.png")
        await pilot.press("escape")
    screen.data.load(f"delivery:{kind}" for kind in ("local", "hub", "s3"))
    screen.do_check_all()
    await eventually(lambda: not screen.data.busy, within=60)
    await pilot.press("g", "g")
    await pilot.pause(0.5)
    _save(app, folder / "cloud-proved.png")
    await pilot.resize_terminal(*SMALL)
    await pilot.pause(1)
    _save(app, folder / "cloud-80x24.png")
    app.push_screen(FirstRun(screen.data))
    await pilot.pause(1)
    _save(app, folder / "first-run-80x24.png")
    await pilot.press("escape")
    await pilot.resize_terminal(*LARGE)
    await pilot.pause(0.5)


async def _publish(app: SimpleTunerApp, pilot: Pilot[int]) -> None:
    """Add two destinations and publish the finished job to both, to one of them slowly."""
    control = app.control
    if control is None:
        raise RuntimeError("the engine has gone")
    calls = control.publishing
    await calls.add_destination(name="hub", kind="hub", repo="sandbox/cat-lora")
    await calls.add_destination(name="models", kind="folder", path=str(app.home.root / "models"))
    finished = app.reader.job_ids()[-1]
    await calls.publish(finished, "models")
    await eventually(lambda: app.reader.published(finished), within=60)
    await calls.limit("400 KiB/s")
    await calls.publish(finished, "hub")
    for name in ("hub", "models"):
        await calls.test_destination(name)
    await _seen(app, pilot, "KiB/s")
    await pilot.press("l")
    await pilot.pause(2)


async def _done(app: SimpleTunerApp, pilot: Pilot[int], steps: int) -> None:
    """Wait until the newest job has reached a step."""

    def there() -> bool:
        job = app.reader.job(app.reader.job_ids()[0])
        return job is not None and ((job.step or 0) >= steps or job.status.is_terminal)

    await eventually(there, within=90)
    await pilot.pause()


async def _seen(app: SimpleTunerApp, pilot: Pilot[int], text: str) -> None:
    await eventually(lambda: text in app.export_screenshot().replace("&#160;", " "), within=30)
    await pilot.pause()


def _save(app: SimpleTunerApp, path: Path) -> None:
    picture = resvg_py.svg_to_bytes(
        svg_string=app.export_screenshot(),
        width=WIDTH,
        font_family="Fira Code",
        monospace_family="Fira Code",
        font_dirs=["/usr/share/fonts"],
    )
    path.write_bytes(bytes(picture))
    print(path)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")))
