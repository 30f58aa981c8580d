"""Release profiles: how the SimpleTuner inside a version of the trainer behaves.

A version's schema does not say which SimpleTuner it holds, so a profile is chosen, in rising order
of trust, by the version's date, by what earlier jobs of the same version showed, and by the user's
word. Without any of them only that is assumed which holds for both known releases.

The facts are of SimpleTuner's sources 4.8.0 (commit bc8e6ab of 22 August 2026) and 4.10.1 (wheel of
18 October 2026), read on 29 November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

ReleaseName = Literal["4.8.0", "4.10.1", "patched", "unknown"]
Source = Literal["date", "observed", "user"]
Archive = Literal["ignored", "unpacks"]

_READ: Final = date(2026, 11, 29)
AFTER_4_8: Final = datetime(2026, 8, 22, tzinfo=UTC)
"""A version created before this day holds 4.8.0 at most."""

USER_WORDS: Final = ("4.8.0", "4.10.1", "patched")
"""What a user can say about the trainer."""


@dataclass(frozen=True, slots=True)
class ReleaseProfile:
    """How one release of the trainer behaves; None where that is not known.

    Attributes:
        name: `4.8.0`, `4.10.1`, `unknown` (what these two have in common) or `patched`, a build
            that unpacks archives or uploads the final weights, which neither does.
        source: what the choice rests on.
        date: the day on which the facts were read.
        archive: `ignored`: the input `images` is ignored beside a dataloader, and every member of
            an archive is refused without one; `unpacks`: the archive becomes the local datasets.
        knows_data_files: whether a Hugging Face dataset may name its files (such as a zip).
        knows_dataset_config: whether a Hugging Face dataset may name one of several configs.
        aws_prefix_respected: whether an `aws` dataset lists its prefix only, not the bucket.
        publishes_final: whether the final weights are uploaded to S3 after the last save, that is
            whether the container sets SIMPLETUNER_PUBLISH_FINAL_ARTIFACTS.
        options: the release whose list of options applies; None asks for both.
    """

    name: ReleaseName
    source: Source
    date: date
    archive: Archive | None
    knows_data_files: bool | None
    knows_dataset_config: bool | None
    aws_prefix_respected: bool | None
    publishes_final: bool
    options: str | None

    @property
    def title(self) -> str:
        """The profile and what it rests on, for the end of a sentence on the screen."""
        basis = {
            "date": "by the version's date",
            "observed": "as its own jobs showed",
            "user": "as you said",
        }[self.source]
        if self.name == "unknown":
            more = "; its own jobs showed more" if self.source == "observed" else ""
            return f"SimpleTuner 4.8.0 and 4.10.1 (release not known{more})"
        if self.name == "patched":
            return f"a build unlike SimpleTuner 4.8.0 and 4.10.1 ({basis})"
        limit = "" if self.source == "user" else "at most "
        return f"SimpleTuner {limit}{self.name} ({basis})"


_4_8_0: Final = ReleaseProfile(
    "4.8.0", "date", _READ, "ignored", False, False, False, publishes_final=False, options="4.8.0"
)
_4_10_1: Final = ReleaseProfile(
    "4.10.1", "user", _READ, "ignored", True, True, True, publishes_final=False, options="4.10.1"
)
UNKNOWN: Final = ReleaseProfile(
    "unknown", "date", _READ, "ignored", None, None, None, publishes_final=False, options=None
)
_PATCHED: Final = replace(_4_10_1, name="patched", archive="unpacks", publishes_final=True)
_BY_WORD: Final = {"4.8.0": _4_8_0, "4.10.1": _4_10_1, "patched": _PATCHED}


def profile_for(
    created_at: datetime | None,
    observed: Mapping[str, Any] | None = None,
    user_word: str | None = None,
) -> ReleaseProfile:
    """The profile of a version of the trainer.

    Args:
        created_at: when the version was pushed.
        observed: what earlier jobs of the same version showed: `archive`, `options` and what it
            knows, as in the profile, and `final`, whether final weights arrived by S3.
        user_word: one of `USER_WORDS`; anything else counts as nothing said.
    """
    if user_word in _BY_WORD:
        return replace(_BY_WORD[user_word], source="user")
    old = created_at is not None and created_at < AFTER_4_8
    profile = _4_8_0 if old else UNKNOWN
    shown = observed or {}
    if shown.get("archive") in ("unpacks", "ignored"):
        profile = replace(profile, source="observed", archive=shown["archive"])
    if shown.get("final") is True:
        profile = replace(profile, source="observed", publishes_final=True)
    for trait in ("knows_data_files", "knows_dataset_config", "aws_prefix_respected"):
        if isinstance(shown.get(trait), bool):
            profile = replace(profile, source="observed", **{trait: shown[trait]})
    if shown.get("options") in (_4_8_0.options, _4_10_1.options):
        profile = replace(profile, source="observed", options=shown["options"])
    unlike_both = profile.archive == "unpacks" or profile.publishes_final
    return replace(profile, name="patched") if unlike_both else profile
