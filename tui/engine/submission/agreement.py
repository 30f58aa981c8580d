"""Binds the consent to what was shown: the place that gets the data, and the data themselves."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from tui.base.errors import RefusedError
from tui.base.formatting import plural
from tui.engine.submission.draft import Draft

if TYPE_CHECKING:
    from tui.engine.staging.planning import StagingPlan
    from tui.simpletuner.datasets.scan import DataReport

UPLOAD: Final = "upload"
"""The place of an archive, which goes to the API itself."""
_REMEMBERED: Final = 200
_UNBOUND: Final = frozenset({"consent", "agreed", "idempotency_key"})
"""Fields of a draft that do not change what its check shows."""


def with_agreement(
    leaves: dict[str, Any], plan: StagingPlan | None, report: DataReport
) -> dict[str, Any]:
    """Add the place and the digest to what leaves this machine.

    The digest covers the receiver with its account or address, the content, and the token that
    travels. The words about temporary keys are left out: their life follows from the queue. An
    archive's content is known by the name, size and times of each file, without reading them.
    """
    if plan is not None:
        place, content = plan.place.name, plan.manifest.digest
        token = "" if plan.place.kind == "bucket" else leaves["token"]
    else:
        place = UPLOAD if leaves["images"] else ""
        content = report.state if leaves["images"] else ""
        token = ""
    rows = [place, leaves["destination"] if place else "", content, token]
    digest = hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
    return {**leaves, "place": place, "digest": digest}


class ShownPlaces:
    """The places that the newest checks of drafts have shown; they are kept in memory."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, str] = OrderedDict()

    def show(self, api_base: str, draft: Draft, place: str) -> None:
        """Remember the place that a check shows."""
        key = _key(api_base, draft)
        self._places[key] = place
        self._places.move_to_end(key)
        while len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)

    def require_agreed(self, api_base: str, draft: Draft, leaves: dict[str, Any]) -> None:
        """Refuse to send something else, or elsewhere, than was agreed to.

        A draft without `agreed` that leaves the choice of the place to this program agrees to the
        place that its newest check showed; without such a check nothing is compared.

        Raises:
            RefusedError: it differs.
        """
        if draft.agreed is not None:
            same = draft.agreed == leaves["digest"]
        elif draft.staging is None:
            same = self._places.get(_key(api_base, draft), leaves["place"]) == leaves["place"]
        else:
            same = True
        if not same:
            images = leaves["images"]
            now = (
                f"{plural(images, 'image')} would go to {leaves['destination']}"
                if images
                else "none would"
            )
            raise RefusedError(
                f"What leaves this machine is not what was shown before: now {now}.",
                "Nothing was sent. Check it again, and agree to what is shown then.",
                status=403,
                code="consent_required",
            )


def _key(api_base: str, draft: Draft) -> str:
    return f"{api_base} {draft.model_dump_json(exclude=set(_UNBOUND))}"
