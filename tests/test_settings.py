"""Settings: what the file may say, and words for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.settings import (
    Home,
    Settings,
    SettingsError,
    load_settings,
    save_setting,
    save_settings,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "state", tmp_path / "outputs")
    made.create()
    return made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cloud\n", "not valid TOML"),
        ("cloud = 3", "[cloud] must be a table"),
        ("[cloud]\nhardware = 4", "cloud.hardware must be a text"),
        ("[network]\nssl_verify = 1", "network.ssl_verify must be a true or false"),
        ("[rates_micros]\nl40s = 'cheap'", "rates_micros"),
        ("[rates_micros]\nl40s = true", "rates_micros"),
        ("rates_micros = 5", "rates_micros"),
    ],
)
def test_a_wrong_file_is_told_by_name(home: Home, text: str, words: str) -> None:
    home.settings_file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(home, {})
    assert words in caught.value.message
    assert caught.value.advice


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
