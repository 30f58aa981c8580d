"""Binds the consent to what was shown: the place that gets the data, and the data themselves."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from tui.base.errors import RefusedError
from tui.base.formatting import plural
from tui.engine.submission.draft import Draft
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.check_report import LeavingData
    from tui.engine.staging.planning import StagingPlan
    from tui.simpletuner.datasets.scan import DataReport

LOG = logging.getLogger(__name__)
UPLOAD: Final = "upload"
"""The place of an archive, which goes to the API itself."""
_FACT: Final = "shown-places"
_REMEMBERED: Final = 200
_UNBOUND: Final = frozenset({"consent", "agreed", "idempotency_key"})
"""Fields of a draft that do not change what its check shows."""


def with_agreement(
    leaves: LeavingData, plan: StagingPlan | None, report: DataReport
) -> LeavingData:
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
    """The places that the newest checks of drafts have shown.

    They are kept in the store: the engine may end between the check and the submit.
    """

    def __init__(self, writer: StoreWriter) -> None:
        """Take the store."""
        self._writer = writer
        known = writer.fact(_FACT)
        rows = known if isinstance(known, list) else []
        self._places = OrderedDict((str(key), str(place)) for key, place in rows)

    def show(self, api_base: str, draft: Draft, place: str) -> None:
        """Remember the place that a check shows."""
        key = _key(api_base, draft)
        unchanged = self._places.get(key) == place
        self._places[key] = place
        self._places.move_to_end(key)
        while len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
        if unchanged:
            return
        try:
            self._writer.set_fact(_FACT, list(self._places.items()))
        except StoreError as error:  # the check is still good, and a submit needs the store anyway
            LOG.warning("what a check showed could not be stored: %s", error)

    def require_agreed(self, api_base: str, draft: Draft, leaves: LeavingData) -> None:
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
    """A digest, since an address in a draft may hold a password."""
    text = f"{api_base} {draft.model_dump_json(exclude=set(_UNBOUND))}"
    return hashlib.sha256(text.encode()).hexdigest()
