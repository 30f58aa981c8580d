"""Limit, rates, versions, delivery, first steps and doctor, as the Cloud screen asks for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.engine.world import World
from tui.client.client import ControlError
from tui.engine.diagnostics.onboarding import STEPS, checklist
from tui.settings import Home, Settings, load_settings
from tui.simpletuner.request.hardware import PROFILES


async def refused(call: Any) -> dict[str, str]:
    with pytest.raises(ControlError) as caught:
        await call
    fields: dict[str, str] = caught.value.details["fields"]
    return fields


# -- money ---------------------------------------------------------------------------------------


async def test_the_limit_is_set_as_typed_and_kept(world: World) -> None:
    cloud = world.client.cloud
    state = await cloud.set_limit(enabled=True, amount="$1,250.50", period="week", action="block")
    assert (state["limit_micros"], state["period"], state["window"]) == (
        1_250_500_000,
        "weekly",
        "7 d",
    )
    assert state["words"] == "$0 of $1,250.50 / 7 d"
    kept = load_settings(world.home, {}).spending
    assert (kept.enabled, kept.amount_micros, kept.action) == (True, 1_250_500_000, "block")
    assert (await cloud.set_limit(enabled=False))["state"] == "off"
    assert load_settings(world.home, {}).spending.amount_micros == 1_250_500_000


@pytest.mark.parametrize(
    ("name", "value"),
    [("amount", ""), ("amount", "1e309"), ("amount", "NaN"), ("amount", -1), ("amount", "1,5"),
     ("period", "fortnight"), ("action", "explode"), ("enabled", "yes"), ("amount_micros", 1.5),
     ("colour", "red")],
)  # fmt: skip
async def test_a_wrong_field_is_named_and_nothing_else_is_lost(
    world: World, name: str, value: Any
) -> None:
    before = load_settings(world.home, {}).spending
    assert list(await refused(world.client.cloud.set_limit(**{name: value}))) == [name]
    assert load_settings(world.home, {}).spending == before


async def test_rates_can_be_replaced_and_come_back(world: World) -> None:
    cloud = world.client.cloud
    before = (await cloud.rates())["rates"][0]
    assert before["read_on"]
    assert before["source"].startswith("https://")
    after = (await cloud.set_rates({"L40S": "$3.60/h", "h100": 2000}))["rates"]
    rows = {row["profile"]: row for row in after}
    assert (rows["l40s"]["rate_micros"], rows["l40s"]["changed"]) == (1000, True)
    estimate = (await world.client.check(world.draft()))["estimate"]
    assert estimate["rate_micros"] == 1000
    assert list(await refused(cloud.set_rates({"l40s": "cheap", "h100": "$1/h"}))) == ["l40s"]
    assert list(await refused(cloud.set_rates({"tpu": 1}))) == ["tpu"]
    reset = (await cloud.reset_rates())["rates"]
    assert not any(row["changed"] for row in reset)
    assert load_settings(world.home, {}).rates_micros == {}


async def test_spending_by_day(world: World) -> None:
    job = await world.ended(await world.submit())
    data = await world.client.cloud.spending(7)
    assert len(data["by_day"]) == 7
    assert data["by_day"][-1]["jobs"] == {"completed": 1}
    assert data["total_micros"] == job.cost_micros
    assert data["average_seconds"] is not None
    assert data["average_seconds"] > 0
    assert "days" in await refused(world.client.cloud.spending(0))


# -- versions ------------------------------------------------------------------------------------


async def test_pin_and_follow_the_newest(world: World) -> None:
    model = PROFILES["l40s"].model or ""
    listed = (await world.client.versions(model))["versions"]
    dates = [row["created_at"] or "" for row in listed]
    assert dates == sorted(dates, reverse=True)
    old = listed[-1]["id"]
    pinned = await world.client.cloud.pin_version(f"{model}:{old}", None)
    assert pinned["pinned"] == old
    assert (await world.client.versions(model))["current_version"] == old
    assert (await world.client.check(world.draft()))["version"]["id"] == old
    assert "version" in await refused(world.client.cloud.pin_version(model, "0" * 64))
    assert "model" in await refused(world.client.cloud.pin_version("no model", None))
    assert (await world.client.cloud.pin_version(model, None))["pinned"] is None
    newest = (await world.client.check(world.draft()))["version"]["id"]
    assert newest == listed[0]["id"]


async def test_two_versions_are_compared(world: World) -> None:
    model = PROFILES["l40s"].model or ""
    listed = (await world.client.versions(model))["versions"]
    same = await world.client.cloud.compare_versions(model, listed[0]["id"], listed[0]["id"])
    assert same["changes"] == []
    other = await world.client.cloud.compare_versions(model, listed[-1]["id"])
    assert other["after"]["id"] == listed[0]["id"]
    assert other["known"] is True


# -- first run and doctor ------------------------------------------------------------------------


async def test_the_checklist_stays_until_all_is_done(world: World) -> None:
    cloud = world.client.cloud
    first = await cloud.onboarding()
    assert [step["id"] for step in first["steps"]] == list(STEPS)
    states = {step["id"]: step["state"] for step in first["steps"]}
    assert (states["limit"], states["first_job"]) == ("open", "open")
    await world.client.validate()
    await cloud.set_limit(enabled=True, amount=50)
    after = await cloud.change_onboarding(skipped=["first_job"])
    assert {step["state"] for step in after["steps"]} == {"done", "skipped"}
    assert after["open"] == 0
    unknown: dict[str, Any] = {"done": ["fly"]}
    again = await cloud.change_onboarding(reopened=["first_job"], finished=True)
    assert (again["open"], again["finished"]) == (1, True)
    assert "done.0" in await refused(cloud.change_onboarding(**unknown))


def test_another_accounts_token_ticks_nothing_off() -> None:
    facts = {"account": {"valid": True, "api_base": "http://127.0.0.1:5/v1"}}
    steps = checklist(Settings(), facts, 0, "https://api.replicate.com/v1")
    assert {step.id: step.state for step in steps}["token"] == "open"


async def test_doctor_has_a_line_for_everything(world: World) -> None:
    lines = (await world.client.cloud.doctor())["lines"]
    found = {line["id"]: line for line in lines}
    assert set(found) == {
        "keyring", "token", "network", "proxy", "listener", "delivery", "disk",
    }  # fmt: skip
    assert found["delivery"]["level"] == "ok", "its trainer is on this machine"
    assert found["keyring"]["level"] == "warn"  # tests have none
    assert found["network"]["level"] == "ok", lines
    assert all(line["advice"] for line in lines if line["level"] != "ok")


def test_the_command_line_sets_and_shows(home: Home) -> None:
    home.create()
    home.settings_file.write_text(
        '[listener]\nlisten = "127.0.0.1:0"\n[network]\nproxy = "http://127.0.0.1:9"\n'
    )
    env = {**os.environ, "SIMPLETUNER_TUI_HOME": str(home.root)}

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tui", *words],
            check=False,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    assert run("limit", "set", "50", "--per", "week", "--then", "block")[0] == 0
    status, text = run("limit", "show", "--json")
    shown = json.loads(text)
    assert (status, shown["limit_micros"], shown["action"]) == (0, 50_000_000, "block")
    assert run("limit", "set", "1e309")[0] == 2
    assert run("limit", "set")[0] == 2
    assert "no limit" in run("limit", "off")[1]
    rows = json.loads(run("rates", "set", "l40s", "$3.60/h", "--json")[1])["rates"]
    assert rows[0]["rate_micros"] == 1000
    assert not json.loads(run("rates", "reset", "--json")[1])["rates"][0]["changed"]
    assert json.loads(run("spending", "--days", "7", "--json")[1])["total_micros"] == 0
    status, text = run("doctor", "--json")
    lines = json.loads(text)["lines"]
    assert status == 1
    assert {"terminal", "keyring", "token", "network", "proxy", "listener", "delivery", "disk"} == {
        line["id"] for line in lines
    }
    (delivery,) = [line for line in lines if line["id"] == "delivery"]
    assert delivery["level"] == "warn", "no public URL is nothing broken"
    assert any("the proxy 127.0.0.1:9" in line["message"] for line in lines)
    from tui.client.client import ControlClient

    ControlClient(home.socket).shut_down().result()
