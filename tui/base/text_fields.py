"""Parses the values of text fields.

Forms use these functions before they send anything, and the engine uses them again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from tui.base.addresses import PROXY, AddressError, read_address

MOST_MICROS: Final = 1_000_000 * 1_000_000
"""A million dollars: a larger amount is taken for a typing error."""
_AMOUNT: Final = re.compile(
    r"\d{1,9}(?:\.\d{0,6})?|\.\d{1,6}|\d{1,3}(?:,\d{3})+(?:\.\d{0,6})?", re.ASCII
)
_HOST: Final = re.compile(r"[\w.*:/\[\]-]+")
"""What a term of `NO_PROXY` is made of: a name with wildcards, an address, a network, a port."""
_SPEED: Final = re.compile(r"(\d{1,12}(?:\.\d+)?)\s*([kmg]?)(?:i?b)?")
_SPEED_FACTORS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_FASTEST: Final = 10**12


class FieldError(ValueError):
    """An invalid value; the message follows the field's name."""


def read_amount(value: Any) -> int:
    """Return an amount such as `50`, `$1,250.50` or `0.5` in micro-dollars.

    Raises:
        FieldError: it is not an amount, negative, or above a million dollars.
    """
    if isinstance(value, bool):
        raise FieldError("must be an amount of dollars, such as 50")
    if isinstance(value, int | float):
        value = repr(value)
    if not isinstance(value, str):
        raise FieldError("must be an amount of dollars, such as 50")
    text = value.strip().removesuffix("USD").removeprefix("$").strip()
    if not text:
        raise FieldError("must not be empty; switch the limit off instead")
    if text.startswith(("-", "−")):
        raise FieldError("must not be negative")
    if not _AMOUNT.fullmatch(text):
        if re.fullmatch(r"\d+,\d{1,2}", text):
            raise FieldError(f"is not clear; write {text.replace(',', '.')} with a point")
        raise FieldError("must be an amount of dollars, such as 50 or 12.50")
    try:
        micros = int((Decimal(text.replace(",", "")) * 1_000_000).to_integral_value())
    except InvalidOperation:
        raise FieldError("must be an amount of dollars, such as 50") from None
    if micros > MOST_MICROS:
        raise FieldError("must be at most $1,000,000")
    return micros


def read_rate(value: Any) -> int:
    """Return a rate in micro-dollars per second, from `$3.51/h`, `0.000975/s` or that number.

    Raises:
        FieldError: it is not a rate, not positive, or above $1 a second.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        micros = value
    elif isinstance(value, str) and value.strip().endswith(("/h", "/hr", "/hour")):
        micros = round(read_amount(value.rpartition("/")[0]) / 3600)
    elif isinstance(value, str) and value.strip().endswith(("/s", "/sec")):
        micros = read_amount(value.rpartition("/")[0])
    elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        micros = int(value)
    else:
        raise FieldError("must be a rate such as $3.51/h or 0.000975/s")
    if micros <= 0:
        raise FieldError("must be more than nothing")
    if micros > 1_000_000:
        raise FieldError("must be at most $1 a second")
    return micros


def read_choice(
    value: Any, choices: tuple[str, ...], synonyms: Mapping[str, str] | None = None
) -> str:
    """Return the matching choice; case and surrounding white space do not matter.

    Args:
        value: what was typed.
        choices: the words.
        synonyms: other texts that stand for one of them.

    Raises:
        FieldError: it is none of the choices.
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    text = (synonyms or {}).get(text, text)
    if text not in choices:
        raise FieldError(f"must be {', '.join(choices[:-1])} or {choices[-1]}")
    return text


def read_switch(value: Any) -> bool:
    """Check a boolean.

    Raises:
        FieldError: it is not a boolean.
    """
    if not isinstance(value, bool):
        raise FieldError("must be true or false")
    return value


def read_proxy(value: Any) -> str:
    """Return a proxy's URL, with `http://` when it has no scheme; "" for none.

    Raises:
        FieldError: it is not a proxy's address.
    """
    text = value.strip() if isinstance(value, str) else None
    if text is None:
        raise FieldError("must be an address such as http://proxy:3128")
    if not text:
        return ""
    try:
        return read_address(text if "://" in text else f"http://{text}", PROXY).url
    except AddressError as error:
        raise FieldError(str(error)) from None


def read_ca_bundle(value: Any) -> str:
    """Return the path of a PEM file with certificates; "" for none. Reads the file.

    Raises:
        FieldError: there is no such file, or it contains no certificate.
    """
    if not isinstance(value, str):
        raise FieldError("must be the path of a PEM file")
    text = value.strip()
    if not text:
        return ""
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            raise FieldError("is a folder; name the PEM file in it")
        data = path.read_bytes()[:4_000_000]
    except FileNotFoundError:
        raise FieldError("does not exist") from None
    except (OSError, ValueError) as error:
        raise FieldError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii"))
    except (ValueError, ssl.SSLError):
        raise FieldError("holds no certificate in PEM form") from None
    return str(path)


def read_speed(value: Any) -> int:
    """Bytes per second as typed: `5 MiB/s`, `800k`, `2.5M`; 0 for no limit, also typed as `off`.

    Raises:
        FieldError: it is not a speed.
    """
    text = str(value if value is not None else "").strip().lower().removesuffix("/s")
    if text in ("", "off", "no", "none"):
        return 0
    match = _SPEED.fullmatch(text)
    if match is None or isinstance(value, bool):
        raise FieldError("must be like 5 MiB/s or 800k, or off")
    return min(round(float(match[1]) * _SPEED_FACTORS[match[2]]), _FASTEST)


def read_names(value: Any) -> tuple[str, ...]:
    """Return host names from a list, or from one text separated by commas or spaces.

    Raises:
        FieldError: it is not a list of host names.
    """
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise FieldError("must be a list of host names")
    names = tuple(item.strip() for item in items if item.strip())
    for item in names:
        if len(item) > 255 or not _HOST.fullmatch(item):
            raise FieldError(f"holds {item[:50]}, which is no host name, address or network")
    return names
