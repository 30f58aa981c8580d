"""What people type for a job's delivery."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.request.delivery import READERS, clean_repo_id, read_field, read_repo

_ENDS = string.ascii_letters + string.digits
_PART = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda part: "--" not in part and ".." not in part and not part.endswith(".git")
)
_OWNER = _PART.filter(lambda part: part not in ("models", "datasets", "spaces"))
_HOSTS = (
    "",
    "hf.co/",
    "huggingface.co/",
    "www.huggingface.co/",
    "http://huggingface.co/",
    "https://hf.co/",
    "https://huggingface.co/",
    "https://www.huggingface.co/",
    "HTTPS://HuggingFace.co/",
)
_TAILS = ("", "/", "/tree/main", "/blob/main/README.md", "/resolve/main/a.safetensors",
          "/discussions/1", "?x=1", "#card", "/tree/main?x=1#y", " ", "\n")  # fmt: skip
_BEGINNINGS = (
    "", "https://", "https://[", "https://huggingface.co/", "hf.co/", "://", "hf.co/datasets/",
    "https://f.example.org:", "/", "{job_id}",
)  # fmt: skip


@given(_OWNER, _PART, st.sampled_from(_HOSTS), st.sampled_from(_TAILS))
def test_every_address_of_a_repository_gives_its_name(
    owner: str, name: str, host: str, tail: str
) -> None:
    assert read_repo(f" {host}{owner}/{name}{tail}") == f"{owner}/{name}"


@given(_OWNER, _PART, st.sampled_from(_HOSTS), st.sampled_from(("datasets", "spaces")))
def test_datasets_and_spaces_are_refused(owner: str, name: str, host: str, kind: str) -> None:
    with pytest.raises(ValueError, match="dataset or a Space"):
        read_repo(f"{host}{kind}/{owner}/{name}")


@given(st.sampled_from(_BEGINNINGS), st.text(max_size=40))
def test_any_text_is_read_as_a_name_or_refused(beginning: str, rest: str) -> None:
    repository = clean_repo_id(beginning + rest)
    if repository is not None:
        assert set(repository) <= set(_ENDS + "._-/")
        assert clean_repo_id(repository) == repository


@given(
    st.sampled_from(sorted(READERS)),
    st.one_of(st.none(), st.integers(), st.builds("".join, st.tuples(
        st.sampled_from(_BEGINNINGS), st.text(max_size=40)))),
)  # fmt: skip
def test_a_field_is_read_or_refused_with_a_message(name: str, text: object) -> None:
    value = ""
    with contextlib.suppress(ValueError):
        value = read_field(name, text)
    if value:
        assert read_field(name, value) == value
        assert value.isprintable()


@pytest.mark.parametrize("text", ["https://[::1", "alice\n/cats", "https://hf.co]/a/b"])
def test_other_addresses_are_no_repository(text: str) -> None:
    with pytest.raises(ValueError, match="write owner/name"):
        read_repo(text)
