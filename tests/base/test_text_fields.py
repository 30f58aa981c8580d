"""What people type into fields, good and bad."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.base import text_fields
from tui.base.text_fields import FieldError


@pytest.mark.parametrize(
    ("text", "micros"),
    [("50", 50_000_000), ("$50", 50_000_000), (" 12.50 ", 12_500_000), ("1,000", 10**9),
     ("$1,250.50", 1_250_500_000), (".5", 500_000), (50, 50_000_000), (0.1, 100_000),
     ("0", 0), ("1000000", 10**12), ("0.000001", 1), ("50 USD", 50_000_000)],
)  # fmt: skip
def test_valid_amounts(text: Any, micros: int) -> None:
    assert text_fields.read_amount(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "  ", "-1", "−1", "abc", "1e309", "NaN", "inf", "1,5", "1,50", "1.2.3", "10,00,0",
     "1000001", "9" * 400, "5 %", "5€", "٥٠", "0x10", None, True, [], float("nan"), float("inf"),
     1e309, -0.5],
)  # fmt: skip
def test_invalid_amounts(text: Any) -> None:
    with pytest.raises(FieldError):
        text_fields.read_amount(text)


@given(st.integers(0, text_fields.MOST_MICROS))
def test_an_amount_loses_nothing(micros: int) -> None:
    assert text_fields.read_amount(f"{micros // 10**6}.{micros % 10**6:06d}") == micros


@given(st.text() | st.floats() | st.integers() | st.none())
def test_any_value_is_parsed_or_refused(value: Any) -> None:
    for read in (
        text_fields.read_amount,
        text_fields.read_rate,
        text_fields.read_proxy,
        text_fields.read_speed,
        text_fields.read_names,
        text_fields.read_switch,
    ):
        with contextlib.suppress(FieldError):  # and nothing else
            read(value)


@pytest.mark.parametrize(
    ("text", "micros"), [("$3.51/h", 975), ("0.000975/s", 975), (975, 975), ("975", 975)]
)
def test_rates(text: Any, micros: int) -> None:
    assert text_fields.read_rate(text) == micros


@pytest.mark.parametrize("text", ["", "0", 0, -1, "3.51", "$9999999/h", "1e309/h", True, None])
def test_invalid_rates(text: Any) -> None:
    with pytest.raises(FieldError):
        text_fields.read_rate(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("", ""), ("proxy:3128", "http://proxy:3128"), ("http://u:p@proxy:3128/", "http://u:p@proxy:3128"),
     ("socks5h://localhost:1080", "socks5h://localhost:1080"), ("http://[::1]:8", "http://[::1]:8")],
)  # fmt: skip
def test_proxies(text: str, address: str) -> None:
    assert text_fields.read_proxy(text) == address


@pytest.mark.parametrize(
    "text",
    ["ftp://proxy:1", "http://", "http://proxy:0", "http://proxy:99999", "http://proxy:3128/path",
     "http://proxy?x=1", "http://proxy#x", "two proxies", "http://proxy:port", 5, None, "http://[::1"],
)  # fmt: skip
def test_invalid_proxies(text: Any) -> None:
    with pytest.raises(FieldError):
        text_fields.read_proxy(text)


def test_a_bundle_must_be_a_file_with_certificates(tmp_path: Path) -> None:
    import certifi

    assert text_fields.read_ca_bundle(certifi.where()) == certifi.where()
    assert text_fields.read_ca_bundle("") == ""
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for bad in (str(tmp_path), str(tmp_path / "none.pem"), str(empty), 7, "\0"):
        with pytest.raises(FieldError):
            text_fields.read_ca_bundle(bad)


def test_a_choice_by_any_name() -> None:
    choices, synonyms = ("daily", "weekly", "monthly"), {"30 d": "monthly"}
    assert text_fields.read_choice(" Weekly ", choices) == "weekly"
    assert text_fields.read_choice("30 D", choices, synonyms) == "monthly"
    with pytest.raises(FieldError, match="daily, weekly or monthly"):
        text_fields.read_choice("yearly", choices, synonyms)


@pytest.mark.parametrize(
    ("text", "speed"),
    [("800k", 819_200), (" 5 MiB/s ", 5 * 1024**2), ("2.5M", 2_621_440), ("1gb", 1024**3),
     (7, 7), ("off", 0), ("0", 0), ("", 0), (None, 0), ("999999999999g", 10**12)],
)  # fmt: skip
def test_speeds(text: object, speed: int) -> None:
    assert text_fields.read_speed(text) == speed


@pytest.mark.parametrize("text", ["fast", "-1", "5 MiB/h", "1e9", True])
def test_speeds_that_are_none(text: object) -> None:
    with pytest.raises(FieldError, match="must be like"):
        text_fields.read_speed(text)
