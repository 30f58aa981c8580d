"""Settings as people type them and as programs send them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.base.text_fields import FieldError
from tui.settings.metadata import Setting, about
from tui.settings.typed_values import KINDS, read_settings, read_value
from tui.settings.values import Settings, as_typed, catalog, values_of


def test_every_setting_can_be_read_and_takes_its_default() -> None:
    tables, defaults = set(), values_of(Settings())
    for name, setting in catalog().items():
        if setting.is_table:
            tables.add(name)
        else:
            assert read_value(setting, setting.default) == setting.default, name
            assert read_value(setting, setting.default, typed=False) == setting.default, name
            assert read_value(setting, as_typed(defaults[name])) == setting.default, name
    assert tables == {"cloud.pinned_versions", "ui.keys"}


def test_no_setting_takes_any_text() -> None:
    for name, setting in catalog().items():
        if isinstance(setting.default, str | tuple):
            assert setting.spec.kind or setting.spec.choices, name


def test_every_kind_is_known_and_used() -> None:
    kinds = {setting.spec.kind for setting in catalog().values()} - {""}
    assert kinds == set(KINDS)


def declared(default: Any, **more: Any) -> Setting:
    """A setting that does not exist."""
    return Setting("ui", "sample", default, about("a setting of this test", **more)["setting"])


@pytest.mark.parametrize(
    ("setting", "typed", "value"),
    [
        (declared(False), " On ", True),
        (declared(True), "no", False),
        (declared(3), "7", 7),
        (declared(3), 7, 7),
        (declared(3, limits=(-5, 5)), "-5", -5),
        (declared(0.5), "1.25", 1.25),
        (declared(0.5), 1, 1.0),
        (declared("a", choices=("a", "b")), "B", "b"),
        (declared("a", choices=("a", "b"), synonyms=(("second", "b"),)), "Second", "b"),
        (declared("a"), " some text ", "some text"),
        (declared(()), "one, two", ("one", "two")),
        (declared(()), ["one, two"], ("one, two",)),
    ],
)
def test_a_setting_is_read_by_its_declaration(setting: Setting, typed: Any, value: Any) -> None:
    assert read_value(setting, typed) == value
    assert type(read_value(setting, typed)) is type(setting.default)


@pytest.mark.parametrize(
    ("setting", "typed", "why"),
    [
        (declared(False), "perhaps", "must be true or false"),
        (declared(False), 1, "must be true or false"),
        (declared(3), "many", "must be a whole number"),
        (declared(3), 1.5, "must be a whole number"),
        (declared(3), True, "must be a whole number"),
        (declared(3, limits=(1, 5)), 10**400, "must be a whole number from 1 to 5"),
        (declared(3, limits=(1, 5), unit="files"), "6", "must be a whole number from 1 to 5 files"),
        (declared(0.5), "nan", "must be a number"),
        (declared(0.5, unit="seconds"), "1e309", "must be a number of seconds"),
        (declared(0.5), 10**400, "must be a number"),
        (declared(0.5, limits=(0, 1), unit="seconds"), -1, "must be 0 to 1 seconds"),
        (declared("a", choices=("a", "b")), "c", "must be a or b"),
        (declared("a"), "two\nlines", "must be one line of text"),
        (declared("a"), 3, "must be one line of text"),
        (declared(()), 3, "must be a list of texts"),
        (declared(()), [3], "must be one line of text"),
    ],
)
def test_what_a_declaration_excludes(setting: Setting, typed: Any, why: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_value(setting, typed)
    assert str(caught.value) == why


@pytest.mark.parametrize("setting", [declared(False), declared(3), declared(0.5)])
def test_a_program_sends_no_texts_for_switches_and_numbers(setting: Setting) -> None:
    for text in ("1", "true", "0.5"):
        with pytest.raises(FieldError):
            read_value(setting, text, typed=False)


@given(
    st.sampled_from(sorted(catalog())),
    st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text())),
)
def test_whatever_is_sent_for_a_setting_is_read_or_refused(name: str, value: Any) -> None:
    values, wrong = read_settings({name: value})
    assert {*values, *wrong} == {name}
    assert all(wrong.values())
