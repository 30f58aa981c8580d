"""The settings routes, and the file that is watched."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.world import World, running_engine, running_world, write_quick_settings
from tests.support import eventually
from tui.client.client import ControlClient, ControlError
from tui.engine.engine import Engine
from tui.settings import Home, load_settings
from tui.settings.values import catalog
from tui.store.transfer_records import DestinationRecord


@pytest.fixture
async def pair(home: Home) -> AsyncIterator[tuple[Engine, ControlClient]]:
    write_quick_settings(home)
    async with running_engine(home, load_settings(home, {})) as running:
        yield running


async def refused(client: ControlClient, **more: Any) -> dict[str, str]:
    """What stands at the fields."""
    before = (await client.cloud.settings())["settings"]
    with pytest.raises(ControlError) as caught:
        await client.cloud.change_settings(**more)
    assert (await client.cloud.settings())["settings"] == before
    found: dict[str, str] = caught.value.details["fields"]
    return found


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        ("cloud.hardware", " H100 ", "h100"),
        ("cloud.consent", "Never", "never"),
        ("cloud.polling", "off", False),
        ("cloud.config_roots", "~, /tmp", ["~", "/tmp"]),
        ("cloud.api_base", "http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
        ("listener.public_url", "https://bücher.example/", "https://xn--bcher-kva.example"),
        ("listener.allowed_ips", "34.82.0.0/16 203.0.113.7", ["34.82.0.0/16", "203.0.113.7"]),
        ("network.timeout", "12", 12.0),
        ("network.status_page", "", ""),
        ("spending.period", "week", "weekly"),
        ("spending.enabled", "yes", True),
        ("publishing.bandwidth", "1000000", 1_000_000),
        ("publishing.bandwidth", "5 MiB/s", 5 * 2**20),
        ("ui.theme", "simpletuner-light", "simpletuner-light"),
        ("ui.theme", "Light", "simpletuner-light"),
        (
            "network.no_proxy",
            "*.a.example [::1]:80, 10.0.0.0/8",
            ["*.a.example", "[::1]:80", "10.0.0.0/8"],
        ),
        ("notices.command", "true 'a b'", ["true", "a b"]),
    ],
)
async def test_as_typed_on_a_command_line(
    pair: tuple[Engine, ControlClient], home: Home, name: str, typed: str, meant: Any
) -> None:
    engine, client = pair
    answer = await client.cloud.change_settings({name: typed})
    assert answer["settings"][name] == meant
    assert name in answer["changed"] or typed == ""
    section, _, key = name.partition(".")
    assert json.loads(json.dumps(getattr(getattr(engine.live.now, section), key))) == meant
    assert load_settings(home, {}).problems == ()
    answer = await client.cloud.change_settings({name: None})
    assert name not in answer["changed"]


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("cloud.hardware", "abacus", "must be one of l40s"),
        ("cloud.consent", "maybe", "ask, allow or never"),
        ("cloud.consent", "", "ask, allow or never"),
        ("cloud.polling", "sometimes", "true or false"),
        ("cloud.polling", 1, "true or false"),
        ("cloud.api_base", "api.replicate.com", "https://api.replicate.com/v1"),
        ("cloud.api_base", "http://api.example", "the token travels along"),
        ("cloud.api_base", "https://me:geheim@api.example", "user name or a password"),
        ("cloud.api_base", "https://api.example:0", "port that is none"),
        ("cloud.pinned_versions", "x", "is a table"),
        ("rates_micros.l40s", 3, "is a table"),
        ("cloud.nonsense", 3, "is not known"),
        ("nonsense", 3, "is not known"),
        ("listener.listen", "127.0.0.1:0", "from 1 to 65535"),
        ("listener.allowed_ips", "34.82.1.5/16", "write 34.82.0.0/16"),
        ("listener.trusted_proxies", "0.0.0.0/0", "is everybody"),
        ("listener.tls_cert", "/", "is a folder"),
        ("network.timeout", "1e309", "1 to 600"),
        ("network.timeout", "NaN", "1 to 600"),
        ("spending.amount_micros", "-5", "whole number from 0"),
        ("spending.amount_micros", "1,000", "whole number from 0"),
        ("spending.amount_micros", True, "whole number from 0"),
        ("spending.period", "fortnight", "daily, weekly or monthly"),
        ("publishing.bandwidth", "fast", "5 MiB/s or 800k, or off"),
        ("ui.theme", "nord", "simpletuner-dark, simpletuner-light or simpletuner-terminal"),
        ("cloud.staging", "bucket:nowhere", "destination; there is none yet"),
        ("network.no_proxy", "a.example @@@", "@@@, which is no host name"),
        ("notices.command", "no-such-program x", "there is no such program"),
    ],
)
async def test_a_refusal_names_its_field(
    pair: tuple[Engine, ControlClient], name: str, typed: Any, words: str
) -> None:
    found = await refused(pair[1], values={name: typed, "cloud.polling": False} | {name: typed})
    assert list(found) == [name]
    assert words in found[name]
    assert "geheim" not in found[name]


async def test_data_are_staged_to_a_bucket_that_there_is(
    pair: tuple[Engine, ControlClient],
) -> None:
    engine, client = pair
    for name, kind in (("alpha", "s3"), ("beta", "hub")):
        engine._writer.transfers.put_destination(
            DestinationRecord(name, kind, {}, datetime(2026, 11, 23, tzinfo=UTC))
        )
    answer = await client.cloud.change_settings({"cloud.staging": "bucket:alpha"})
    assert answer["settings"]["cloud.staging"] == "bucket:alpha"
    found = await refused(client, values={"cloud.staging": "bucket:beta"})
    assert "there is alpha" in found["cloud.staging"]


async def test_a_risk_is_confirmed(pair: tuple[Engine, ControlClient]) -> None:
    engine, client = pair
    risks = {name: setting.spec.risky for name, setting in catalog().items() if setting.spec.risk}
    assert risks == {
        "listener.verify_signatures": False,
        "network.ssl_verify": False,
        "network.send_secrets_unencrypted": True,
    }
    for name, risky in risks.items():
        fields = await refused(client, values={name: risky})
        assert fields == {name: "has to be confirmed"}
        answer = await client.cloud.change_settings({name: risky}, confirm=True)
        assert answer["settings"][name] is risky
        await client.cloud.change_settings({name: risky})  # it is so already
        await client.cloud.change_settings({name: not risky})
    assert engine.live.now.listener.verify_signatures


async def test_a_proxy_password_is_not_answered(pair: tuple[Engine, ControlClient]) -> None:
    answer = await pair[1].cloud.change_settings({"network.proxy": "http://me:geheim@localhost:9"})
    assert answer["settings"]["network.proxy"] == "http://me:***@localhost:9"
    assert "geheim" not in json.dumps(await pair[1].cloud.settings())


# -- the file, edited by others ------------------------------------------------------------------


async def test_an_edit_of_the_file_is_applied_and_published(
    pair: tuple[Engine, ControlClient], home: Home
) -> None:
    engine, client = pair
    with engine.bus.subscribe() as queue:
        text = home.settings_file.read_text()
        home.settings_file.write_text(f"{text}[cloud]\npolling = false\n[network]\ntimeout = 'x'\n")
        await eventually(lambda: not engine.live.now.cloud.polling, within=30)
        kinds: dict[str, Any] = {}
        while not {"settings", "notice"} <= set(kinds):
            kind, data = await queue.get()
            kinds[kind] = data
    assert "settings.toml line 6: network.timeout must be a number" in kinds["notice"]["message"]
    assert (await client.cloud.settings())["problems"][0]["line"] == 6
    # A change through the engine keeps what the hand wrote, right and wrong.
    await client.cloud.change_settings({"cloud.consent": "never"})
    assert "timeout = 'x'" in home.settings_file.read_text()
    assert not load_settings(home, {}).cloud.polling


async def test_a_file_that_is_no_toml_leaves_the_settings_as_they_were(
    pair: tuple[Engine, ControlClient], home: Home
) -> None:
    engine, client = pair
    await client.cloud.change_settings({"cloud.consent": "never"})
    good = home.settings_file.read_text()
    with engine.bus.subscribe() as queue:
        home.settings_file.write_text(f"{good}\n[cloud\n")
        kind, data = await queue.get()
        while kind != "notice":
            kind, data = await queue.get()
        assert "not valid TOML" in str(data["message"])
        assert engine.live.now.cloud.consent == "never"
        assert (await refuses_words(client)).startswith(str(home.settings_file))
        home.settings_file.write_text(good.replace("never", "allow"))
        await eventually(lambda: engine.live.now.cloud.consent == "allow", within=30)


async def refuses_words(client: ControlClient) -> str:
    """Why nothing can be changed."""
    with pytest.raises(ControlError) as caught:
        await client.cloud.change_settings({"cloud.consent": "ask"})
    return caught.value.message


async def test_a_file_that_is_replaced_or_removed_is_noticed(
    pair: tuple[Engine, ControlClient], home: Home, tmp_path: Path
) -> None:
    engine, _ = pair
    other = tmp_path / "edited"
    other.write_text('[listener]\nlisten = "127.0.0.1:0"\n[cloud]\nconsent = "allow"\n')
    os.replace(other, home.settings_file)  # as editors do it
    await eventually(lambda: engine.live.now.cloud.consent == "allow", within=30)
    home.settings_file.unlink()
    await eventually(lambda: engine.live.now.cloud.consent == "ask", within=30)


async def test_an_unreadable_limit_refuses_every_job(home: Home, project: Path) -> None:
    write_quick_settings(home)
    async with running_world(home, project, settings=load_settings(home, {})) as world:
        text = home.settings_file.read_text()
        home.settings_file.write_text(f'{text}[spending]\nenabled = "yes"\n')
        await eventually(lambda: world.engine.live.now.problems, within=30)
        await no_job(world)
        home.settings_file.write_text(f"{text}[spending]\nenabled = true\n")
        await eventually(lambda: not world.engine.live.now.problems, within=30)
        await world.ended(await world.submit())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[spendings]\nenabled = true\n", "line 3: spendings is no section"),
        ("[Spending]\nenabled = true\n", "line 3: Spending is no section"),
        ("[spending]\nenabeld = true\n", "line 4: spending.enabeld is no setting"),
    ],
)
async def test_a_misspelt_limit_refuses_every_job(
    home: Home, project: Path, text: str, words: str
) -> None:
    write_quick_settings(home)
    text = home.settings_file.read_text() + text
    home.settings_file.write_text(text)
    async with running_world(home, project, settings=load_settings(home, {})) as world:
        await no_job(world, words)
        limit = {"spending.enabled": True, "spending.amount_micros": 50_000_000}
        await world.client.cloud.change_settings(limit)
        assert text.splitlines()[-1] in home.settings_file.read_text()  # set, but still doubtful
        await no_job(world, words)


async def no_job(
    world: World, words: str = "line 4: spending.enabled must be true or false"
) -> None:
    """A submit is refused with the place in the file."""
    with pytest.raises(ControlError) as caught:
        await world.submit()
    assert caught.value.code == "cost_limit_exceeded"
    assert f"settings.toml {words}" in caught.value.message
    assert world.predictions == []


async def test_the_last_webhooks_are_answered(pair: tuple[Engine, ControlClient]) -> None:
    import httpx

    engine, client = pair
    async with httpx.AsyncClient() as http:
        url = f"http://{engine.listening.address}/api/webhooks/replicate?key=of-nobody"
        await http.post(url, json={"id": "x", "status": "starting"})
    (event,) = (await client.cloud.webhooks())["events"]
    assert (event["outcome"], event["reason"], event["address"]) == (
        "rejected", "job_key", "127.0.0.1",
    )  # fmt: skip
    assert "of-nobody" not in json.dumps(event)
