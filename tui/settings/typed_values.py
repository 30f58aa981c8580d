"""Reads what people type, or programs send, for a setting: by its declaration, or by its kind."""

from __future__ import annotations

import contextlib
import math
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui.base import text_fields
from tui.base.addresses import API_SETTING, AddressError, read_address
from tui.base.text_fields import FieldError, read_speed
from tui.settings import listener_values
from tui.settings.metadata import Setting
from tui.settings.values import catalog
from tui.simpletuner.request.hardware import PROFILES, normalise_profile

Reader = Callable[[Any], Any]
_ON: Final = ("true", "on", "yes", "1")
_OFF: Final = ("false", "off", "no", "0")
_LONGEST: Final = 2000
_MOST_WORDS: Final = 50


def setting_named(name: str) -> Setting:
    """The declaration of a setting that has a value of its own.

    Raises:
        FieldError: there is no such setting, or it is a table.
    """
    setting = catalog().get(name)
    if setting is not None and not setting.is_table:
        return setting
    is_table = setting is not None or name.partition(".")[0] == "rates_micros"
    raise FieldError("is a table; settings edit changes it" if is_table else "is not known")


def read_value(setting: Setting, value: Any, *, typed: bool = True) -> Any:
    """The value that the file holds for what was typed or sent.

    Args:
        setting: its declaration.
        value: a text as a person types it, or plain data.
        typed: whether texts are read as switches and numbers too; False is for programs' JSON.

    Raises:
        FieldError: the value cannot be the setting's.
    """
    spec = setting.spec
    if spec.kind:
        return KINDS[spec.kind](value)
    if spec.choices:
        return text_fields.read_choice(value, spec.choices, dict(spec.synonyms))
    if isinstance(setting.default, bool):
        return _switch(value) if typed else text_fields.read_switch(value)
    if isinstance(setting.default, int | float):
        return _number(setting, value, typed=typed)
    return _text(value) if isinstance(setting.default, str) else _texts(value)


def read_settings(body: Mapping[str, Any]) -> tuple[dict[str, object], dict[str, str]]:
    """Values by name (None for a default again), and what is wrong, by name."""
    values: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name, value in body.items():
        try:
            setting = setting_named(name)
            values[name] = None if value is None else read_value(setting, value)
        except FieldError as error:
            wrong[name] = str(error)
    return values, wrong


def _switch(value: Any) -> bool:
    """On or off, also in words."""
    text = value.strip().lower() if isinstance(value, str) else value
    if isinstance(text, str) and text in (*_ON, *_OFF):
        return text in _ON
    return text_fields.read_switch(value)


def _number(setting: Setting, value: Any, *, typed: bool) -> int | float:
    """A whole number where the default is one, else any number; within its limits."""
    whole = isinstance(setting.default, int)
    number: int | float | None = None
    if isinstance(value, str) and typed:
        text = value.strip()
        with contextlib.suppress(ValueError):
            if not whole:
                number = float(text)
            elif re.fullmatch(r"-?[0-9]{1,15}", text):
                number = int(text)
    elif isinstance(value, int if whole else int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = value if whole else float(value)
    endless = isinstance(number, float) and not math.isfinite(number)
    if number is None or endless or setting.unfit(number):
        raise FieldError(_number_wanted(setting, whole=whole))
    return number


def _number_wanted(setting: Setting, *, whole: bool) -> str:
    unit = f" {setting.spec.unit}" if setting.spec.unit else ""
    if setting.spec.limits is None:
        return f"must be a {'whole ' * whole}number{' of' * bool(unit)}{unit}"
    low, high = setting.spec.limits
    if whole:
        return f"must be a whole number from {low:.0f} to {high:.0f}{unit}"
    return f"must be {low:g} to {high:g}{unit}"


def _text(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None or len(text) > _LONGEST or not text.isprintable():
        raise FieldError("must be one line of text")
    return text


def _texts(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise FieldError("must be a list of texts")
    return tuple(text for item in items if (text := _text(item)))


# -- kinds: what the type, the choices and the limits of a setting do not say ----------------------


def read_web_address(value: Any) -> str:
    """An http(s) address; http for this machine alone.

    Raises:
        FieldError: it is none, or holds a password.
    """
    try:
        return read_address(value if isinstance(value, str) else "", API_SETTING).url
    except AddressError as error:
        raise FieldError(str(error)) from None


def _web_address_or_empty(value: Any) -> str:
    return "" if isinstance(value, str) and not value.strip() else read_web_address(value)


def _hardware(value: Any) -> str:
    try:
        return normalise_profile(value if isinstance(value, str) else "")
    except ValueError:
        raise FieldError(f"must be one of {', '.join(PROFILES)}") from None


def _staging_place(value: Any) -> str:
    """A place by its name in drafts; the engine knows whether there is such a destination."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"auto|hub|here|bucket:[a-z0-9][a-z0-9_-]{0,39}", text):
        raise FieldError("must be auto, hub, here or bucket: and the name of a destination")
    return text


def _command(value: Any) -> tuple[str, ...]:
    """A program and its arguments: words as a shell divides them, or a list."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        raise FieldError("has an open quote") from None
    if not isinstance(words, list | tuple) or len(words) > _MOST_WORDS:
        raise FieldError("must be a program and its arguments")
    for word in words:
        if not isinstance(word, str) or len(word) > _LONGEST or not word.isprintable():
            raise FieldError("must be a program and its arguments")
    if words and not words[0]:
        raise FieldError("must begin with a program")
    if words and shutil.which(words[0]) is None:
        raise FieldError(f"begins with {words[0]}, and there is no such program")
    return tuple(words)


KINDS: Final[Mapping[str, Reader]] = {
    "command": _command,
    "config_folders": listener_values.read_config_folders,
    "ca_bundle": text_fields.read_ca_bundle,
    "folder": listener_values.read_folder,
    "hardware": _hardware,
    "hosts": text_fields.read_names,
    "listen": listener_values.read_listen,
    "networks": listener_values.read_networks,
    "path": listener_values.read_path,
    "proxy": text_fields.read_proxy,
    "public_url": listener_values.read_public_url,
    "speed": read_speed,
    "staging_place": _staging_place,
    "web_address": read_web_address,
    "web_address_or_empty": _web_address_or_empty,
}
"""Readers by the `kind` of a setting's declaration; each takes what it has answered again."""
