"""The card of staged data: where local images are put, and the copies that jobs read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.text import LABEL, Words, problem, row, wrapped
from tui.base import formatting
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.staging import StagedData
    from tui.client.client import ControlClient

_PLACES: Final = (
    ("auto", "the place that fits", "the Hub with a token that may write there, else this machine"),
    ("hub", "the Hub", "a private dataset repository of yours"),
    ("here", "this machine", "the trainer reads them through the public URL"),
)
_SETTING: Final = "cloud.staging"
_REMOVE: Final = "remove "


class StagedCard(Card):
    """Shows and changes where local images go; lists and removes the copies."""

    NAME: ClassVar = "staged"
    TITLE: ClassVar = "Staged data"
    READS: ClassVar = ("staged",)
    COLUMN: ClassVar = 1

    @property
    def copies_there(self) -> list[StagedData]:
        """The copies, the oldest first."""
        rows = self.data.get("staged").get("staged") or ()
        return [cast("StagedData", copy) for copy in rows if isinstance(copy, dict)]

    def state(self) -> tuple[str, str]:
        """Returns how many copies there are, and their size."""
        copies = self.copies_there
        if not copies:
            return ("none", "dim") if "staged" in self.data.known else ("", "dim")
        if any(copy["damage"] for copy in copies):
            return "a record was damaged", "warn"
        if any(copy["problem"] for copy in copies):
            return "not all removed", "warn"
        number = formatting.plural(len(copies), "copy", "copies")
        return f"{number}, {formatting.size(sum(copy['bytes'] for copy in copies))}", "base"

    def lines(self, width: int) -> list[Words]:
        """Returns where images go, then each copy: what, where, since when, who reads it."""
        _, place, what = self._place(self.data.context.settings.cloud.staging)
        lines = [row("images go to", place), *wrapped(what, "dim", width, indent=LABEL)]
        error = self.data.failed.get("staged")
        if error is not None:
            return lines + problem(error.message, error.advice, width)
        copies = self.copies_there
        if not copies and "staged" in self.data.known:
            text = "No copy of a dataset lies anywhere now."
            return lines + wrapped(text, "dim", width)
        for copy in copies:
            lines += self._copy(copy, width)
        return lines

    def _copy(self, copy: StagedData, width: int) -> list[Words]:
        since = formatting.ago(
            datetime.fromisoformat(str(copy["created_at"])), self.data.context.clock()
        )
        mark, tone = ("●", "good") if copy["complete"] else ("◌", "warn")
        size = f"{formatting.plural(copy['images'], 'file')}, {formatting.size(copy['bytes'])}"
        head = f"{_name(copy)}: {size}, {since}" if copy["place"] else f"{_name(copy)}: {since}"
        lines: list[Words] = [((f"{mark} ", tone), (head, "base"))]
        if copy["place"]:
            lines += wrapped(where_words(copy), "base", width, indent=2)
        lines += wrapped(self._until(copy), "dim", width, indent=2)
        if copy["damage"]:
            lines += wrapped(f"Damaged: {copy['damage']}", "warn", width, indent=2)
        if copy["problem"]:
            words = f"Not removed yet: {copy['problem']}"
            lines += wrapped(words, "warn", width, indent=2)
        return lines

    def _until(self, copy: StagedData) -> str:
        """Returns who reads a copy and how long it stays."""
        readers = ", ".join(map(self._job, copy["readers"]))
        sent = "" if copy["complete"] else "Not complete. "
        if copy["keep"]:
            stays = "It stays until you remove it: e"
            return f"{sent}{f'Read by {readers}.' if readers else 'No job reads it.'} {stays}."
        if readers:
            ended = "it has" if len(copy["readers"]) == 1 else "the last of them has"
            return f"{sent}Read by {readers}; removed when {ended} ended."
        return f"{sent}No job reads it; it is removed soon, or now: e."

    def _job(self, job_id: str) -> str:
        try:
            job = self.data.context.reader.job(job_id)
        except StoreError:
            job = None
        return job.name if job is not None else job_id

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the place of new copies, and a removal of each copy."""
        name, words, what = self._place(self.data.context.settings.cloud.staging)
        places = (*_PLACES, *self._buckets())
        items = [Item(_SETTING, "Images go to", "choice", words, what, places, name)]
        for copy in self.copies_there:
            read = f"read by {', '.join(map(self._job, copy['readers']))}"
            note = read if copy["readers"] else "no job reads it"
            what = f"{_name(copy)}, {formatting.size(copy['bytes'])}"
            items.append(Item(f"{_REMOVE}{copy['key']}", "Remove a copy", "do", what,
                              f"{note}; {where_words(copy)}"))  # fmt: skip
        return items

    def question(self, key: str, value: str) -> Question | None:  # noqa: ARG002  removing has no value
        """Asks before a copy is removed; one that a job reads is refused by the engine at once."""
        copy = next((c for c in self.copies_there if f"{_REMOVE}{c['key']}" == key), None)
        if copy is None or copy["readers"]:
            return None
        files = formatting.plural(copy["images"], "file")
        if not copy["place"]:
            forgets = (
                "Its record cannot be read, so only the record is removed: nothing is deleted."
            )
            return Question(f"Forget the staged copy {_name(copy)}?", (forgets,), "Forget it")
        details = (
            f"{files}, {formatting.size(copy['bytes'])}, {where_words(copy)}.",
            "Your own files stay. A later job with these images sends them again.",
        )
        return Question(f"Remove the staged copy of {_name(copy)}?", details, "Remove it")

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes the place of new copies, or removes one.

        Raises:
            ControlError: a job reads it, or its place refuses.
        """
        if key == _SETTING:
            self.data.known["settings"] = await control.cloud.change_settings({key: value})
            return ChangeResult(
                f"Local images go to {self._place(value)[1]}, unless a job says where."
            )
        await control.remove_staged(key.removeprefix(_REMOVE))
        return ChangeResult("The copy is removed.")

    def _buckets(self) -> list[tuple[str, str, str]]:
        """The S3 destinations as places, each with words about it."""
        try:
            known = self.data.context.reader.destinations()
        except StoreError:
            return []
        return [
            (
                f"bucket:{one.name}",
                f"the bucket of {one.name}",
                f"{one.options.get('bucket')}, read with temporary keys of one job",
            )
            for one in known
            if one.kind == "s3"
        ]

    def _place(self, name: str) -> tuple[str, str, str]:
        """The place of a setting; a destination that is gone is still shown by its name."""
        known = next((place for place in (*_PLACES, *self._buckets()) if place[0] == name), None)
        bucket = name.removeprefix("bucket:")
        return known or (name, f"the bucket of {bucket}", "there is no such destination any more")

    def copies(self) -> str:
        """Returns the command that lists the same."""
        return "simpletuner-tui staged list"


def where_words(copy: StagedData) -> str:
    """Returns where a copy lies: on this machine, else what its place calls it."""
    if not copy["place"]:
        return "where it lies is not known"
    return "on this machine" if copy["place"] == "here" else f"in {copy['where']}"


def _name(copy: StagedData) -> str:
    return ", ".join(copy["datasets"]) or copy["key"]
