"""A draft that was not sent survives leaving the form and a restart, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.conftest import opened, text_of, wait_for
from tests.app.job.world import RUNNING, fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, SUBMIT
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tests.canary import MARK
from tui.app.new_job.kept_draft import DraftFile, DraftKeeper, storable
from tui.app.new_job.screen import NewJobScreen
from tui.settings import Home


def test_neither_secrets_nor_agreements_are_written(home: Home) -> None:
    home.root.mkdir(parents=True)
    draft = {
        "config": "a", "images_url": f"https://example.org/a.zip?sig={MARK}", "consent": True,
        "accept_delivery": True, "idempotency_key": "x", "agreed": "y", "hf_token": MARK,
        "overrides": {"seed": 1, "validation_prompt": f"hf_{'a' * 30}"}, "unset": ("use_ema",),
    }  # fmt: skip
    DraftFile(home).keep(storable(draft), NOW)
    file = home.root / "draft.json"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = DraftFile(home).load()
    assert kept is not None
    assert kept.draft == {"config": "a", "overrides": {"seed": 1}, "unset": ["use_ema"]}
    assert kept.saved_at == NOW


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "3", '{"format": 1}', '{"format": 2, "saved_at": "x", "draft": {}}',
        '{"format": 1, "saved_at": "2026-11-23T14:02:10+00:00", "draft": {"overrides": 3}}',
        '{"format": 1, "saved_at": "2026-11-23T14:02:10", "draft": {"config": "a"}}',
        '{"format": 1, "saved_at": "2026-11-23T14:02:10+00:00", "draft": []}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_strange_file_is_no_draft(home: Home, text: str) -> None:
    home.root.mkdir(parents=True)
    (home.root / "draft.json").write_text(text)
    assert DraftFile(home).load() is None


def test_only_what_was_chosen_is_kept(home: Home) -> None:
    home.root.mkdir(parents=True)
    fresh: dict[str, Any] = {"cwd": "/here", "hardware": "l40s"}
    draft = dict(fresh)
    keeper = DraftKeeper(home, draft, fresh, restored=False)
    keeper.found = draft["config"] = "/here/config/a.json"  # found, not chosen
    draft["overrides"] = {}
    assert keeper.write(NOW) is None
    draft["config"] = "/here/config/b.json"
    write = keeper.write(NOW)
    assert write is not None
    write()
    assert keeper.write(NOW) is None  # it is there already
    draft["config"] = keeper.found
    forget = keeper.write(NOW)
    assert forget is not None
    forget()
    assert DraftFile(home).load() is None


async def test_a_draft_comes_back_and_one_key_discards_it(
    home: Home, engine: StandInEngine
) -> None:
    fill_jobs(home)
    configs = {"configs": [{"name": "a", "path": "/data/config/a/config.json"}]}
    engine.answers[("GET", "/api/cloud/available-configs")] = (200, configs)
    engine.answers[CHECK] = (200, answer(sandbox=True))
    engine.answers[SUBMIT] = (201, {"job_id": RUNNING, "status": "pending"})
    file = home.root / "draft.json"

    async def form(app: Any, pilot: Any) -> NewJobScreen:
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen))
        screen: NewJobScreen = app.screen
        await wait_for(pilot, lambda: not screen.flow.checking)
        return screen

    async with opened(home, engine) as (app, pilot):
        screen = await form(app, pilot)
        assert "your draft" not in text_of(app)
        screen.editor.take("max_train_steps", "777")
        await pilot.press("escape")
        assert "The draft is kept" in str(app.notices)
        await wait_for(pilot, file.exists)
        screen = await form(app, pilot)
        assert screen.flow.draft["overrides"] == {"max_train_steps": 777}
    async with opened(home, engine, size=(80, 24)) as (app, pilot):
        screen = await form(app, pilot)
        assert screen.flow.draft["overrides"] == {"max_train_steps": 777}
        assert "D discards it" in text_of(app)
        await pilot.press("D")
        assert not screen.flow.draft.get("overrides")
        await wait_for(pilot, lambda: not file.exists())
        await pilot.press("D")
        await wait_for(pilot, lambda: not screen.flow.checking)
        assert screen.flow.draft["overrides"] == {"max_train_steps": 777}
        await wait_for(pilot, file.exists)
        assert json.loads(file.read_text())["draft"]["overrides"] == {"max_train_steps": 777}
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: screen.flow.job_id)
        await wait_for(pilot, lambda: not file.exists())
