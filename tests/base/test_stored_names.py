"""Names of strangers become paths that are inert, different, inside their folder, and readable."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.base.stored_names import (
    MAX_STORED_BYTES,
    distinct_paths,
    inert_path,
    is_inert,
    original_path,
    same_file,
    stored_path,
)

CASES = {
    "pytorch_lora_weights.safetensors": "pytorch_lora_weights.safetensors",
    "checkpoint-100/random_states_0.pkl": "checkpoint-100/random_states_0.pkl",
    "é 100% 猫.png": "é 100% 猫.png",
    "100%.png": "100%.png",
    "a%41": "a%2541",
    ".git/config": "_.git/config",
    "_.git": "__.git",
    "a/.Git": "a/_.Git",
    "\u200c.git/config": "%E2%80%8C.git/config",
    ".g\u200dit": "_.g%E2%80%8Dit",
    "git~1": "_git~1",
    ".vscode/settings.json": "_.vscode/settings.json",
    "sitecustomize.py": "_sitecustomize.py",
    "HEAD": "_HEAD",
    "header": "header",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "_nul.txt": "__nul.txt",
    "Com1 .log": "_Com1 .log",
    "LPT¹": "_LPT¹",
    "console": "console",
    "a.": "a%2E",
    "a. ": "a.%20",
    "...": "_..%2E",
    "a\\..\\b": "a%5C..%5Cb",
    "C:x": "C%3Ax",
    "a\x00\n\x1b[2J": "a%00%0A%1B[2J",
    "\u202egpj.exe": "%E2%80%AEgpj.exe",
    "a\u00a0": "a%C2%A0",
    "a\u3164": "a%E3%85%A4",
}


@pytest.mark.parametrize(("name", "stored"), CASES.items())
def test_names_that_cannot_stand_are_stored_under_others(name: str, stored: str) -> None:
    assert stored_path(name) == stored
    assert original_path(stored) == name
    assert is_inert(stored)
    # One that begins with underscores is inert, and is escaped all the same: it could be another's.
    assert is_inert(name) == (name == stored or name.startswith("_") or name == "a%41")


@pytest.mark.parametrize(
    "name", ["x" * 255, "." + "x" * 254, "é" * 200 + ".safetensors", "\x01" * 90]
)
def test_a_long_name_leaves_room_for_ours(name: str) -> None:
    stored = stored_path(name)
    assert len(stored.encode()) <= MAX_STORED_BYTES
    assert is_inert(stored)
    assert stored_path(name[:-1] + "y") != stored
    assert stored.endswith(".safetensors") == name.endswith(".safetensors")


LETTERS = st.characters(exclude_characters="/") | st.sampled_from("._%~ \\:\u200b\u202eaAéE\u0301")
WORDS = st.sampled_from(
    ["CON", "nul", ".git", "git~1", "HEAD", "_", "%41", "..", " ", "sitecustomize.py", "x" * 220]
)
NAMES = (
    st.lists(WORDS | st.text(LETTERS, max_size=6), min_size=1, max_size=3)
    .map("".join)
    .filter(lambda name: name not in {"", ".", ".."})
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@given(PATHS)
def test_every_stored_path_is_inert_inside_and_readable(path: str) -> None:
    stored = stored_path(path)
    assert is_inert(stored)
    assert inert_path(stored) == stored  # what is stored is published under the same name
    parts = stored.split("/")
    assert len(parts) == len(path.split("/"))
    assert os.path.normpath(f"/base/{stored}") == f"/base/{stored}"
    for part in parts:
        assert 0 < len(part.encode()) <= MAX_STORED_BYTES
        assert not part.startswith(".")
        assert not part.endswith((".", " "))
        assert not any(
            unicodedata.category(letter).startswith(("Cc", "Cf", "Cs")) for letter in part
        )
    if all(len(part.encode()) < MAX_STORED_BYTES for part in parts):
        assert original_path(stored) == path


@given(st.lists(PATHS, max_size=8), st.randoms(use_true_random=False))
def test_no_two_files_of_a_folder_get_the_same_path(paths: list[str], random: object) -> None:
    del random
    variants = [*paths, *(path.swapcase() for path in paths), *map(stored_path, paths)]
    chosen = distinct_paths(variants)
    assert chosen.keys() == set(variants)
    assert len({same_file(path) for path in chosen.values()}) == len(chosen)
    assert all(is_inert(path) for path in chosen.values())
    assert distinct_paths(reversed(variants)) == chosen  # the order decides nothing
    assert distinct_paths(chosen.values()) == {path: path for path in chosen.values()}


def test_an_inert_path_can_be_made_on_this_disk(tmp_path: Path) -> None:
    for name in CASES:
        path = tmp_path / stored_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(CASES)
