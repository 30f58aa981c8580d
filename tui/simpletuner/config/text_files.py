"""Reads the text files of a config: UTF-8 text, JSON and TOML, with errors that name the place."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.simpletuner.errors import ConfigError

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Limit of a file that is read as a config; a larger file was chosen by mistake."""
_PYTHON_WORD: Final = re.compile(r"(?:True|False|None)\b")
_BARE_NAME: Final = re.compile(r"[A-Za-z_-][\w-]*\s*:")
_DEEP_NAME: Final = re.compile(
    r"""(?:^|[{,\[])[ \t]*(?:[\w"'-]{1,100}[ \t]*\.[ \t]*){32}""", re.MULTILINE
)
"""A dotted name of TOML that nests deeply; its reader takes time by the square of the depth."""
_ADVICE: Final = "Correct that line; a missing or extra comma or quote is the usual cause."


def read_text_file(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        ConfigError: missing, unreadable, too long, or not text.
    """
    try:
        return _read_bounded(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "Check the path.", path) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file", "Save it as UTF-8.", path) from None
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"{path} cannot be read: {reason}", "Check its rights.", path) from error


def _read_bounded(path: Path) -> bytes:
    """The bytes of a small file.

    A project of a stranger may hold a link to a device without an end, or a pipe that nobody
    writes to: opening one would wait forever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigError(f"{path} is not a file with text", "Check the path.", path)
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is too long to be a config", "Check the path.", path)
    return data


def read_json_file(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        ConfigError: as `read_text_file`, or not JSON; then with line and column.
    """
    text = read_text_file(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem, advice, place = _explain(text, error)
        line = text.count("\n", 0, place) + 1
        column = place - text.rfind("\n", 0, place)
        raise ConfigError(
            f"{path} is not JSON: {problem} at line {line}, column {column}",
            advice,
            path,
            line,
            column,
        ) from None
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError:  # more digits than Python takes for a number
        raise _too_many_digits(path) from None


def read_toml_file(path: Path) -> JsonObject:
    """The TOML document in a file.

    Raises:
        ConfigError: as `read_text_file`, or not TOML.
    """
    text = read_text_file(path)
    if _DEEP_NAME.search(text):
        raise _too_deep(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        advice = "Correct that line; text needs quotes, and a line holds one option."
        raise ConfigError(f"{path} is not TOML: {error}", advice, path) from None
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError:
        raise _too_many_digits(path) from None


def _too_deep(path: Path) -> ConfigError:
    return ConfigError(f"{path} is nested too deeply", "Check the file.", path)


def _too_many_digits(path: Path) -> ConfigError:
    return ConfigError(f"{path} holds a number that is too long", "Check the file.", path)


def _explain(text: str, error: json.JSONDecodeError) -> tuple[str, str, int]:
    """The problem in words, what to do, and its offset in the text."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    comma = before.endswith(",") and after[:1] in ("}", "]")
    # From Python 3.13 on the error stands at the comma itself.
    if comma or (after[:1] == "," and after[1:].lstrip()[:1] in ("}", "]")):
        place = len(before) - 1 if comma else error.pos
        closing = after[0] if comma else after[1:].lstrip()[0]
        advice = "Remove that comma: JSON has none after the last item."
        return f"a trailing comma before the closing {closing}", advice, place
    if after.startswith(("//", "/*", "#")):
        return "a comment", "Remove it: JSON has no comments.", error.pos
    if after.startswith("'"):
        return "text in single quotes", 'Use double quotes: "…".', error.pos
    if _BARE_NAME.match(after):
        return "a name without quotes", 'Put names into double quotes: "…".', error.pos
    if error.msg.startswith("Expecting ',' delimiter"):
        return "a missing comma", "Put a comma between two items.", error.pos
    if word := _PYTHON_WORD.match(after):
        written = {"True": "true", "False": "false", "None": "null"}[word[0]]
        return f"{word[0]} is Python", f"Write {written}.", error.pos
    return error.msg, _ADVICE, error.pos
