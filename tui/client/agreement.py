"""What a submit says about the consent: the data, and where they go, as the check showed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tui.api.submission import Draft

_STAGED = ("hub", "here", "bucket:")


def with_consent(draft: Mapping[str, Any], report: Mapping[str, Any]) -> Draft:
    """Return a draft that agrees to what a check showed, and to nothing else.

    The place of staged data is named, so that a job that runs again or moves keeps it.

    Args:
        draft: the draft that was checked.
        report: the answer of the check, as it was shown.
    """
    leaves = report.get("leaves") or {}
    body = {**draft, "consent": True}
    if leaves.get("digest"):
        body["agreed"] = leaves["digest"]
    if str(leaves.get("place") or "").startswith(_STAGED):
        body |= {"data": "staged", "staging": leaves["place"]}
    return cast("Draft", body)
