"""Names of repositories and of providers: as the Hub's own library and the trainer take them."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import example, given
from hypothesis import strategies as st

from tui.simpletuner.checks.option_rules import _PROVIDERS as ACCEPTED
from tui.simpletuner.request.delivery import clean_repo_id, is_s3
from tui.simpletuner.request.delivery_inputs import _PROVIDERS as LABELS

names = st.text("ab0._-", max_size=6)


def is_valid(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


@given(st.builds("/".join, st.lists(names, min_size=2, max_size=2)))
@example("me/cats")
@example("me/a..b")
@example("me/a--b")
@example("me/cats.git")
@example("a..b/cats")
@example("me/_cats_")
@example(f"me/{'a' * 96}")
@example(f"me/{'a' * 97}")
def test_a_name_is_taken_when_the_hubs_library_takes_it(name: str) -> None:
    if not name.startswith("/") and not name.endswith("/"):
        assert (clean_repo_id(name) == name) is is_valid(name)


@pytest.mark.parametrize("provider", ["s3", "backblaze_b2", "b2"])
def test_each_name_of_an_s3_provider_is_one(provider: str) -> None:
    target = {"provider": provider, "bucket": "outputs"}
    assert is_s3(target)
    assert provider in ACCEPTED
    assert LABELS[provider] != provider


@pytest.mark.parametrize("provider", ["azure_blob", "dropbox", "B2 ", "", None])
def test_no_other_provider_is_s3(provider: str | None) -> None:
    assert not is_s3({"provider": provider, "bucket": "outputs"})
