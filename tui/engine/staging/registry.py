"""The places that datasets may be staged to, and which of them works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tui.base.errors import RefusedError
from tui.destinations.common.errors import PublishError
from tui.engine.staging.place import StagingPlace
from tui.engine.staging.whole_bucket import whole_bucket
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest

PlaceMaker = Callable[[str, str], StagingPlace]
"""Makes the place of an API base; the second argument is what follows `:` in its name."""


class PlaceRegistry:
    """The places of one state directory."""

    def __init__(self) -> None:
        self._makers: dict[str, PlaceMaker] = {}
        self._names: dict[str, Callable[[], Sequence[str]]] = {}
        self._places: dict[tuple[str, str], StagingPlace] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    def add(
        self, kind: str, maker: PlaceMaker, names: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """Offer a kind of place. Those that are added first are preferred.

        Args:
            kind: its name in drafts, up to a `:`.
            maker: makes the place of an API base.
            names: returns the full names that may be chosen without the user's word; by default
                the kind alone.
        """
        self._makers[kind] = maker
        for known in [known for known in self._places if known[0].partition(":")[0] == kind]:
            del self._places[known]  # made by the maker before
        self._names[kind] = names or (lambda: [kind])

    async def best(
        self, api_base: str, *, prefix_respected: bool | None = None
    ) -> tuple[str, list[str]]:
        """Choose the first place that works with what the user has.

        Args:
            api_base: the API whose trainer reads.
            prefix_respected: whether that trainer reads one folder of a bucket only; for another,
                or an unknown one (None), a bucket is not chosen.

        Returns:
            Its name, and why each one before it does not work. Without any that surely works, the
            first that may, else the first.
        """
        reasons: list[str] = []
        unproved = ""
        names = [name for offered in self._names.values() for name in offered()]
        refusal, advice = whole_bucket(prefix_respected=prefix_respected)
        for name in names:
            if refusal and name.startswith("bucket:"):
                reasons.append(f"{name}: {refusal}. {advice}")
                continue
            try:
                found = await self.place(name, api_base).missing(Manifest())
            except (PublishError, SimpleTunerError, RefusedError) as error:
                reasons.append(f"{name}: {clause(error.message)}. {error.advice}".strip())
                continue
            if not found.unproved:
                return name, reasons
            reasons.append(f"{name}: {found.unproved}")
            unproved = unproved or name
        if unproved:
            return unproved, reasons
        return names[0], reasons

    def place(self, name: str, api_base: str) -> StagingPlace:
        """Return a place by its name in drafts.

        Raises:
            RefusedError: there is no such place.
        """
        kind, _, rest = name.partition(":")
        if kind not in self._makers:
            known = ", ".join(sorted(self._makers))
            raise RefusedError(f"There is no place {name} to stage to.", f"Choose one of: {known}.")
        key = (name, api_base)
        if key not in self._places:
            self._places[key] = self._makers[kind](api_base, rest)
        return self._places[key]

    def lock_of(self, place: str, api_base: str) -> asyncio.Lock:
        """Keeps data from being planned for while they, or what they share, are removed."""
        return self._locks.setdefault((place, api_base), asyncio.Lock())


def clause(sentence: str) -> str:
    """A sentence without its full stop, as a part of another."""
    return sentence.rstrip(".")
