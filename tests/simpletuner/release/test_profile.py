"""Which release profile a version of the trainer gets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tui.simpletuner.release.profile import USER_WORDS, profile_for

OLD = datetime(2026, 8, 21, 23, 59, tzinfo=UTC)
NEW = datetime(2026, 10, 20, tzinfo=UTC)


def test_a_version_of_before_22_august_is_at_most_4_8() -> None:
    profile = profile_for(OLD)
    assert (profile.name, profile.source) == ("4.8.0", "date")
    assert profile.knows_data_files is False
    assert profile.aws_prefix_respected is False
    assert "at most 4.8.0" in profile.title


@pytest.mark.parametrize("created_at", [None, datetime(2026, 8, 22, tzinfo=UTC), NEW])
def test_of_an_unknown_release_only_what_holds_for_both_is_known(
    created_at: datetime | None,
) -> None:
    profile = profile_for(created_at)
    assert profile.name == "unknown"
    assert profile.archive == "ignored"  # in 4.8.0 and in 4.10.1 alike
    assert not profile.publishes_final
    assert (profile.knows_data_files, profile.knows_dataset_config) == (None, None)
    assert profile.aws_prefix_respected is None


def test_what_jobs_showed_counts_more_than_the_date() -> None:
    profile = profile_for(OLD, {"archive": "unpacks"})
    assert (profile.archive, profile.source) == ("unpacks", "observed")
    assert not profile.publishes_final
    assert profile_for(NEW, {"archive": "ignored"}).source == "observed"
    assert profile_for(NEW, {"final": True}).publishes_final


def test_the_users_word_counts_most() -> None:
    for word in USER_WORDS:
        profile = profile_for(OLD, {"archive": "unpacks"}, word)
        assert (profile.name, profile.source) == (word, "user")
    assert profile_for(OLD, {"archive": "unpacks"}, "4.10.1").archive == "ignored"
    assert profile_for(OLD, None, "patched").publishes_final
    assert profile_for(NEW, None, "auto").name == "unknown"


def test_the_facts_have_a_date() -> None:
    assert profile_for(None).date.isoformat() == "2026-11-29"
