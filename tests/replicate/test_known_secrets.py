"""A secret that is known is masked by value, in every form and in every piece of a text."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from tests.canary import MARK, leaks_in
from tui.replicate.known_secrets import KNOWN, KnownSecrets
from tui.replicate.redact import redact_text
from tui.replicate.secret import Secret

VALUES = [
    f"plain{MARK}", f"{MARK}/+=", f"a b{MARK}&c?d#e", f'quo"te\\{MARK}', f"\u00fcber{MARK}\n\u732b",
]  # fmt: skip
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON as UTF-8": lambda value: json.dumps({"a": value}, ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps(json.dumps([value])) if '"' not in value else value,
    "percent": lambda value: f"https://a.example/?key={quote(value, safe='')}",
    "path": lambda value: f"https://a.example/{quote(value)}",
    "form": lambda value: urlencode({"key": value}) if " " not in value else value,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "login": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "login of another length": lambda value: base64.b64encode(f"me:{value}:x".encode()).decode(),
    "URL-safe base64": lambda value: base64.urlsafe_b64encode(f"a{value}".encode()).decode(),
    "Python": repr,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked(form: str) -> None:
    for value in VALUES:
        if form == "JSON in JSON" and not value.isascii():
            continue
        known = KnownSecrets()
        known.add(value)
        text = f"before {FORMS[form](value)} after"
        assert leaks_in(text.encode()), (form, value)
        masked = known.redact(text)
        assert not leaks_in(masked.encode()), (form, value, masked)
        assert masked.startswith("before ")
        assert masked.endswith(" after")


def test_what_is_no_secret_stays() -> None:
    known = KnownSecrets()
    known.add("", None, "short", Secret("1234567"), "x" * 10_000)
    assert known.redact("a short 1234567 text") == "a short 1234567 text"
    known.add("long enough")
    known.add(Secret("long enough and more"))
    assert known.redact("long enough and more, long enough") == "***, ***"
    known.forget()
    assert known.redact("long enough") == "long enough"


def test_data_keep_words_that_are_somebodys_password() -> None:
    known = KnownSecrets()
    known.add(
        "minioadmin", "training", "password123", "simpletuner", "s3cretS3cret!", f"long {MARK}"
    )
    text = "training of simpletuner in s3://minioadmin with password123"
    assert known.redact(text) == "*** of *** in s3://*** with ***"
    assert known.redact_data(text) == text
    assert known.redact_data(f"s3cretS3cret! and long {MARK}") == "*** and ***"
    assert known.begun("a training of minioadmi") == 0


def test_the_number_of_values_is_bounded() -> None:
    known = KnownSecrets()
    for number in range(2000):
        known.add(f"secret number {number:05}")
    assert known.redact("secret number 01999") == "***"
    assert known.redact("secret number 00000") == "secret number 00000"
    assert len(known._forms) < 3000


def test_a_text_in_pieces_holds_back_what_may_be_a_secrets_start() -> None:
    known = KnownSecrets()
    known.add(f"s-{MARK}-1", "sundry things and more")
    text = f"some log with s-{MARK}-1 and sundry things and more in it"
    written, waiting = "", ""
    for letter in text:
        waiting = known.redact(waiting + letter)
        keep = known.begun(waiting)
        ready, waiting = waiting[: len(waiting) - keep], waiting[len(waiting) - keep :]
        written += ready
        assert not leaks_in(written.encode())
    assert written + waiting == "some log with *** and *** in it"


def test_every_message_is_masked_by_value() -> None:
    secret = f"looks-like-nothing-{MARK}"
    assert leaks_in(redact_text(f"refused: {secret} is unknown").encode())
    KNOWN.add(secret)
    assert redact_text(f"refused: {secret} is unknown") == "refused: *** is unknown"
