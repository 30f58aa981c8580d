"""The settings file: reading it, what is reported about it, and changing it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.settings import (
    Home,
    PublishingSettings,
    Settings,
    SettingsError,
    load_settings,
    save_setting,
    save_settings,
)
from tui.settings.values import catalog
from tui.settings.writing import HEADER


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "state", tmp_path / "outputs")
    made.create()
    return made


@pytest.mark.parametrize(
    ("text", "name", "line", "words"),
    [
        ("# mine\ncloud = 3", "cloud", 2, "must be a table, [cloud], not 3"),
        ("[cloud]\nhardware = 4", "cloud.hardware", 2, "must be a text, not 4"),
        ("[network]\n\nssl_verify = 1", "network.ssl_verify", 3, "must be true or false, not 1"),
        ("network.timeout = nan", "network.timeout", 1, "must be from 1 to 600"),
        ("[network]\ntimeout = 1e309", "network.timeout", 2, "must be from 1 to 600"),
        ("[spending]\n'period' = 'yearly'", "spending.period", 2, "daily, weekly or monthly"),
        ("[spending]\namount_micros = -1", "spending.amount_micros", 2, "must be from 0 to"),
        ("[listener]\nallowed_ips = '10.0.0.1'", "listener.allowed_ips", 2, "a list of texts"),
        ("[listener]\nallowed_ips = [\n 7,\n]", "listener.allowed_ips", 2, "a list of texts"),
        ("[ui.keys]\nquit = 3", "ui.keys", 1, "a table of texts"),
        ("[rates_micros]\nl40s = 'cheap'", "rates_micros.l40s", 2, "not 'cheap'"),
        ("[ rates_micros ]\nl40s = true", "rates_micros.l40s", 2, "not true"),
        ("rates_micros = 5", "rates_micros", 1, "must be a table"),
    ],
)
def test_a_wrong_value_is_reported_by_line_and_name_and_its_default_holds(
    home: Home, text: str, name: str, line: int, words: str
) -> None:
    home.settings_file.write_text(f"{text}\n[publishing]\nbandwidth = 7\n")
    found = load_settings(home, {})
    (problem,) = found.problems
    assert (problem.name, problem.line) == (name, line)
    assert words in problem.message
    assert problem.words().startswith(f"settings.toml line {line}: {name} must")
    assert found.wrong(name)
    assert found.wrong(name.partition(".")[0])
    assert not found.wrong("publishing.bandwidth")
    assert replace(found, problems=()) == Settings(publishing=PublishingSettings(7))


@pytest.mark.parametrize(
    ("text", "name", "line", "meant"),
    [
        ("\n[spendings]\nenabled = true", "spendings", 2, "spending"),
        ("[Spending]\nenabled = true", "Spending", 1, "spending"),
        ("['spending ']\nenabled = true", "spending ", 1, "spending"),
        ("['\u0455pending']\nenabled = true", "\u0455pending", 1, "spending"),
        ("[[spendings]]\nenabled = true", "spendings", 1, "spending"),
        ("[spendings.limit]\nenabled = true", "spendings", 1, "spending"),
        ("spendings.enabled = true", "spendings", 1, "spending"),
        ("spendings = true", "spendings", 1, "spending"),
        ("'spending.enabled' = true", "spending.enabled", 1, "spending.enabled"),
        ("[cost-limit]\nenabled = true", "cost-limit", 1, "spending"),
        ("[money]\namount_micros = 3", "money", 1, "spending"),
        ("[money]\nenabled = true\naction = 'block'", "money", 1, "spending"),
        ("[spending]\n\nenabeld = true", "spending.enabeld", 3, "spending.enabled"),
        ("spending.Enabled = true", "spending.Enabled", 1, "spending.enabled"),
        ("[spending]\nxyz = 1", "spending.xyz", 2, ""),
        ("[spending.limit]\nenabled = true", "spending.limit", 1, "spending"),
        ("amount_micros = 3", "amount_micros", 1, "spending.amount_micros"),
        ("[cloud]\naction = 'block'", "cloud.action", 2, "spending.action"),
        ("[cloud.spending]\nenabled = true", "cloud.spending", 1, "spending"),
    ],
)
def test_a_misspelt_limit_is_reported_by_line_and_counts_as_wrong(
    home: Home, text: str, name: str, line: int, meant: str
) -> None:
    home.settings_file.write_text(f"{text}\n", encoding="utf-8")
    found = load_settings(home, {})
    (problem,) = found.problems
    assert (problem.name, problem.line, problem.meant) == (name, line, meant)
    assert problem.unknown
    assert found.wrong("spending")
    hint = f"did you mean {meant if '.' in meant else f'[{meant}]'}?"
    assert (hint in problem.words()) is bool(meant)
    assert problem.words().startswith(f"settings.toml line {line}: {name} is no se")
    assert "default" not in problem.words()


@pytest.mark.parametrize(
    ("text", "name", "meant"),
    [
        ("[future]\nkept = 1", "future", ""),
        ("[future]\nenabled = true", "future", ""),
        ("[cloud]\nfuture = 1", "cloud.future", ""),
        ("[network]\ntimout = 3", "network.timout", "network.timeout"),
        ("[cloud]\nconsnet = 'never'", "cloud.consnet", "cloud.consent"),
        ("[clod]\nconsent = 'never'", "clod", "cloud"),
        ("consent = 'never'", "consent", "cloud.consent"),
        ("[listener]\nallowed_ip = []", "listener.allowed_ip", "listener.allowed_ips"),
        ("[ui]\ncolour = 1", "ui.colour", ""),
        ("[ui]\n'\\u001b[2J' = 1".replace("'", '"'), "ui.\ufffd[2J", ""),
    ],
)
def test_an_unknown_name_is_reported_and_makes_no_limit_wrong(
    home: Home, text: str, name: str, meant: str
) -> None:
    home.settings_file.write_text(f"{text}\n")
    found = load_settings(home, {})
    (problem,) = found.problems
    assert (problem.name, problem.meant) == (name, meant)
    assert not found.wrong("spending")
    assert found.wrong(meant or name.partition(".")[0])


def test_names_that_a_person_chooses_are_known(home: Home) -> None:
    text = "[rates_micros]\nspending = 5\n[ui.keys]\nquit = 'q'\n[cloud.pinned_versions]\na = 'b'\n"
    home.settings_file.write_text(text)
    assert load_settings(home, {}).problems == ()


def test_a_limit_written_twice_is_refused_by_its_line(home: Home) -> None:
    home.settings_file.write_text("[spending]\nenabled = true\n[spending]\nenabled = false\n")
    with pytest.raises(SettingsError, match="line 3"):
        load_settings(home, {})


def test_a_file_that_is_no_toml_is_refused_by_its_line(home: Home) -> None:
    home.settings_file.write_text("[cloud]\nhardware = \n")
    with pytest.raises(SettingsError, match=r"not valid TOML.*line 2"):
        load_settings(home, {})
    with pytest.raises(SettingsError, match="line 2"):
        save_setting(home, "cloud", "consent", "never")
    assert home.settings_file.read_text() == "[cloud]\nhardware = \n"


def test_a_wrong_value_elsewhere_stops_no_change(home: Home) -> None:
    home.settings_file.write_text("[cloud]\nhardware = 4\n")
    save_setting(home, "cloud", "consent", "never")
    assert load_settings(home, {}).cloud.consent == "never"
    save_setting(home, "cloud", "hardware", "h100")
    assert load_settings(home, {}).problems == ()


def test_written_values_have_a_comment(home: Home) -> None:
    save_setting(home, "listener", "public_url", "https://t.example")
    save_setting(home, "listener", "public_url", "https://u.example")
    text = home.settings_file.read_text()
    assert text.startswith(f"# {HEADER[0]}\n")
    assert text.count(catalog()["listener.public_url"].help) == 1
    assert "https://u.example" in text
    dotted = "cloud.hardware = 'h100' # mine\n"
    home.settings_file.write_text(dotted)
    save_settings(home, "cloud", {"consent": "allow", "config_roots": ("a", "b")})
    cloud = load_settings(home, {}).cloud
    assert (cloud.hardware, cloud.consent, cloud.config_roots) == ("h100", "allow", ("a", "b"))
    assert "# mine" in home.settings_file.read_text()


def test_every_field_of_a_section_is_a_setting_with_a_meaning() -> None:
    names = [
        f"{section.name}.{item.name}"
        for section in fields(Settings)
        if is_dataclass(values := getattr(Settings(), section.name))
        for item in fields(values)
    ]
    assert list(catalog()) == names
    for name, setting in catalog().items():
        assert 10 < len(setting.help) < 100, name
        assert "{" not in setting.help, name
        assert setting.unfit(setting.default) == "", name


def test_the_help_of_a_setting_names_its_choices_and_limits() -> None:
    assert catalog()["spending.period"].help == "rolling window: daily, weekly or monthly"
    assert catalog()["network.timeout"].help == "seconds to wait for an answer, 1 to 600"


_WRITER = """
import sys
from tui.settings import Home, save_setting, writing
writing._LOCK_SECONDS = 60.0  # on a busy machine three that never pause starve one another
for number in range(25):
    save_setting(Home.resolve(), "rates_micros", f"{sys.argv[1]}{number}", number)
"""


def test_concurrent_writers_lose_no_change(home: Home) -> None:
    home.settings_file.write_text("# mine\n[future]\nkept = 1\n")
    environ = os.environ | {"SIMPLETUNER_TUI_HOME": str(home.root)}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, name], env=environ) for name in "abc"
    ]
    assert [one.wait(120) for one in writers] == [0, 0, 0]
    found = load_settings(home, {}).rates_micros
    assert found == {f"{name}{number}": number for name in "abc" for number in range(25)}
    assert "# mine\n[future]\nkept = 1" in home.settings_file.read_text()
    assert [one.name for one in home.root.glob(".settings*")] == []


def test_a_settings_file_that_is_a_link_stays_a_link(home: Home, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.toml").write_text("# there\n")
    home.settings_file.symlink_to(tmp_path / "dotfiles.toml")
    save_setting(home, "cloud", "consent", "never")
    assert home.settings_file.is_symlink()
    assert "never" in (tmp_path / "dotfiles.toml").read_text()


def test_unknown_names_and_comments_survive_a_change(home: Home) -> None:
    home.settings_file.write_text("# mine\n[cloud]\nhardware = 'h100'  # big\nfuture = 1\n")
    save_setting(home, "cloud", "consent", "never")
    text = home.settings_file.read_text()
    assert "# mine" in text
    assert "# big" in text
    assert "future = 1" in text
    assert load_settings(home, {}).cloud.consent == "never"
    assert home.settings_file.stat().st_mode & 0o777 == 0o600


def test_a_change_that_would_not_be_valid_leaves_the_file_alone(home: Home) -> None:
    save_setting(home, "cloud", "hardware", "h100")
    before = home.settings_file.read_text()
    with pytest.raises(SettingsError):
        save_settings(home, "cloud", {"hardware": 7})
    assert home.settings_file.read_text() == before


def test_none_takes_a_value_back_to_its_default(home: Home) -> None:
    save_settings(home, "network", {"timeout": 5.0, "proxy": "http://localhost:3128"})
    save_settings(home, "network", {"timeout": None})
    network = load_settings(home, {}).network
    assert network.timeout == Settings().network.timeout
    assert network.proxy == "http://localhost:3128"


def test_the_environment_chooses_the_api_base_and_the_home(tmp_path: Path) -> None:
    environ = {
        "SIMPLETUNER_TUI_HOME": str(tmp_path / "elsewhere"),
        "SIMPLETUNER_TUI_API_BASE": "http://127.0.0.1:9/v1/",
    }
    home = Home.resolve(environ)
    assert home.root == tmp_path / "elsewhere"
    assert home.outputs == tmp_path / "elsewhere" / "cloud_outputs"
    assert load_settings(home, environ).cloud.api_base == "http://127.0.0.1:9/v1"


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=200))
def test_the_socket_always_fits_and_is_the_same_for_the_same_home(name: str) -> None:
    one = Home(Path("/tmp") / name, Path("/tmp"))
    assert len(str(one.socket).encode()) <= 100
    assert one.socket == Home(Path("/tmp") / name, Path("/elsewhere")).socket
